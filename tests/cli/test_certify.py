"""The verb ``certify``: a certificate in words and as JSON, exit codes, one line for what is
wrong."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

import invbench
from invbench.cli.main import app
from invbench.errors import UsageError

LOW_LIGHT = ["certify", "llflow", "--coupling", "rq-bounded(bins=4)"]


def run(*args: str):
    return CliRunner().invoke(app, args)


def test_a_certified_flow_says_its_bound_and_ends_with_0():
    done = run(*LOW_LIGHT, "--layers")
    assert done.exit_code == 0
    assert "every condition" in done.stdout and "largest |x|: 60.16" in done.stdout
    assert "level1_step1_injector" in done.stdout and "float16" in done.stdout


def test_json_is_one_document_with_every_layer():
    done = run(*LOW_LIGHT, "--json", "--radius", "1", "--temperature", "0.5")
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and found["finite"] and found["coupling"] == "rq-bounded(bins=4)"
    assert 0.5 < found["max_abs"] < 60 and found["max_abs"] <= found["max_intermediate"]
    names = [layer["name"] for layer in found["layers"]]
    assert names[:2] == ["latent", "prior"] and names[-1] == "level1_squeeze"


def test_a_flow_without_one_ends_with_1_and_names_the_layers():
    done = run("certify", "srflow", "--coupling", "cubic-rational-bounded")
    assert done.exit_code == 1
    assert (
        "level2_step4_coupling and 15 more: CubicRationalBounded has an unbounded shift"
        in done.stdout
    )
    assert "level1_split: the affine split's exp(logs) is unbounded" in done.stdout
    assert json.loads(run("certify", "srflow", "--json").stdout)["max_abs"] == "Infinity"


def test_a_picture_is_a_condition_of_its_own_size(tmp_path):
    from PIL import Image

    picture = tmp_path / "dark.png"
    Image.new("RGB", (19, 17), (30, 20, 10)).save(picture)
    done = run(*LOW_LIGHT, "--image", str(picture), "--eps", "1/255")
    assert done.exit_code == 0
    assert "1 box of conditions" in done.stdout and "bounded for every condition" in done.stdout


def test_a_guard_has_the_certificate_of_its_clamps(tmp_path):
    flow = invbench.load_flow("srflow", "affine")
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    invbench.guard(flow, [(x, x[..., ::4, ::4])]).save(tmp_path / "guard.safetensors")
    done = run("certify", "srflow", "--guard", str(tmp_path / "guard.safetensors"), "--json")
    found = json.loads(done.stdout)
    assert (
        done.exit_code == 0 and 0.5 < found["max_abs"] < 10 and "GuardedFlow" in found["notes"][0]
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--eps", "1/255"), "--image"),
        (("--radius", "0"), "radius must be a positive number"),
        (("--seed", "77"), "invbench train srflow"),
        (("--coupling", "afine"), "did you mean"),
    ],
)
def test_what_is_wrong_is_one_line(args, said):
    done = run("certify", "srflow", *args)
    assert (
        isinstance(done.exception, UsageError)
        and said in str(done.exception)
        and "\n" not in str(done.exception)
    )

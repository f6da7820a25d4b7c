"""A target that ends in a cure: its name, its digest, its file, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import invbench as package
from invbench.cures.guarded import GuardedFlow
from invbench.errors import UsageError
from invbench.targets import absolute, file_of, guarded_by, resolve, runs_new_code, split_cure
from invbench.training.weights import digest_of, find_weights
from tests.support.examples import TANH_AFFINE

pytestmark = pytest.mark.usefixtures("own_registries")


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("affine", ("affine", "")),
        ("affine+guard", ("affine", "guard")),
        ("rq(bins=4)+redraw(tries=2)", ("rq(bins=4)", "redraw(tries=2)")),
        ("a+b.py", ("a+b.py", "")),
        ("my.py:Mine+guard", ("my.py:Mine", "guard")),
        ("affine+guard(file='a b/c.safetensors')", ("affine", "guard(file='a b/c.safetensors')")),
        ("affine+guard(file='a (1).safetensors')", ("affine", "guard(file='a (1).safetensors')")),
        ("smooth(x=1e+3)", ("smooth(x=1e+3)", "")),
    ],
)
def test_a_cure_is_what_follows_the_last_plus(spec, parts):
    assert split_cure(spec) == parts


def test_a_cured_target_is_its_design_with_another_name_and_digest():
    plain, cured, other = (
        resolve(s) for s in ("affine", "affine+redraw", "affine+redraw(tries=2)")
    )
    assert (cured.name, other.name) == ("affine+redraw", "affine+redraw(tries=2)")
    assert cured.design == plain and cured.design.spec == "affine" and plain.design is plain
    assert len({plain.digest, cured.digest, other.digest}) == 3
    assert cured.make().__class__ is plain.make().__class__


def test_a_file_s_design_takes_a_cure(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(TANH_AFFINE)
    monkeypatch.chdir(tmp_path)
    target = resolve("mine.py+redraw")
    assert target.name == "tanh-affine+redraw" and runs_new_code("mine.py+redraw")
    assert file_of("mine.py+redraw(tries=2)") == (tmp_path / "mine.py", "+redraw(tries=2)")
    assert absolute("mine.py+redraw") == f"{tmp_path / 'mine.py'}+redraw"
    assert resolve(absolute("mine.py+redraw")).digest == target.digest


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("affine+gaurd", "guard"),
        ("affine+redraw(times=2)", "no option 'times'"),
        ("affine+redraw(file='x')", "no option 'file'"),
        ("affine+guard(file='nowhere.safetensors')", "invbench guard"),
    ],
)
def test_a_wrong_cure_says_what_to_do(spec, said):
    with pytest.raises(UsageError, match=said):
        resolve(spec)


def test_shipped_cures_load_and_enter_the_digest():
    weights = find_weights("srflow", resolve("affine+guard"), "mini", 0)
    assert weights == find_weights("srflow", resolve("affine"), "mini", 0)
    assert digest_of(weights, resolve("affine+guard")) != digest_of(weights, resolve("affine"))
    assert digest_of(weights, resolve("affine+redraw")) == digest_of(weights, resolve("affine"))
    guarded = package.load_flow("srflow", "affine+guard")
    assert isinstance(guarded, GuardedFlow) and guarded.bound().max_abs < 3
    wider = package.load_flow("srflow", "affine+guard(margin=2)")
    assert guarded.bound().max_abs < wider.bound().max_abs


def test_a_cure_without_its_file_says_how_to_make_it():
    with pytest.raises(
        UsageError, match=r"invbench guard srflow --coupling additive.*guard\.safet"
    ):
        package.load_flow("srflow", "additive+guard")


def test_a_guard_that_is_named_is_part_of_the_target(tmp_path):
    shipped = resolve("affine+guard").cure.file(
        find_weights("srflow", resolve("affine"), "mini", 0)
    )
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(Path(shipped).read_bytes())
    target = resolve(guarded_by("affine", copy))
    assert target.name == "affine+guard(file='mine.safetensors')"
    before = target.digest
    y = torch.rand(1, 3, 16, 16)
    flow, known = package.load_flow("srflow", target), package.load_flow("srflow", "affine+guard")
    z = flow.sample_latents(1, y, 0.9, torch.Generator().manual_seed(0))
    assert torch.equal(flow.decode(z, y), known.decode(z, y))
    copy.write_bytes(copy.read_bytes() + b" ")
    assert resolve(guarded_by("affine", copy)).digest != before
    with pytest.raises(UsageError, match="already"):
        guarded_by("affine+redraw", copy)

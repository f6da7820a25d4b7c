"""Failures as products: reduced, saved, replayed, and safe to read when they come from
elsewhere."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import textwrap

import pytest
import torch

from invbench.errors import UsageError
from invbench.laws import LAWS, LawCase, judge, subject_of
from invbench.laws.cases.counterexample import replay, save_counterexample
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.cases.reduce import minimal
from invbench.laws.cases.summary import case_summary
from invbench.targets import resolve
from tests.support.examples import TANH_AFFINE
from tests.support.faults import couplings, target_of

RECIPE = InputRecipe("normal", 0, "normal", 0, 128, 3)
BROKEN = TANH_AFFINE.replace("(-log_s).exp()", "log_s.exp()").replace(
    "tanh-affine", "broken-on-disk"
)


def test_a_case_is_reduced_to_one_row_and_few_numbers():
    subject = subject_of(target_of(couplings.WrongInverse), torch.float32)
    small, violation = minimal(LAWS["round-trip-x"], LawCase.of(RECIPE, subject), "defect")
    assert small.x.shape[0] == 1
    assert (small.x != 0).sum() + (small.cond != 0).sum() <= 3
    assert violation.value > violation.bound


def test_a_sound_case_is_not_reduced():
    with pytest.raises(ValueError, match="does not break"):
        minimal(
            LAWS["round-trip-x"],
            LawCase.of(RECIPE, subject_of(resolve("affine"), torch.float32)),
            "defect",
        )


@pytest.fixture
def saved(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text(BROKEN.replace("on-disk", tmp_path.name))
    return file, save_counterexample(
        tmp_path / "results", resolve(str(file)), "round-trip-x", RECIPE
    )


def test_the_script_in_a_report_runs_alone_and_shows_both_directions(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN.replace("on-disk", "in-a-report"))
    target = resolve(str(tmp_path / "broken.py"))
    for latent, law in enumerate(("round-trip-x", "round-trip-z")):
        case = LawCase.of(RECIPE, subject_of(target, torch.float32))
        _, violation = minimal(LAWS[law], case, "defect")
        text = case_summary(target, LAWS[law], violation, case, 1.0)
        script = textwrap.dedent(text.partition("alone:\n")[2])
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.stderr == ""
        assert script.splitlines()[-1] == f"print({('layer.inverse(z', 'layer(x')[latent]}, cond))"
        assert done.stdout.count("tensor(") == 4, done.stdout


def test_a_saved_case_is_replayed_and_notices_the_repair(saved):
    file, folder = saved
    record, _, violations = replay(folder, str(file))
    assert record.property == "round-trip-x"
    assert [v.kind for v in violations] == ["defect"]
    file.write_text(TANH_AFFINE.replace("tanh-affine", "broken-on-disk-repaired"))
    assert replay(folder, str(file))[2] == []


def test_code_from_a_file_runs_only_when_it_is_named(saved):
    with pytest.raises(UsageError, match="--target"):
        replay(saved[1])


def test_options_behind_a_file_do_not_make_it_a_registered_name(saved, tmp_path):
    evil, record = tmp_path / "evil.py", saved[1] / "case.json"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"target": f"{evil}(bins=4)"}))
    with pytest.raises(UsageError, match="--target"):
        replay(saved[1])
    assert not (tmp_path / "ran").exists()


def test_the_snippet_runs_without_the_harness_and_shows_the_failure(saved):
    done = subprocess.run(
        [sys.executable, saved[1] / "snippet.py"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "and back again" in done.stdout and "-0.3041" in done.stdout  # x was -0.5


@pytest.mark.parametrize(
    ("file", "data", "text"),
    [
        ("case.json", b"{", "not a case that invbench has written"),
        ("case.json", b'{"format": 1, "extra": 2}', "not a case that invbench has written"),
        ("tensors.safetensors", b"\x80\x04pickle", "not a case that invbench has written"),
        ("case.json", None, "case.json"),
    ],
)
def test_a_folder_from_elsewhere_is_parsed_safely(saved, file, data, text):
    path = saved[1] / file
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(UsageError, match=text):
        replay(saved[1], str(saved[0]))


def test_another_version_and_another_shape_are_named(saved):
    path = saved[1] / "case.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"property": "no-such-law"}))
    with pytest.raises(UsageError, match="another version"):
        replay(saved[1], str(saved[0]))
    path.write_text(json.dumps(record | {"target": "actnorm", "target_kind": "layer"}))
    with pytest.raises(UsageError, match="event shape"):
        replay(saved[1])


def test_every_violation_names_a_recipe_that_shows_it():
    subject = subject_of(target_of(couplings.LogDetSign), torch.float32)
    (violation, *_) = judge(LAWS["log-det"], subject, RECIPE)
    assert violation.row is not None
    assert "x = [" in violation.message


def test_the_line_that_check_prints_runs_the_case_again(invbench, tmp_path):
    file = tmp_path / "my own.py"
    file.write_text(BROKEN.replace("on-disk", tmp_path.name))
    code, _, said = invbench("check", file, "--budget", "smoke", "--results", tmp_path / "kept")
    assert code == 1
    line = next(
        line
        for line in said.splitlines()
        if line.startswith("invbench replay ") and "round-trip-x" in line
    )
    code, out, _ = invbench(*shlex.split(line)[1:])
    assert code == 1 and "round-trip-x" in out

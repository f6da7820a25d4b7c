"""The command line as a user meets it: exit codes, one line per error, one JSON document."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from invbench.registry import FLOWS
from invbench.store.store import Store
from tests.support.examples import TANH_AFFINE
from tests.support.sr_cells import sr


@pytest.fixture
def file(tmp_path):
    def write(text: str = TANH_AFFINE, name: str = "my.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_check_of_the_readme_file_prints_one_json_document(invbench, file):
    code, out, _ = invbench("check", file(), "--budget", "smoke", "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["target"], report["sound"]) == ("tanh-affine", True)
    assert set(report) == {"target", "sound", "failures", "measures"}
    assert {f["severity"] for f in report["failures"]} <= {"design"}


def test_check_of_several_prints_a_list(invbench):
    code, out, _ = invbench("check", "additive", "actnorm", "--budget", "smoke", "--json")
    assert code == 0
    assert [r["target"] for r in json.loads(out)] == ["additive", "actnorm"]


def test_check_of_a_broken_coupling_exits_1_and_names_the_law(invbench, file):
    code, out, _ = invbench(
        "check", file(TANH_AFFINE.replace("(-log_s).exp()", "log_s.exp()")), "--budget", "smoke"
    )
    assert code == 1
    assert "NOT SOUND" in out
    assert "round-trip-x" in out


def test_check_of_wrong_shapes_exits_1_and_says_which(invbench, file):
    broken = file(TANH_AFFINE.replace("+ t, log_s ", "+ t, log_s.sum() "))
    code, out, _ = invbench("check", broken, "--budget", "smoke", "--json")
    assert code == 1
    (failure,) = json.loads(out)["failures"]
    assert failure["property"] == "shape"
    assert "expected" in failure["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "registers no coupling"),
        (
            TANH_AFFINE.partition("    def inverse")[0],
            "has no inverse; define inverse(self, y, params)",
        ),
        ("def f(:", "SyntaxError"),
        (TANH_AFFINE.replace("tanh-affine", "affine"), "already registered"),
    ],
    ids=["nothing", "no inverse", "syntax", "collision"],
)
def test_a_bad_file_is_one_line_and_exit_2(invbench, file, text, message):
    code, out, error = invbench("check", file(text))
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "afine"),
        ("check", "/no/such/file.py"),
        ("check", "affine", "--dtype", "int8"),
        ("check", "affine", "--budget", "vast"),
        ("run", "--track", "nope"),
        ("run", "--engine", "nope"),
        ("run", "--workers", "0"),
        ("run", "--track", "sr", "--data", "nope"),
        ("train",),
        ("train", "srflow"),
        ("train", "--all", "--coupling", "affine"),
        ("train", "--all", "--size", "paper"),
        ("train", "--all", "--seed", "7"),
        ("train", "nope", "--coupling", "affine"),
        ("train", "srflow", "--coupling", "affine", "--size", "vast"),
        ("train", "srflow", "--coupling", "affine", "--mixed-precision"),
        ("train", "srflow", "--coupling", "affine", "--device", "tpu"),
        ("table", "--track", "nope"),
        ("table", "--format", "docx"),
        ("table", "--format", "csv"),
        ("list", "nope"),
        ("run", "--track", "sr", "--attack", "latnt"),
        ("run", "--track", "sr", "--inputs", "0"),
        ("attack", "srflw"),
        ("attack", "glow"),
        ("attack", "srflow", "--coupling", "rq"),
        ("attack", "srflow", "--attack", "latnt"),
        ("attack", "srflow", "--budget", "vast"),
        ("attack", "srflow", "--eps", "8"),
        ("attack", "srflow", "--eps", "-1/255"),
        ("attack", "srflow", "--eps", "eight"),
        ("attack", "srflow", "--crop", "20"),
        ("attack", "srflow", "--image", "nope.png"),
        ("replay", "nope"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(invbench, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, error = invbench(*arguments)
    assert (code, out) == (2, "")
    assert error.startswith("invbench: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_training_without_data_says_what_to_set(invbench, monkeypatch):
    monkeypatch.delenv("INVBENCH_DATA", raising=False)
    code, _, error = invbench("train", "srflow", "--coupling", "affine")
    assert code == 2
    assert "INVBENCH_DATA is not set; point it at" in error


def test_unwritable_results_are_exit_3(invbench, tmp_path):
    blocked = tmp_path / "results"
    blocked.write_text("")
    code, _, error = invbench("table", "--track", "sr", "--results", blocked)
    assert code == 3
    assert "not a folder" in error


def test_interrupt_says_how_to_go_on(invbench, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("invbench.runner.run.run", interrupted)
    code, _, error = invbench("run", "--track", "coupling")
    assert code == 130
    assert "the same command goes on" in error


def test_an_internal_error_is_exit_3_without_a_traceback(invbench, monkeypatch):
    monkeypatch.setattr("invbench.cli.doctor_checks.examine", lambda _: 1 / 0)
    code, _, error = invbench("doctor")
    assert code == 3
    assert "internal error: ZeroDivisionError" in error
    assert "Traceback" not in error


def test_list_names_what_is_registered(invbench):
    code, out, _ = invbench("list", "couplings", "--json")
    assert code == 0
    assert {"additive", "affine", "affine-floor", "modified-rq"} <= {
        row["name"] for row in json.loads(out)
    }
    assert invbench("list")[0] == 0


def test_doctor_finds_the_photographs_and_the_shipped_weights(invbench, tmp_path):
    code, out, _ = invbench("doctor", "--json", "--results", tmp_path)
    found = {f["what"]: f["ok"] for f in json.loads(out)}
    assert code == 0
    assert found["embedded photographs"]
    assert all(
        found[f"weights srflow mini {name}"]
        for name in ("additive", "affine", "affine-floor", "modified-rq")
    )


def test_doctor_without_the_reference_models_says_how_to_get_them(invbench, tmp_path):
    FLOWS.forget("srflow")
    code, out, _ = invbench("doctor", "--json", "--results", tmp_path)
    (said,) = [f for f in json.loads(out) if f["what"] == "reference models"]
    assert code == 0 and not said["ok"]
    assert said["detail"].endswith("pip install invbench-reference-models")


@pytest.mark.slow(reason="16 s: three processes; test_contribution.py goes the same way in one")
def test_run_table_and_resume_as_a_user_does(file, tmp_path):
    """The coupling track on the file of the README, in a process of its own; the second run does
    nothing."""
    results = tmp_path / "results"

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "invbench", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    run = (
        "run",
        "--track",
        "coupling",
        "--entry",
        file(),
        "--budget",
        "smoke",
        "--results",
        results,
    )
    first, second = call(*run), call(*run, "--json")
    assert first.returncode == 0, first.stderr
    assert "tanh-affine" in first.stdout
    assert json.loads(second.stdout) == {
        "planned": 3,
        "finished_before": 3,
        "ran": {},
        "failures": [],
    }
    table = call("table", "--track", "coupling", "--format", "json", "--results", results)
    (row,) = json.loads(table.stdout)["rows"]
    assert (row["entry"], row["sound"], row["tail_slopes_equal"]) == ("tanh-affine", True, False)
    assert row["slope_hi"] == pytest.approx(7.389, abs=1e-3)  # e²
    assert row["train_ns"] > 0


def test_a_wrong_engine_or_folder_is_named_before_anything_runs(invbench, tmp_path):
    code, _, error = invbench("run", "--engine", "slurm", "--dry-run", "--results", tmp_path)
    assert code == 2 and "engine 'slurm' is not known" in error
    file = tmp_path / "file"
    file.write_text("")
    code, _, error = invbench("train", "toy2d", "--coupling", "additive", "--out", file)
    assert code == 2 and "cannot be a folder of weights" in error


def test_table_has_the_flag_json_as_every_verb(invbench, tmp_path):
    Store(tmp_path).write(sr("a", [0, 1]))
    code, out, _ = invbench("table", "--track", "sr", "--json", "--results", tmp_path)
    assert code == 0 and json.loads(out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], "no such verb: 'chekc'; did you mean 'check'?"),
        (["zzz"], "no such verb: 'zzz'; every verb: invbench --help"),
        (["table", "--trak", "sr"], "--track"),
        (["plot", "fig6"], "plot: Missing option '-o' / '--output'; invbench plot --help"),
        (["list", "couplngs"], "did you mean 'couplings'"),
        (["compare", "affine", "additive"], "invbench run --track sr"),
    ],
)
def test_misspelt_words_are_one_line_that_says_what_to_type(
    invbench, tmp_path, monkeypatch, words, said
):
    monkeypatch.chdir(tmp_path)
    code, out, error = invbench(*words)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith("invbench: ") and said in error


def test_names_in_a_list_are_whole_where_the_terminal_is_narrow(invbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = invbench("list", "layers")
    names = [row["name"] for row in json.loads(invbench("list", "layers", "--json")[1])]
    assert code == 0
    assert [name for name in names if name not in out] == []


def test_threads_of_a_command_wait_asleep_unless_the_user_says_otherwise(invbench, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    invbench("list")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    invbench("list")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"

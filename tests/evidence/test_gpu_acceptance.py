"""The acceptance of a GPU, benchmarks/gpu_acceptance.py, on parts that are fakes: a
part that fails, hangs or dies costs itself alone, and the folder of the results merges."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import pytest
import typer
from rich.console import Console

from invbench.store.merge import merge
from invbench.store.store import Store
from invbench.tracks.protocols import current
from tests.support.sr_cells import sr

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"

FAKES = {
    "passes": "return Answer('well', rows=[{'gib': float('inf')}])",
    "fails": "return Answer('so so', ['2 is not 3'])",
    "cannot": "return Answer(skipped='no compiler')",
    "raises": "setting.keep(Answer('half', rows=[{'n': 1}])); raise ValueError('no such layer')",
    "dies": "setting.keep(Answer('half', ['bad'])); os.kill(os.getpid(), signal.SIGKILL)",
    "hangs": "time.sleep(600)",
}
LINES = """import os, signal, subprocess, time
from gpu.part import Answer

def measure(setting):
    {}
"""
STATUS = {
    "passes": "passed",
    "fails": "failed",
    "cannot": "skipped",
    "raises": "died",
    "dies": "died",
    "hangs": "hung",
}


@pytest.fixture
def parts(gpu, tmp_path, monkeypatch):
    """name → the fake part; each is a module that its own process imports."""
    for name, line in FAKES.items():
        (tmp_path / f"{name}_part.py").write_text(LINES.format(line))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    least = {"hangs": 0.3}  # its whole limit
    return {
        name: gpu.part.Part(name, f"it {name}", f"{name}_part", least.get(name, 60.0), 0.1)
        for name in FAKES
    }


@pytest.fixture
def accepted(gpu, parts, tmp_path):
    """``accepted(name, …)``: the outcomes of these fake parts, and what the summary says."""

    def run(*chosen, limit=300.0, device="cuda"):
        quiet, out = Console(file=io.StringIO()), tmp_path / "out"
        plan = [parts[one] if isinstance(one, str) else one for one in chosen]
        work = tmp_path / "work"
        found = gpu.script.accept(plan, device, out, work, limit, {"commit": "abc"}, quiet)
        return found, json.loads((out / "acceptance.json").read_text()), out

    return run


def test_a_part_that_fails_hangs_or_dies_is_said_to_and_the_others_are_kept(accepted):
    found, summary, out = accepted("dies", "fails", "hangs", "raises", "cannot", "passes")
    assert {one.part.name: one.status for one in found} == STATUS
    said = {one.part.name: " ".join(one.reasons) for one in found}
    assert "SIGKILL" in said["dies"] and "bad" in said["dies"]  # what it had found before stays
    assert "ValueError: no such layer" in said["raises"]
    assert "ended after 0.3 s" in said["hangs"]
    assert (said["fails"], said["cannot"]) == ("2 is not 3", "no compiler")
    assert not summary["passed"] and summary["provenance"]["commit"] == "abc"
    rows = {part["part"]: part["rows"] for part in summary["parts"]}
    assert rows["raises"] == [{"n": 1}] and rows["passes"] == [{"gib": "inf"}]
    with (out / "acceptance.csv").open() as file:
        assert {row["part"]: row["status"] for row in csv.DictReader(file)} == STATUS
    assert "no such layer" in (out / "acceptance.log").read_text()


def test_what_a_part_has_started_ends_with_it(gpu, parts, tmp_path):
    grandchild = "p = subprocess.Popen(['sleep', '600'])"
    line = f"{grandchild}; setting.keep(Answer(str(p.pid))); os._exit(3)"
    (tmp_path / "dies_part.py").write_text(LINES.format(line))
    work = tmp_path / "work"
    setting = gpu.part.Setting("cpu", 60.0, str(work), "", str(work / "answer"))
    outcome = gpu.isolated.run_part(parts["dies"], setting, gpu.clone.environment(work))
    assert outcome.status == "died" and "exit code 3" in outcome.reasons[0]
    state = Path(f"/proc/{outcome.answer.said}/stat")
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        pass  # until the signal has arrived


def test_parts_that_would_not_fit_are_skipped_and_say_so(accepted, parts):
    long = replace(parts["passes"], least=50.0)
    found, summary, _ = accepted(long, "passes", limit=33.0)
    assert [one.status for one in found] == ["skipped", "passed"]
    assert found[0].reasons[0].startswith("it needs 50 s") and summary["passed"]


def test_nothing_runs_on_a_device_that_does_not_answer(accepted, parts):
    first = replace(parts["raises"], first=True)
    found, _, _ = accepted(first, "passes")
    assert [one.status for one in found] == ["died", "skipped"]
    assert "no such layer" in found[1].reasons[0]


def test_what_a_cpu_cannot_do_is_left_out_with_the_reason(accepted, parts):
    large = replace(parts["dies"], not_on_cpu="it takes hours")
    found, summary, _ = accepted(large, "passes", device="cpu")
    assert [one.status for one in found] == ["skipped", "passed"]
    assert summary["parts"][0]["reasons"] == ["it takes hours"]


@pytest.mark.parametrize(("name", "code"), [("passes", 0), ("fails", 1), ("hangs", 1)])
def test_the_exit_code_is_one_where_a_part_is_not_in_order(
    gpu, parts, tmp_path, monkeypatch, name, code
):
    monkeypatch.setattr(gpu.script, "PARTS", (parts[name],))
    device, ended = "cuda" if name == "hangs" else "cpu", 0
    try:
        gpu.script.main(device, tmp_path, commit="abc")
    except typer.Exit as end:
        ended = end.exit_code
    assert ended == code


def test_every_part_is_a_module_with_a_measure(gpu):
    for part in gpu.part.PARTS:
        path = FOLDER / f"{part.module.replace('.', '/')}.py"
        assert "def measure(setting: Setting) -> Answer:" in path.read_text(), part.name
        assert part.least <= part.seconds


# what is said of what others said


def test_the_folder_of_the_results_merges_and_holds_few_flat_files(gpu, accepted, tmp_path):
    _, _, out = accepted("passes", "fails")
    own = Store(tmp_path / "own")
    for cell in (sr("affine", [0, 1]), sr("affine", [0], "embedded/noise-3"), sr("rq", [0])):
        own.write(cell)
    assert gpu.cells.gather(own.root, out) == 3
    assert gpu.cells.gather(own.root, out) == 0  # once
    files = sorted(path.name for path in out.rglob("*"))
    assert files == ["acceptance.csv", "acceptance.json", "acceptance.log", "sr.jsonl"]
    taken = merge(out, tmp_path / "leaderboard", current)
    assert len(taken.taken) == 3 and not taken.unreadable and not taken.conflicts


@pytest.mark.parametrize(
    ("severity", "kind", "accused"),
    [
        ("soundness", "defect", True),
        ("soundness", "crash", True),
        ("soundness", "ill-conditioned", False),
        ("design", "defect", False),
    ],
)
def test_a_target_is_wrong_where_it_is_not_sound(gpu, severity, kind, accused):
    failure = {"property": "jvp", "severity": severity, "kind": kind, "message": "2 is not 3"}
    report = {"failures": [failure], "measures": {"laws": 50, "seconds": 1.0}}
    assert bool(gpu.laws.verdict(0, json.dumps(report), "")["wrong"]) == accused


def test_a_check_that_says_nothing_is_no_sound_one(gpu):
    assert gpu.laws.verdict(-11, "", "")["wrong"] == "exit code -11: no output"
    said = gpu.laws.verdict(2, "", "invbench: device 'cuda' is not available here")["wrong"]
    assert said == "exit code 2: invbench: device 'cuda' is not available here"


WORKERS = "created: 4/4 workers\n4 workers [{} items]\n\n== 8 passed in 2.00s ==\n"


@pytest.mark.parametrize(
    ("code", "items", "room", "wrong"),
    [(0, 8, 4, 0), (1, 8, 4, 1), (0, 8, 16, 1), (0, 4, 16, 0)],
)
def test_the_suites_have_as_many_workers_as_there_is_room_for(gpu, code, items, room, wrong):
    answer = gpu.suites.verdict(code, WORKERS.format(items), room)
    assert len(answer.failures) == wrong
    assert answer.said == "8 passed in 2.00s, 4 workers"


def test_a_clone_looks_installed(gpu, tmp_path):
    folder = gpu.clone.write_metadata(tmp_path, (ROOT, ROOT / "reference_models"))
    points = {
        (point.group, point.name): point.value
        for found in distributions(path=[str(folder)])
        for point in found.entry_points
    }
    assert points["invbench.flows", "srflow"] == "invbench_models.srflow"
    assert points["pytest11", "invbench"] == "invbench.testing.plugin"
    assert {found.name for found in distributions(path=[str(folder)])} == {
        "invbench",
        "invbench-reference-models",
    }


def test_the_environment_has_the_clone_first_and_keeps_the_users_own(gpu, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/users/own")
    path = gpu.clone.environment(tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert path[0] == str(FOLDER) and path[-1] == "/users/own"

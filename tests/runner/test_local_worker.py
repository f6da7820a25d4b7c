"""One guarded worker process: what an entry does is its own row's business. The whole zoo:
benchmarks/evidence/hostile.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from invbench.errors import HarnessError
from invbench.runner.local_worker import Answer, Lane, Limits
from invbench.runner.run import options_of, plan
from invbench.runner.scheduler import run_cells
from invbench.store.cell import CellSpec
from invbench.store.store import Store
from invbench.targets import absolute, resolve
from invbench.tracks.self_test import self_test_specs

ENTRIES = """
import os, time
import torch
import invbench

class Base(invbench.Elementwise):
    n_params = 1
    def forward(self, x, params):
        self.misbehave()
        return x + params[0], torch.zeros_like(x)
    def inverse(self, y, params):
        return y - params[0], torch.zeros_like(y)
    def misbehave(self):
        pass

@invbench.coupling("lane-hangs")
class Hangs(Base):
    def misbehave(self):
        time.sleep(10**6)

@invbench.coupling("lane-patches")
class Patches(Base):
    def misbehave(self):
        print("I was here")
        torch.zeros_like = lambda x: None
        open("left-behind", "w").close()

@invbench.coupling("lane-honest")
class Honest(Base):
    pass

@invbench.coupling("lane-eats")
class Eats(Base):
    def misbehave(self):
        self.kept = b"x" * 2**30
        time.sleep(10**6)
"""


@pytest.fixture
def folder(tmp_path, own_registries) -> Path:
    (tmp_path / "zoo.py").write_text(ENTRIES)
    return tmp_path


def spec(folder: Path, name: str) -> CellSpec:
    options = options_of("smoke")
    (found,) = [
        s for s in plan(["coupling"], [f"{folder}/zoo.py:{name}"], options) if s.measure == "slopes"
    ]
    return found


@pytest.fixture
def lane(folder):
    found = Lane(folder / "results", Limits(seconds=60, gigabytes=4))
    yield found
    found.close()


def test_an_entry_that_patches_torch_breaks_its_own_row_and_its_words_are_kept(lane, folder):
    broken, honest = (spec(folder, name) for name in ("lane-patches", "lane-honest"))
    assert lane.measure(broken).status == "error"
    assert b"I was here" in (folder / "results" / broken.path).with_suffix(".log").read_bytes()
    cell = lane.measure(honest)
    assert cell.status == "ok" and cell.measures["slope_lo"] == 1
    assert not Path("left-behind").exists()
    assert Store(folder / "results").load()[1] == []


@pytest.mark.parametrize(
    ("name", "limits", "status", "text"),
    [
        ("lane-hangs", Limits(seconds=0.5, gigabytes=4), "timeout", "--time-limit allows more"),
        (
            "lane-eats",
            Limits(seconds=60, gigabytes=1),
            "oom",
            "--memory-limit allows more than 1.0",
        ),
    ],
)
def test_limits_end_a_cell_and_its_process(folder, name, limits, status, text):
    lane = Lane(folder / "results", limits)
    cell = lane.measure(spec(folder, name))
    assert (cell.status, text in cell.reason) == (status, True)
    assert Store(folder / "results").get(spec(folder, name)).status == status
    assert not [
        p
        for p in psutil.Process().children(recursive=True)
        if "invbench.runner.worker_main" in " ".join(p.cmdline())
    ]


def test_a_closed_lane_starts_nothing(folder):
    lane = Lane(folder / "results", Limits())
    lane.close()
    with pytest.raises(HarnessError, match="stopped"):
        lane.measure(spec(folder, "lane-honest"))


def test_a_worker_whose_driver_is_gone_leaves_no_folder(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", "from invbench.runner.worker_main import serve; serve()"]
    command += [str(theirs.fileno()), str(os.getpid()), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
    with theirs, ours:
        worker = subprocess.Popen(command, cwd=scratch, env=environment, pass_fds=[theirs.fileno()])
        with Connection(os.dup(ours.fileno())) as channel:
            assert channel.recv_bytes() == b"ready"
        assert scratch.exists()
    worker.wait(60)
    assert not scratch.exists()


@pytest.mark.parametrize(
    "said", [b"null", b"[]", b"{}{}", b'{"cell": 3}', b'{"evil": 1}', b"[" * 100_000, b"\xff"]
)
def test_an_answer_that_is_none_is_refused(said):
    with pytest.raises(ValidationError):
        Answer.model_validate_json(said)


def test_limits_are_a_share_of_the_machine():
    assert Limits.for_workers(2).gigabytes == pytest.approx(
        2 * Limits.for_workers(4).gigabytes, rel=1e-3
    )
    assert Limits.for_workers(2, seconds=5, gigabytes=1) == Limits(5, 1)


def test_targets_are_made_absolute_for_a_process_that_stands_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text("")
    assert absolute("my.py:Name(bins=4)") == f"{os.getcwd()}/my.py:Name(bins=4)"
    assert absolute("my.py") == f"{os.getcwd()}/my.py"
    assert [
        absolute(t) for t in ("affine", "rq(bins=4)", "package.module:Name", "nflows/rq", "gone.py")
    ] == [
        "affine",
        "rq(bins=4)",
        "package.module:Name",
        "nflows/rq",
        "gone.py",
    ]


@pytest.mark.slow(reason="9 s: three runs, with one worker and with two")
def test_one_worker_or_two_give_the_same_numbers_and_a_killed_one_costs_nothing(folder):
    """Two workers, one of them killed in the middle, against one; cells of the self-test track."""
    specs = self_test_specs(resolve("affine"), 12, 30)
    run_cells(specs, 1, folder / "one", lambda cell: None)
    killed = []

    def done(cell):
        if not killed:
            victims = [
                p
                for p in psutil.Process().children()
                if "invbench.runner.worker_main" in " ".join(p.cmdline())
            ]
            victims[-1].kill()
            killed.append(victims[-1].pid)

    run_cells(specs, 2, folder / "two", done)
    one, two = (
        {c.key: (c.status, c.measures) for c in Store(folder / name).load()[0]}
        for name in ("one", "two")
    )
    assert killed and one == two and len(one) == 12
    assert {status for status, _ in one.values()} == {"ok"}

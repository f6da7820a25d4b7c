"""The engine over lanes that are fakes: who gets which cell, what a lost lane costs, and how an
interrupt ends it."""

from __future__ import annotations

import threading

import psutil
import pytest

from invbench.errors import HarnessError
from invbench.runner.local_worker import code_of
from invbench.runner.scheduler import LOSSES, Engine, LaneLost, drive, run_cells
from invbench.store.cell import Cell, CellSpec
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.self_test import self_test_specs


def spec(entry: str, seed: int = 0, **more) -> CellSpec:
    return CellSpec(
        track="self-test",
        entry=entry,
        measure="busy",
        seed=seed,
        entry_digest="d",
        target=entry,
        **more,
    )


class Fake:
    """A lane that notes what it measured, one cell at a time over all lanes that share
    ``turns``."""

    def __init__(self, behave=lambda spec: None) -> None:
        self.resident, self.behave = "", behave
        self.measured: list[str] = []
        self.closed = threading.Event()

    def prepare(self) -> None:
        pass

    def measure(self, spec: CellSpec) -> Cell:
        self.measured.append(f"{spec.entry}{spec.seed}")
        self.behave(spec)
        self.resident = code_of(spec) or self.resident
        return Cell(key=spec.key, spec=spec, status="ok")

    def close(self) -> None:
        self.closed.set()


def run(lane: Fake, jobs: list[tuple[CellSpec, float]], folder) -> list[Cell]:
    """The cells of one lane, all of them submitted before it takes the first."""
    gate = threading.Event()
    lane.prepare = gate.wait
    with Engine([lane], folder) as engine:
        futures = [engine.submit(*job) for job in jobs]
        gate.set()
        return [future.result(60) for future in futures]


def test_a_lane_stays_with_an_entry_from_outside_while_its_cells_are_not_much_shorter(tmp_path):
    lane = Fake()
    seconds = {"x0": 8, "y0": 8, "x1": 8, "y1": 5, "x2": 3, "y2": 1}
    run(lane, [(spec(name[0], int(name[1])), s) for name, s in seconds.items()], tmp_path)
    # x2 is less than half of y0, and y2 of x2: they wait
    assert lane.measured == ["x0", "x1", "y0", "y1", "x2", "y2"]


def test_entries_that_ship_go_in_the_order_of_the_plan(tmp_path):
    lane = Fake()
    run(
        lane,
        [(spec(name, seed), 1) for seed in range(2) for name in ("affine", "additive")],
        tmp_path,
    )
    assert lane.measured == ["affine0", "additive0", "affine1", "additive1"]


def test_a_cell_whose_lane_was_lost_is_measured_by_another(tmp_path):
    losses = iter([LaneLost("node died")] * (LOSSES - 1))

    def behave(found):
        if found.seed == 1 and (error := next(losses, None)):
            raise error

    cells = run(Fake(behave), [(spec("affine", seed), 1) for seed in range(3)], tmp_path)
    assert [cell.status for cell in cells] == ["ok"] * 3


def test_a_cell_that_no_lane_survives_is_its_own_error(tmp_path):
    def behave(found):
        if found.seed == 1:
            raise LaneLost("the node is gone")

    cells = run(Fake(behave), [(spec("affine", seed), 1) for seed in range(3)], tmp_path)
    assert [cell.status for cell in cells] == ["ok", "error", "ok"]
    assert cells[1].reason == f"lost {LOSSES} workers with it, the last one: the node is gone"
    assert [(cell.key, cell.reason) for cell in Store(tmp_path).load()[0]] == [
        (cells[1].key, cells[1].reason)
    ]


def test_a_lane_that_cannot_start_ends_the_run_with_its_reason(tmp_path):
    lane = Fake()

    def refuse():
        raise HarnessError("node n has another invbench")

    lane.prepare = refuse
    with pytest.raises(HarnessError, match="another invbench"):
        drive(Engine([lane], tmp_path), [spec("affine")], lambda cell: None, lambda spec: 0.0)
    assert lane.closed.is_set()


def test_exclusive_cells_run_alone_after_all_others(tmp_path):
    running, beside = [], []

    def behave(found):
        running.append(found)
        if found.exclusive:
            beside.append(len(running))
        running.remove(found)

    lanes = [Fake(behave) for _ in range(3)]
    specs = [spec("affine", seed, exclusive=seed % 2 == 0) for seed in range(10)]
    order: list[bool] = []
    drive(
        Engine(lanes, tmp_path),
        specs,
        lambda cell: order.append(cell.spec.exclusive),
        lambda spec: 0.0,
    )
    assert order == [False] * 5 + [True] * 5
    assert beside == [1] * 5


def test_an_interrupt_ends_the_processes_of_cells_that_would_run_for_an_hour(tmp_path):
    specs = self_test_specs(resolve("affine"), 1, 0) + self_test_specs(
        resolve("affine"), 2, 3_600_000
    )

    def interrupted(cell):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells(specs, 2, tmp_path, interrupted)
    children = psutil.Process().children(recursive=True)
    assert not [
        p
        for p in children
        if p.is_running() and "invbench.runner.worker_main" in " ".join(p.cmdline())
    ]
    assert [cell.spec.settings for cell in Store(tmp_path).load()[0]] == [{"milliseconds": 0}]

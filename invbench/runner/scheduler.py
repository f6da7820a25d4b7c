"""The engine: ``submit(cell) -> Future`` over lanes, each of which measures one cell at a time,
here or on another machine."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from invbench.errors import HarnessError
from invbench.runner.local_worker import Lane, Limits, code_of
from invbench.runner.results_guard import Anchor
from invbench.store.cell import Cell, CellSpec, Measured
from invbench.store.write_cell import record

__all__ = [
    "Engine",
    "LaneLost",
    "Measures",
    "default_workers",
    "drive",
    "local_engine",
    "run_cells",
]

LOSSES = 5  # lanes that a cell may lose: from then on it is taken for the reason
SIMILAR = 0.5  # of the next cell's seconds, at least: a lane may stay with its entry instead

Done = Callable[[Cell], None]


class LaneLost(Exception):
    """The lane is gone and the cell is not to blame, as when a node dies."""


class Measures(Protocol):
    """A lane: ``Lane`` on this machine, ``RayLane`` on another. ``resident``: whose code its
    process has run, empty when only ours."""

    resident: str

    def prepare(self) -> None:
        """Wait until a cell can be measured; a lane that was lost is made anew."""

    def measure(self, spec: CellSpec) -> Cell:
        """The cell, written. Raises ``LaneLost``, or ``HarnessError`` when it cannot be written."""

    def close(self) -> None:
        """End it, whatever it does; from any thread."""


@dataclass(eq=False)
class _Job:
    spec: CellSpec
    code: str
    seconds: float
    future: Future[Cell] = field(default_factory=Future)
    losses: int = 0


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine:
    """One thread per lane, which takes the next cell when its lane is free. Use as a context
    manager; leaving it on an error ends what still runs. Cells go out in the order in which they
    came, but a lane stays with an entry from outside, whose process no other may use, as long as
    there is a cell of it that is not much shorter than the next one. ``results``: where a cell that
    no lane survives is written."""

    def __init__(self, lanes: Sequence[Measures], results: Path) -> None:
        self.lanes, self.root = lanes, results
        self._pending: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(lane,), daemon=True) for lane in lanes
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, spec: CellSpec, seconds: float = 0.0) -> Future[Cell]:
        """``seconds``: what it may take, when that is known."""
        job = _Job(spec, code_of(spec), seconds)
        with self._changed:
            self._pending.append(job)
            self._changed.notify()
        return job.future

    def _serve(self, lane: Measures) -> None:
        while True:
            broken: Exception | None = None
            try:
                lane.prepare()
            except Exception as error:
                broken = error
            job = self._take(lane)
            if job is None:
                return
            try:
                if broken is not None:
                    raise broken
                cell = lane.measure(job.spec)
            except LaneLost as error:
                self._again(job, str(error))
            except Exception as error:
                job.future.set_exception(error)
            else:
                job.future.set_result(cell)

    def _take(self, lane: Measures) -> _Job | None:
        with self._changed:
            while not self._pending and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            chosen = self._pending[0]
            if lane.resident and chosen.code != lane.resident:
                least = SIMILAR * chosen.seconds
                own = (
                    job
                    for job in self._pending
                    if job.code == lane.resident and job.seconds >= least
                )
                chosen = next(own, chosen)
            self._pending.remove(chosen)
            return chosen

    def _again(self, job: _Job, why: str) -> None:
        job.losses += 1
        if job.losses < LOSSES:
            with self._changed:
                self._pending.appendleft(job)
                self._changed.notify()
            return
        try:
            reason = f"lost {job.losses} workers with it, the last one: {why}"
            job.future.set_result(record(job.spec, Measured({}, "error", reason[:2000]), self.root))
        except HarnessError as error:
            job.future.set_exception(error)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for lane in self.lanes:
            lane.close()
        for thread in self._threads:
            thread.join()


def local_engine(
    workers: int,
    results: Path,
    limits: Limits | None = None,
    slots: Sequence[Mapping[str, str]] = (),
) -> Engine:
    """``workers`` guarded processes of one thread each on this machine; ``slots``: the environment
    of each, in turn."""
    limits = limits or Limits.for_workers(workers)
    own = slots or [{}]
    return Engine([Lane(results, limits, own[k % len(own)]) for k in range(workers)], results)


def drive(
    engine: Engine, specs: Iterable[CellSpec], done: Done, seconds: Callable[[CellSpec], float]
) -> None:
    """Run every cell and call ``done`` as each is written; exclusive cells come last, one at a
    time, so that nothing of ours runs beside them."""
    specs = list(specs)
    anchor = Anchor(engine.root)

    def finish(cell: Cell) -> None:
        anchor.check(cell.spec)
        done(cell)

    with engine:
        shared = [engine.submit(spec, seconds(spec)) for spec in specs if not spec.exclusive]
        for future in as_completed(shared):
            finish(future.result())
        for spec in specs:
            if spec.exclusive:
                finish(engine.submit(spec).result())


def run_cells(
    specs: Sequence[CellSpec], workers: int, results: Path, done: Done, limits: Limits | None = None
) -> None:
    """``drive`` the local engine."""
    if specs:
        drive(
            local_engine(min(workers, len(specs)), results, limits), specs, done, lambda spec: 0.0
        )

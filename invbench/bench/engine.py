"""The local engine: guarded worker processes behind ``submit(cell) -> Future``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from invbench.bench.anchor import Anchor
from invbench.bench.cell import Cell, CellSpec
from invbench.bench.lane import Lane, Limits

__all__ = ["LocalEngine", "default_workers", "run_cells"]

Done = Callable[[Cell], None]


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalEngine:
    """N lanes of one process with one thread each. Use as a context manager; leaving it on an error ends what still runs."""

    def __init__(self, workers: int, results: Path, limits: Limits | None = None) -> None:
        self._every = [Lane(results, limits or Limits.for_workers(workers)) for _ in range(workers)]
        self._free: SimpleQueue[Lane] = SimpleQueue()
        for lane in self._every:
            self._free.put(lane)
        self._threads = ThreadPoolExecutor(workers)

    def submit(self, spec: CellSpec) -> Future[Cell]:
        return self._threads.submit(self._measure, spec)

    def _measure(self, spec: CellSpec) -> Cell:
        lane = self._free.get()
        try:
            return lane.measure(spec)
        finally:
            self._free.put(lane)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for lane in self._every:
                lane.close()
        self._threads.shutdown(wait=True, cancel_futures=kind is not None)
        for lane in self._every:
            lane.close()


def run_cells(specs: Sequence[CellSpec], workers: int, results: Path, done: Done, limits: Limits | None = None) -> None:
    """Run every cell and call ``done`` as each is written; exclusive cells come last, one at a time."""
    shared = [spec for spec in specs if not spec.exclusive]
    alone = [spec for spec in specs if spec.exclusive]
    anchor = Anchor(results)
    for group, lanes in ((shared, workers), (alone, 1)):
        if not group:
            continue
        with LocalEngine(min(lanes, len(group)), results, limits) as engine:
            for future in as_completed([engine.submit(spec) for spec in group]):
                cell = future.result()
                anchor.check(cell.spec)
                done(cell)

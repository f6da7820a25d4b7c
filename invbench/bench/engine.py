"""The local engine: spawned worker processes behind ``submit(cell) -> Future``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from invbench.bench.cell import Cell, CellSpec
from invbench.bench.track import Measured
from invbench.bench.worker import measure_cell, prepare_worker, record

__all__ = ["LocalEngine", "default_workers", "run_cells"]

Done = Callable[[Cell], None]


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalEngine:
    """N spawned processes with one thread each. Use as a context manager; leaving it on an error stops the workers."""

    def __init__(self, workers: int, results: Path) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"  # read by the workers when they import torch
        self.results = results
        self._pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=prepare_worker, initargs=(os.getpid(),)
        )

    def submit(self, spec: CellSpec) -> Future[Cell]:
        return self._pool.submit(measure_cell, spec, self.results)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        if kind is not None:
            for child in multiprocessing.active_children():
                child.terminate()


def run_cells(specs: Sequence[CellSpec], workers: int, results: Path, done: Done) -> None:
    """Run every cell and call ``done`` as each is written; exclusive cells come last, one at a time.

    A worker that dies takes its pool with it: the cells that were not finished run again one by one, each in a process
    of its own, and the one that kills its process again is recorded as ``error``.
    """
    shared = [spec for spec in specs if not spec.exclusive]
    alone = [spec for spec in specs if spec.exclusive]
    for group, lanes in ((shared, workers), (alone, 1)):
        suspects = _run_pool(group, lanes, results, done)
        while suspects:
            for spec in _run_pool(suspects[:1], 1, results, done):
                reason = "the worker process died (a crash in native code, os._exit, or killed for memory)"
                done(record(spec, Measured({}, "error", reason), results))
            # the rest may be bystanders: run them together again until the next death
            suspects = _run_pool(suspects[1:], lanes, results, done)


def _run_pool(specs: Sequence[CellSpec], workers: int, results: Path, done: Done) -> list[CellSpec]:
    """Run cells in one pool; returns those that a broken pool left unfinished, the ones that were running first."""
    if not specs:
        return []
    unfinished: list[CellSpec] = []
    with LocalEngine(min(workers, len(specs)), results) as engine:
        waiting = list(specs)
        running: dict[Future[Cell], CellSpec] = {}
        while waiting or running:
            while waiting and len(running) < workers and not unfinished:
                running[engine.submit(waiting[0])] = waiting[0]
                waiting.pop(0)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                spec = running.pop(future)
                try:
                    done(future.result())
                except BrokenProcessPool:
                    unfinished.append(spec)
            if unfinished and not running:
                return unfinished + waiting
    return unfinished

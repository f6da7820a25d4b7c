"""One cell, measured where its entry's code may run: whatever that raises is the cell's outcome."""

from __future__ import annotations

import gc
import re
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from invbench.devices import tf32
from invbench.errors import HarnessError
from invbench.store.cell import Cell, CellSpec, Measured
from invbench.store.write_cell import record
from invbench.targets import Target, resolve
from invbench.tracks import track_named
from invbench.tracks.versions import completed
from invbench.training.weights import digest_of, find_weights

__all__ = ["measure_cell"]

# how a RuntimeError says it
NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|CUDA out of memory")


def measure_cell(spec: CellSpec, results: Path) -> Cell:
    """Measure and write one cell. Whatever the entry raises is the cell's outcome; only a disk that
    refuses is raised."""
    started = time.monotonic()
    origin = ":"
    try:
        target = resolve(spec.target)
        origin = target.entry.origin
        measured = _stale(spec, target) or _at_half_if_need_be(spec, target)
    except HarnessError:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # an entry may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        measured = Measured({}, "oom" if _no_memory(error) else "error", reason[:2000])
    return record(spec, measured, results, time.monotonic() - started, origin)


def _stale(spec: CellSpec, target: Target) -> Measured | None:
    """An error when what lies here is not what was planned: a file edited since, or another version
    on another machine."""
    if target.digest != spec.entry_digest:
        reason = (
            f"{spec.entry}: its source is not the one that was planned, edited since or "
            f"another on this machine; run again"
        )
        return Measured({}, "error", reason)
    now = completed(spec)
    for what in ("corruption", "attack", "flow"):
        if getattr(now, f"{what}_digest") != getattr(spec, f"{what}_digest"):
            reason = (
                f"{spec.case}: the code of its {what} is not the one that was planned, edited "
                f"since or another on this machine; run again"
            )
            return Measured({}, "error", reason)
    if spec.weights_digest:
        flow, size = str(spec.settings["flow"]), str(spec.settings["size"])
        path = Path(spec.weights) if spec.weights else find_weights(flow, target, size, spec.seed)
        if path is None or digest_of(path, target) != spec.weights_digest:
            return Measured(
                {},
                "error",
                (
                    f"{spec.entry}: its weights of {flow} are not the ones that were planned; run "
                    f"again"
                ),
            )
    return None


def _at_half_if_need_be(spec: CellSpec, target: Target) -> Measured:
    """Measured at the cell's batch size; where memory does not hold that, once more at half of it,
    and the reason says so. Random streams belong to inputs, so that a number depends on the batch
    size by rounding at most."""
    half = spec.batch_size // 2
    try:
        return _on_device(spec, target)
    except Exception as error:
        if not half or not _no_memory(error):
            raise
    gc.collect()  # outside of the handler: the traceback held the tensors that did not fit
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    measured = _on_device(spec.model_copy(update={"batch_size": half}), target)
    note = f"out of memory with a batch of {spec.batch_size}: measured with {half}"
    return replace(measured, reason="; ".join(filter(None, (measured.reason, note))))


def _on_device(spec: CellSpec, target: Target) -> Measured:
    with tf32(False):
        measured = track_named(spec.track).measure(spec, target)
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # a fault of the device is this cell's, not the next one's
    return measured


def _no_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error)))
    )

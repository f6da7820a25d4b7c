"""What runs inside a worker process: one cell after another, each written as soon as it is done."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from pathlib import Path

from invbench.bench.cell import Cell, CellSpec
from invbench.bench.track import Measured
from invbench.errors import HarnessError

__all__ = ["measure_cell", "prepare_worker", "record"]

POLL_SECONDS = 1.0


def prepare_worker(driver: int) -> None:
    """One thread, Ctrl-C left to the driver, and an end when the driver is gone."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        while os.getppid() == driver:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def serve() -> None:
    """Main of a worker process: cells come and go as JSON over the socket whose number is its first argument."""
    import json
    import sys
    from multiprocessing.connection import Connection

    channel, driver, results = Connection(int(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3])
    prepare_worker(driver)
    channel.send_bytes(b"ready")
    while True:
        try:
            request = json.loads(channel.recv_bytes())
        except EOFError:
            return
        spec = CellSpec.model_validate_json(json.dumps(request["spec"])).model_copy(
            update={"target": request["target"], "weights": request["weights"]}
        )
        try:
            answer: dict[str, object] = {"cell": measure_cell(spec, results).model_dump(mode="json")}
        except HarnessError as error:
            answer = {"harness": str(error)[:2000]}
        channel.send_bytes(json.dumps(answer).encode())


def measure_cell(spec: CellSpec, results: Path) -> Cell:
    """Measure and write one cell. Whatever the entry raises is the cell's outcome; only a disk that refuses is raised."""
    import torch

    from invbench.bench.tracks import track_named
    from invbench.targets import resolve

    started = time.monotonic()
    origin = ":"
    try:
        target = resolve(spec.target)
        origin = target.entry.origin
        measured = track_named(spec.track).measure(spec, target)
    except HarnessError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        measured = Measured({}, "oom", str(error)[:500])
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # an entry may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        measured = Measured({}, "error", reason[:2000])
    return record(spec, measured, results, time.monotonic() - started, origin)


def record(spec: CellSpec, measured: Measured, results: Path, seconds: float = 0.0, origin: str = ":") -> Cell:
    """Make a cell of what was measured and write it."""
    from invbench.attacks.case import save_case
    from invbench.bench.provenance import provenance
    from invbench.bench.store import Store

    for name, files in measured.found.items():  # before the cell: a cell that is there has its cases
        save_case(results, name, files)
    cell = Cell(
        key=spec.key,
        spec=spec,
        status=measured.status,
        reason=measured.reason,
        measures=measured.measures,
        provenance=provenance(spec.device, seconds, origin),
    )
    Store(results).write(cell)
    return cell

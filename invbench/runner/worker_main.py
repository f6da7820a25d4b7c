"""A worker process: one cell after another, each written as soon as it is done."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

from invbench.errors import HarnessError
from invbench.store.cell import CellSpec

__all__ = ["prepare_worker", "serve"]

POLL_SECONDS = 1.0


def prepare_worker(driver: int, scratch: str) -> None:
    """One thread, its share of the GPU that it sees, Ctrl-C left to the driver, and an end when the
    driver is gone, of ``scratch`` too."""
    import torch

    torch.set_num_threads(1)
    if share := os.environ.get("INVBENCH_GPU_SHARE"):
        torch.cuda.set_per_process_memory_fraction(float(share))
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        while os.getppid() == driver:
            time.sleep(POLL_SECONDS)
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def serve() -> None:
    """Main of a worker process: cells come and go as JSON over the socket whose number is its first
    argument."""
    import json
    import sys
    from multiprocessing.connection import Connection

    from invbench.runner.measure import measure_cell

    channel, driver, results = Connection(int(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3])
    scratch = os.getcwd()  # made for this process; asked now, for an entry may go elsewhere
    prepare_worker(driver, scratch)
    channel.send_bytes(b"ready")
    while True:
        try:
            request = json.loads(channel.recv_bytes())
        except EOFError:
            shutil.rmtree(scratch, ignore_errors=True)
            return
        spec = CellSpec.model_validate_json(json.dumps(request["spec"])).model_copy(
            update={"target": request["target"], "weights": request["weights"]}
        )
        try:
            answer: dict[str, object] = {
                "cell": measure_cell(spec, results).model_dump(mode="json")
            }
        except HarnessError as error:
            answer = {"harness": str(error)[:2000]}
        channel.send_bytes(json.dumps(answer).encode())

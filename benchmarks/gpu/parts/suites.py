"""The suites by ``pytest -n auto``: on a GPU as many workers as its memory holds."""

from __future__ import annotations

import re
import subprocess
import sys

from gpu.clone import ROOT
from gpu.part import Answer, Setting

__all__ = ["verdict"]

RESERVE = 4.0
LAWS = ("accuracy", "round-trip-x", "round-trip-z", "log-det")
SELECTED = "obeys or round_trip_on_clean"
ON_CPU = (
    "suites/test_couplings.py::test_coupling_obeys[affine-round-trip-x]",
    "suites/test_layers.py::test_layer_obeys[actnorm-round-trip-x]",
)
WORKERS = re.compile(r"(\d+) workers? \[(\d+) items?\]")


def measure(setting: Setting) -> Answer:
    properties = [word for law in LAWS for word in ("--property", law)]
    chosen = ON_CPU if setting.small else ("suites", "-k", SELECTED, *properties)
    command = ["-m", "pytest", *chosen, "-n", "auto", "-p", "no:cacheprovider", "--budget", "smoke"]
    command += ["--device", setting.device]
    limit = max(1.0, setting.left() - RESERVE)
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired as stopped:
        said = stopped.stdout or b""
        end = (said.decode(errors="replace") if isinstance(said, bytes) else said)[-300:]
        return Answer("", [f"not done after {limit:.0f} s: {end.strip()}"])
    sys.stdout.write(done.stdout[-20_000:] + done.stderr[-5_000:])
    return verdict(done.returncode, done.stdout, expected(setting.device))


def expected(device: str) -> int:
    """Workers that ``-n auto`` must start."""
    from invbench.runner.gpu_slots import slots, visible_gpus
    from invbench.runner.scheduler import default_workers

    return default_workers() if device == "cpu" else len(slots(visible_gpus(), default_workers()))


def verdict(code: int, output: str, workers: int) -> Answer:
    """What pytest said, and whether as many workers ran as there is room for."""
    lines = [line.strip("= ") for line in output.splitlines() if line.strip()]
    said = lines[-1] if lines else "no output"
    failures = [] if code == 0 else [f"exit code {code}: {said}"]
    failures += [line for line in lines if line.startswith(("FAILED", "ERROR"))][:20]
    started = WORKERS.search(output)
    if started is None:
        failures.append("it is not known how many workers ran")
    elif int(started[1]) != min(workers, int(started[2])):
        failures.append(f"{started[1]} workers, where there is room for {workers}")
    return Answer(f"{said}, {started[1] if started else '?'} workers", failures)

"""The laws of every design and layer, by ``invbench check --device``, each in its own process: a
device fault ends one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from gpu.part import Answer, Setting

RESERVE = 5.0  # seconds in which the part says what it has
MOST = 14  # processes of about 0.6 GiB of device memory each
ON_CPU = ("affine", "conv1x1")


def measure(setting: Setting) -> Answer:
    names = ON_CPU if setting.small else everything()
    workers = 1 if setting.small else max(1, min(MOST, (os.cpu_count() or 2) - 1))
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(judged, name, setting) for name in names]):
            rows.append(done.result())
            setting.keep(_answer(rows, len(names)))
    return _answer(rows, len(names))


def everything() -> list[str]:
    """Every coupling and layer of ours."""
    from invbench.adapters import of_library
    from invbench.registry import LAYERS
    from invbench.runner.run import builtin_entries

    return [*builtin_entries(), *(name for name in LAYERS if not of_library(name))]


def judged(name: str, setting: Setting) -> dict[str, Any]:
    """The verdict on one target; ``wrong``: what it breaks, or why there is no verdict."""
    left = setting.left() - RESERVE
    if left < 1:
        return {"target": name, "wrong": "not reached in the part's time"}
    command = ["check", name, "--device", setting.device, "--budget", "smoke", "--json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "invbench", *command],
            capture_output=True,
            text=True,
            timeout=left,
        )
    except subprocess.TimeoutExpired:
        return {"target": name, "wrong": f"no verdict after {left:.0f} s"}
    return {"target": name} | verdict(done.returncode, done.stdout, done.stderr)


def verdict(code: int, output: str, errors: str) -> dict[str, Any]:
    """What ``invbench check --json`` said."""
    try:
        report = json.loads(output)
    except ValueError:
        last: Sequence[str] = errors.strip().splitlines()[-1:] or ["no output"]
        return {"wrong": f"exit code {code}: {last[0][:300]}"}
    broken = [
        f"{found['property']} ({found['kind']}): {found['message']}"
        for found in report["failures"]
        if found["severity"] == "soundness" and found["kind"] != "ill-conditioned"
    ]
    seconds = report["measures"].get("seconds")
    return {"laws": report["measures"].get("laws"), "seconds": seconds, "wrong": "; ".join(broken)}


def _answer(rows: list[dict[str, Any]], planned: int) -> Answer:
    wrong = [f"{row['target']}: {row['wrong']}" for row in rows if row["wrong"]]
    laws = sum(row.get("laws") or 0 for row in rows)
    said = f"{len(rows) - len(wrong)} of {planned} sound, {laws} laws judged"
    return Answer(said, wrong, sorted(rows, key=lambda row: str(row["target"])))

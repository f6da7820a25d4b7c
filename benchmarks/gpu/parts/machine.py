"""What everything else runs on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import torch

from gpu.part import Answer, Setting
from invbench.devices import require_device
from invbench.store.provenance import provenance


def measure(setting: Setting) -> Answer:
    require_device(setting.device)
    torch.ones(8, device=setting.device).sum().item()
    origin = provenance(setting.device, 0.0, "")
    left_out = ("seconds", "origin", "finished", "commit")  # of a cell; the script knows its commit
    row = {k: v for k, v in origin.items() if k not in left_out}
    row |= {"cores": os.cpu_count()} | (_cpu() if setting.small else _gpu())
    said = ", ".join(f"{k} {row[k]}" for k in ("device", "driver", "torch") if row.get(k))
    return Answer(said, [], [row])


def _cpu() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {"processor": next((v.split(":")[1].strip() for v in lines if "model name" in v), "")}


def _gpu() -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, timeout=20)
        driver = asked.stdout.strip().partition("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        driver = ""
    return {
        "driver": driver,
        "cuda": torch.version.cuda,
        "capability": ".".join(map(str, torch.cuda.get_device_capability(0))),
        "gib": round(properties.total_memory / 2**30, 1),
    }

"""A part of the acceptance: its record, what it is given, what it answers."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PARTS", "Answer", "Part", "Setting", "plain", "write_json"]


@dataclass(frozen=True)
class Part:
    """``module``: where its ``measure`` is. ``seconds``: its limit on a GPU; ``least``: with fewer
    left it is not started. ``not_on_cpu``: why it is left out on a CPU, or nothing. ``first``:
    without it the others have nothing to run on."""

    name: str
    what: str
    module: str
    seconds: float
    least: float
    not_on_cpu: str = ""
    first: bool = False


# in the order in which they run: what only a GPU can say comes before what takes what is left
PARTS = (
    Part("machine", "the device answers", "gpu.parts.machine", 60, 5, first=True),
    Part("agreement", "CPU = GPU in seven precisions", "gpu.parts.agreement", 90, 20),
    Part("kernels", "fused kernels = eager code", "gpu.parts.kernels", 90, 30),
    Part("speed", "ns per element, share of bandwidth", "gpu.parts.speed", 60, 20),
    Part(
        "paper",
        "published size: a step, a decode, peak memory",
        "gpu.parts.paper",
        70,
        20,
        not_on_cpu="the published batch of 12 is for a GPU; benchmarks/paper_models.py measures "
        "batch 1 on a CPU",
    ),
    Part("medium", "recipe medium: minutes per design", "gpu.parts.medium", 80, 25),
    Part("training", "a training of a mini, interrupted once", "gpu.parts.training", 80, 25),
    Part("cells", "cells of sr, lowlight, an attack", "gpu.parts.cells", 80, 25),
    Part("laws", "laws of designs and layers", "gpu.parts.laws", 150, 30),
    Part("suites", "suites, -n auto", "gpu.parts.suites", 80, 25),
)


@dataclass(frozen=True)
class Answer:
    """What a part says: one line, what is wrong (nothing: it passed), and its numbers."""

    said: str = ""
    failures: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: str = ""
    finished: bool = False


@dataclass(frozen=True)
class Setting:
    """What a part is given: the device, its seconds, a folder of its own to work in, the folder of
    the results, and the file of its answer."""

    device: str
    seconds: float
    work: str
    out: str
    answer: str
    started: float = field(default_factory=time.monotonic)

    @property
    def small(self) -> bool:
        """Whether everything is scaled down, as on a CPU."""
        return self.device == "cpu"

    def left(self) -> float:
        """Seconds until the part is ended."""
        return self.seconds - (time.monotonic() - self.started)

    def keep(self, answer: Answer) -> None:
        """Write what is known so far: it stays if the part is ended."""
        write_json(Path(self.answer), asdict(answer))


def write_json(path: Path, document: Any) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(plain(document), indent=1, ensure_ascii=False) + "\n")
    temporary.replace(path)


def plain(value: Any) -> Any:
    """Non-finite floats as strings: JSON has no other way to say them."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value

"""Pictures of the worst that attacks found, small enough for the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from invbench.attacks.judge import LEVELS
from invbench.errors import UsageError, first_problem
from invbench.files import LARGEST_RECORD, read_limited
from invbench.registry import FLOWS
from invbench.saved_case import AttackCase
from invbench.targets import replay_command, without_options

__all__ = ["worst_pictures"]

WIDEST, QUALITY = 900, 72
ROOM = 3_000_000  # bytes of all pictures together


def worst_pictures(results: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """(records with the picture as data URI, problems). The worst of every entry first, then the
    second worst, while there is room."""
    problems: list[str] = []
    cases = list(_cases(results, problems))
    cases.sort(key=lambda case: (-case[1].log10_x, case[0].name))
    order: list[tuple[int, int]] = []
    seen: dict[str, int] = {}
    for k, (_, record) in enumerate(cases):
        seen[record.coupling] = seen.get(record.coupling, 0) + 1
        order.append((seen[record.coupling], k))
    found, used = [], 0
    for _, k in sorted(order):
        folder, record = cases[k]
        try:
            uri = _small(read_limited(folder / "sheet.png"))
        except (
            UsageError,
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            problems.append(f"{folder / 'sheet.png'}: {str(error).splitlines()[0]}")
            continue
        if used + len(uri) > ROOM:
            break
        used += len(uri)
        found.append(_said(folder, record) | {"uri": uri})
    if len(found) < len(cases) - len(problems):
        problems.append(
            f"{len(cases) - len(found)} of {len(cases)} pictures of attacks: no room; see "
            f"{results}/counterexamples"
        )
    return found, problems


def _cases(results: Path, problems: list[str]) -> Iterator[tuple[Path, AttackCase]]:
    for file in sorted((results / "counterexamples").glob("*/case.json")):
        if not (file.parent / "sheet.png").exists():
            continue  # a broken law, which has no picture
        try:
            yield file.parent, AttackCase.model_validate_json(read_limited(file, LARGEST_RECORD))
        except UsageError as error:
            problems.append(str(error))
        except ValidationError as error:
            problems.append(f"{file}: {first_problem(error)}")


def _said(folder: Path, record: AttackCase) -> dict[str, Any]:
    reached = [
        f"{level}: {LEVELS[level]}"
        for level, hit in record.levels.items()
        if hit and level in LEVELS
    ]
    return {
        "entry": Path(record.coupling.partition(":")[0]).stem
        if ".py" in record.coupling
        else record.coupling,
        "track": _track(record.flow),
        "attack": record.attack,
        "eps": record.eps * 255,
        "log10_x": record.log10_x if math.isfinite(record.log10_x) else "Infinity",
        "source": record.source,
        "reached": reached,
        "command": replay_command(folder, record.coupling, record.flow),
    }


def _track(flow: str) -> str:
    name = without_options(flow)
    return str(FLOWS[name].metadata.get("track", "")) if name in FLOWS else ""


def _small(data: bytes) -> str:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if image.width * image.height > 40_000_000:
            raise ValueError(f"{image.width}×{image.height} pixels are too many")
        picture = image.convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize(
            (WIDEST, max(1, round(picture.height * WIDEST / picture.width))),
            Image.Resampling.LANCZOS,
        )
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()

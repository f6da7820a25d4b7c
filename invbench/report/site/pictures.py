"""Pictures of the worst that attacks found, small enough for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from invbench.errors import UsageError
from invbench.files import read_limited

__all__ = ["worst_pictures"]

WIDEST, QUALITY = 900, 72
ROOM = 3_000_000  # bytes of all pictures together


def worst_pictures(
    cases: Sequence[tuple[Path, dict[str, Any]]], left: int = ROOM
) -> tuple[list[dict[str, Any]], list[str]]:
    """(records with the picture as data URI, problems) of saved cases in order of size. The worst
    of every entry first, then the second worst, while there is room, at most ``left`` bytes."""
    room = min(ROOM, left)
    problems: list[str] = []
    drawn = [case for case in cases if (case[0] / "sheet.png").exists()]
    order: list[tuple[int, int]] = []
    seen: dict[str, int] = {}
    for k, (_, said) in enumerate(drawn):
        seen[said["entry"]] = seen.get(said["entry"], 0) + 1
        order.append((seen[said["entry"]], k))
    found, used = [], 0
    for _, k in sorted(order):
        folder, said = drawn[k]
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
        if used + len(uri) > room:
            break
        used += len(uri)
        found.append(said | {"uri": uri})
    if len(found) < len(drawn) - len(problems):
        problems.append(
            f"{len(drawn) - len(found)} of {len(drawn)} pictures of attacks: no room; see "
            f"{drawn[0][0].parent}"
        )
    return found, problems


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

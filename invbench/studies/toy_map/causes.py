"""Is it the coupling, another layer, or the samples farthest out?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CAUSES", "COUPLING", "JUMPS", "cause"]

JUMPS = 1e4  # "more than 10,000 times" (paper, §3.2.1)
COUPLING, LAYER, TAIL = CAUSES = ("the coupling", "another layer", "the tail")


def cause(row: Mapping[Any, Any], prefix: str = "", least: float = JUMPS) -> str:
    """Of a jump that a row has in the columns of this prefix.

    ``the tail``: without the 1 % of samples farthest out the coupling's factor is below ``least``.
    ``another layer``: an ActNorm or 1×1 has a larger one.
    """
    if not row[f"{prefix}trimmed"] >= least:
        return TAIL
    others = max(row[f"{prefix}actnorm"], row[f"{prefix}conv1x1"])
    return LAYER if others > row[f"{prefix}jump"] else COUPLING

"""Figures without a display: matplotlib is imported when one is drawn. Colours and lines of the
designs are the same in all of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from torch import Tensor

from invbench.measures.quality import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "DASHES", "as_image", "figure", "png"]

COLOURS = {
    "affine": "#d55e00",
    "affine-floor": "#e69f00",
    "additive": "#0072b2",
    "modified-rq": "#009e73",
}
DASHES = {"affine": "-", "affine-floor": "--", "additive": ":", "modified-rq": "-."}


def figure(width: float, height: float) -> Figure:
    """An empty figure of width × height inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def png(drawn: Figure, dpi: int = 100) -> bytes:
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
    return file.getvalue()


def as_image(x: Tensor) -> Any:
    """(3, H, W) as a screen shows it: an array (H, W, 3) in [0, 1]."""
    return displayable(x.detach().float()).movedim(0, -1).cpu().numpy()

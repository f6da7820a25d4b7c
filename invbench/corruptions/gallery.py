"""All corruptions of one photograph as a picture: a row per corruption, a column per severity."""

from __future__ import annotations

import io
import textwrap
import zlib
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from invbench.corruptions import Corruption, corrupt
from invbench.data.datasets import Pair
from invbench.registry import CORRUPTIONS

__all__ = ["PHOTOGRAPH", "gallery"]

PHOTOGRAPH = "china/0"  # of ``sr_pairs``, for the command line: edges, flat parts and colour
SEVERITIES = 5
DPI = 100
ZOOM, GAP, LABEL, HEAD = 3, 8, 470, 64  # HEAD, LABEL and GAP in pixels of the picture
LINE, CHARACTERS = 13, 74  # height of a line of the formula, and how many characters fit into LABEL


def gallery(pair: Pair, seed: int = 0) -> bytes:
    """PNG of the condition of ``pair`` (3, h, w) under every registered corruption at every
    severity, each pixel shown as ZOOM×ZOOM.

    What leaves [0, 1] is shown clamped. Raises ``UsageError`` when the sides of the ground truth
    are no whole multiples of the condition's.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    corruptions: list[Corruption] = [entry.metadata["corruption"] for entry in CORRUPTIONS.values()]
    height, width = (ZOOM * side for side in pair.low.shape[-2:])
    across = LABEL + SEVERITIES * (width + GAP) + GAP
    down = HEAD + len(corruptions) * (height + GAP)
    figure = Figure(figsize=(across / DPI, down / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)

    def write(x: float, y: float, text: str, size: float, **how: Any) -> None:
        """``y`` counts from the top, as rows of pixels do."""
        figure.text(
            x / across, 1 - y / down, text, fontsize=size, va="top", parse_math=False, **how
        )

    write(GAP, GAP, f"Corruptions of {pair.name}, seed {seed}", 11, weight="bold")
    write(GAP, GAP + 22, "name: strengths 1 … 5, then the formula. Shown clamped to [0, 1].", 8)
    for severity in range(1, SEVERITIES + 1):
        write(
            LABEL + (severity - 0.5) * (width + GAP) - GAP / 2,
            HEAD - 20,
            str(severity),
            10,
            ha="center",
        )
    for row, found in enumerate(corruptions):
        top = HEAD + row * (height + GAP)
        write(
            GAP,
            top,
            f"{found.name}: {', '.join(f'{s:.3g}' for s in found.strengths)}",
            9,
            weight="bold",
        )
        lines = textwrap.wrap(
            found.formula, CHARACTERS, max_lines=(height - 18) // LINE, placeholder=" …"
        )
        write(GAP, top + 18, "\n".join(lines), 8)
        for severity in range(1, len(found.strengths) + 1):
            (changed,) = corrupt(found.name, severity, [pair], seed)
            left = LABEL + (severity - 1) * (width + GAP)
            figure.figimage(_enlarged(changed), left, down - top - height, origin="upper")
    canvas.draw()
    file = io.BytesIO()
    # without the alpha channel that matplotlib would save; zlib's default strategy packs enlarged
    # pixels best
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture.save(file, "PNG", compress_level=9, compress_type=zlib.Z_DEFAULT_STRATEGY)
    return file.getvalue()


def _enlarged(image: Tensor) -> np.ndarray:
    """(ZOOM·h, ZOOM·w, 3) bytes, by nearest neighbour."""
    pixels = (image.clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    return pixels.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)

"""Cells of LPIPS: the perceptual distance of the samples of clean photographs, where
``INVBENCH_LPIPS`` names its weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from invbench.data.datasets import Pair
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.measures.lpips import VARIABLE, Backbone, lpips, weights_file
from invbench.measures.quality import displayable
from invbench.store.cell import CellSpec, Measured
from invbench.tracks.kinds import LPIPS
from invbench.tracks.measuring.samples import samples_of

__all__ = ["measure_perceptual", "perceptual_of"]

DIGEST = "lpips_weights"  # in the settings: of the file


def perceptual_of(specs: Sequence[CellSpec]) -> list[CellSpec]:
    """Of each cell of samples of clean photographs one of LPIPS; none without ``INVBENCH_LPIPS``.
    Raises ``UsageError`` when that file does not hold LPIPS."""
    if (file := weights_file()) is None:
        return []
    digest = Backbone.read(file).digest
    return [
        spec.at(measure=LPIPS, settings={**spec.settings, DIGEST: digest})
        for spec in specs
        if spec.corruption == "clean" and not (spec.measure or spec.precision or spec.attack)
    ]


def measure_perceptual(
    spec: CellSpec, flow: ConditionalFlow, pairs: Sequence[Pair], conditions: Sequence[Tensor]
) -> Measured:
    """``lpips`` per input: the mean over the same samples as the cell beside it has, as a screen
    shows them (``displayable``), in float32."""
    file = weights_file()
    if file is None or (backbone := Backbone.read(file)).digest != spec.settings[DIGEST]:
        raise UsageError(f"{VARIABLE} does not name the file that the cell was planned with")
    values = []
    for index, (pair, condition) in enumerate(zip(pairs, conditions, strict=True)):
        y = condition.to(next(flow.parameters()))[None]
        shown = displayable(samples_of(spec, flow, y, index).float())
        values.append(lpips(shown, pair.high[None], backbone).mean().item())
    return Measured({"names": [pair.name for pair in pairs], "lpips": values})

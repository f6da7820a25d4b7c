"""The numbers of the overview, a record each: where they are from and what stands over them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ATTACKED", "CASES", "CHANGED", "CLEAN", "FIGURES", "PROOF", "Figure"]

CLEAN, CHANGED, ATTACKED, PROOF = "clean", "changed", "attacked", "proof"
CASES = {CLEAN: "clean", CHANGED: "ood", ATTACKED: "attacked"}  # as pooled rows are called


class Figure(NamedTuple):
    """A number of the overview: ``column`` of the table of ``track`` (of the model's own when
    empty), of the first of ``roles`` that has it; of all of them the largest when ``largest``.
    ``head`` stands below its ``group``, ``title`` alone."""

    key: str
    group: str
    head: str
    title: str
    column: str
    roles: tuple[str, ...]
    track: str = ""
    largest: bool = False


FAILING, SIZE, GROWTH = "Inputs that fail, %", "Magnitude, log10 |x|", "Sensitivity, found"
QUALITY, COST = "Quality", "Cost"
FIGURES = (
    Figure("changed", FAILING, "changed", "failing, changed, %", "error_pct", (CHANGED,)),
    Figure("clean", FAILING, "clean", "failing, clean, %", "error_pct", (CLEAN,)),
    Figure("attacked", FAILING, "attacked", "failing, attacked, %", "error_pct", (ATTACKED,)),
    Figure("certified", SIZE, "certified", "certified |x|, log10", "max_abs_certified", (PROOF,)),
    Figure(
        "largest",
        SIZE,
        "found",
        "largest |x| found, log10",
        "max_abs_log10",
        (CLEAN, CHANGED, ATTACKED),
        largest=True,
    ),
    Figure(
        "radius",
        GROWTH,
        "critical radius, τ",
        "critical radius, τ",
        "critical_radius",
        (CLEAN, CHANGED),
    ),
    Figure("stretch", GROWTH, "stretch", "stretch found", "inv_lipschitz_lower", (CHANGED, CLEAN)),
    Figure("bits", QUALITY, "bits per dim.", "bits per dimension", "bits", (CLEAN,)),
    Figure(
        "bits",
        QUALITY,
        "bits (glow)",
        "bits per dimension of the unconditional flow, glow",
        "nll",
        (CLEAN,),
        "unconditional",
    ),
    Figure("lr_psnr", QUALITY, "LR-PSNR, least", "LR-PSNR, least, dB", "lr_psnr_min", (CLEAN,)),
    Figure(
        "ratio",
        COST,
        "decode, ×",
        "decode, times that of the flow without the cure",
        "decode_ratio",
        (CLEAN, CHANGED),
    ),
    Figure(
        "decode",
        COST,
        "decode, ns",
        "decode of the coupling alone, ns per element",
        "inverse_ns",
        (),
        "coupling",
    ),
)

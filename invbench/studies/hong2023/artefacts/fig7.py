"""Fig. 7: low-light samples with artefacts beside sound ones, on embedded photographs darkened by
the camera model."""

from __future__ import annotations

from invbench.studies.hong2023.sample_picks import Row
from invbench.studies.hong2023.sample_sheet import sheet
from invbench.studies.study import Made, Study

__all__ = ["make"]

TEXT = """{table}

![Samples](fig7.png)

**The paper**: means of ten samples of LLFlow with black regions of Inf on LOL and VE-LOL, of LLFlow† with the same regions, and of the spline
without any. **Ours**: single samples, one row per rule, each of a photograph not shown above it:

{rules}

All designs of a row decode the same latents; the sample shown is the worst of ten of the row's design. Pixels as a screen shows them: clamped
to [0, 1], +Inf white, −Inf and NaN black; the numbers are those before the clamp.

What differs: mini flows, seed 0; embedded photographs darkened by a camera model in place of LOL and VE-LOL; real sampling at τ = 1, which the
released decoder does not do.
"""
ROWS = tuple(
    Row(
        f"embedded/under-exposure-{severity}",
        design,
        finite,
        f"under-exposure {severity}, {words.format(design)}",
    )
    for severity, finite, words in (
        (3, True, "the photograph on which `{}` is furthest, and finite"),
        (5, False, "the first photograph on which `{}` is not finite"),
    )
    for design in ("affine", "affine-floor")
)


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the embedded photographs in the track lowlight."""
    found = sheet(study, "lowlight", ROWS)
    text = TEXT.format(
        table=found.table.to_markdown(index=False, disable_numparse=True), rules=found.rules
    )
    return Made(text, {"fig7": found.table}, {"fig7": found.picture})

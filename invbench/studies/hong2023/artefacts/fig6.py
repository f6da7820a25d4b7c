"""Fig. 6: super-resolution samples with artefacts beside sound ones, on embedded photographs; †
with errors and without Inf."""

from __future__ import annotations

from invbench.studies.hong2023.sample_picks import Row
from invbench.studies.hong2023.sample_sheet import sheet
from invbench.studies.study import Made, Study

__all__ = ["make"]

TEXT = """{table}

![Samples](fig6.png)

**The paper**: samples of FS-NCSR with artefacts on DIV2K 4×, 8× and EUrban100 4×, of FS-NCSR† with errors on the same conditions, and of the
spline without any. **Ours**: one row per rule, each of a photograph not shown above it:

{rules}

All designs of a row decode the same latents; the sample shown is the worst of ten of the row's design. Pixels as a screen shows them: clamped
to [0, 1], +Inf white, −Inf and NaN black; the numbers are those before the clamp.

What differs: mini flows of two levels on T91, 4× only, photographs embedded in scikit-image and scikit-learn, seed 0.
"""
ROWS = (
    Row(
        "embedded/clean",
        "affine",
        True,
        "the clean photograph on which `affine` is furthest, and finite",
    ),
    Row(
        "embedded/clean",
        "affine-floor",
        True,
        "the clean photograph on which `affine-floor` (†) is furthest, and finite",
    ),
    Row(
        "embedded/eurban-5",
        "affine-floor",
        True,
        "of unsharp-masked photographs (our EUrban100, a = 8), † furthest and finite",
    ),
    Row(
        "embedded/impulse-3",
        "affine",
        False,
        "of photographs with impulse noise, the first on which `affine` is not finite",
    ),
)


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the embedded photographs in the track sr."""
    found = sheet(study, "sr", ROWS)
    text = TEXT.format(
        table=found.table.to_markdown(index=False, disable_numparse=True), rules=found.rules
    )
    return Made(text, {"fig6": found.table}, {"fig6": found.picture})

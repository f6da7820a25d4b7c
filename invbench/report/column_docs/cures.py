"""What a cure does, and what it costs."""

from __future__ import annotations

from invbench.tracks.columns import Meaning

__all__ = ["CURES"]

CURES = (
    Meaning(
        "acted_pct",
        "acted, %",
        "evidence",
        "How often the cure acted: of values (guard, clip), latents (truncated), inputs (gate), or "
        "draws beyond the first in a hundred samples (redraw).",
        "100 · count/total of the decode, mean over inputs",
        "invbench/cures",
        "Shares of different things: compare it with itself, clean against changed, not between "
        "cures.",
    ),
    Meaning(
        "diversity",
        "diversity",
        "quality",
        "How much samples of one condition differ: a cure that answers with one picture has 0.",
        "standard deviation of a pixel over the 10 samples, mean over pixels and inputs",
        "invbench/tracks/measuring/cures.py",
        "More is not better: an explosion is diverse, too. Read it beside PSNR.",
    ),
    Meaning(
        "median_distance",
        "distance to the median",
        "quality",
        "How far the most unusual sample is from the median sample: a patch that exploded and was "
        "cut to white still stands out.",
        "max over samples of the root mean square over pixels of |x − median|, pixels in [0, 1]",
        "invbench/tracks/measuring/cures.py",
        "Where all samples break in the same way the median breaks with them: read LR-PSNR.",
        "low",
    ),
    Meaning(
        "decode_ratio",
        "decode, ×",
        "speed",
        "Seconds of a decode with the cure over those of the same flow without it.",
        "median of pairs measured in turn in one process, one thread; largest over trainings",
        "invbench/tracks/measuring/cures.py",
        "Of one clean condition on one machine. A redraw costs more where more explodes.",
        "low",
    ),
    Meaning(
        "needs",
        "needs",
        "row",
        "What it takes to have the cure, beside an affine flow that is trained already.",
        "",
        "invbench/tracks/cures.py",
        "Training anew is days for a published size.",
    ),
)

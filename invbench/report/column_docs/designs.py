"""The columns of track ``coupling``."""

from __future__ import annotations

from invbench.report.column_docs.sources import HIGHAM, HONG
from invbench.tracks.columns import Meaning

DESIGNS = (
    Meaning(
        "sound",
        "sound",
        "law",
        "Whether the code is a correct inverse: every law of soundness holds.",
        "no violation that conditioning does not explain (invbench list properties)",
        "invbench/properties",
        (
            "Sound is not robust: SRFlow's affine coupling is sound and explodes. True means that "
            "no counterexample was found at this budget."
        ),
        "high",
    ),
    Meaning(
        "slope_lo",
        "least slope found",
        "lower",
        "The least slope c′ of the coupling over the corpus.",
        "min over elements of dy/dx",
        "invbench/tracks/coupling.py",
        "Found, not proved. Its reciprocal is what the inverse amplifies.",
        "high",
    ),
    Meaning(
        "slope_hi",
        "largest slope found",
        "lower",
        "The largest slope c′ of the coupling over the corpus.",
        "max over elements of dy/dx",
        "invbench/tracks/coupling.py",
        "Found, not proved. A large slope hurts encoding, not decoding.",
        "low",
    ),
    Meaning(
        "displacement",
        "displacement",
        "magnitude",
        "How far the inverse can move a value apart from the shift t.",
        (
            "sup |c⁻¹(y) − (y − t)|, declared by the design, else half the range of c⁻¹(y) − y "
            "for |y| ≤ 2²⁰"
        ),
        HONG + " (their modified spline)",
        "A bound on magnitude is no bound on sensitivity. The shift is left out and unbounded "
        "in most designs. Where it is measured, "
        "it is a lower bound.",
        "low",
    ),
    Meaning(
        "tail_slopes_equal",
        "equal tails",
        "law",
        "Whether both tails of the coupling have the same slope.",
        "|c′(−∞) / c′(+∞)| within 0.1 %",
        HONG + " (their modified spline)",
        (
            "A law of design: unequal tails are reported and never counted against soundness. "
            "Equal tails may still be steep."
        ),
        "high",
    ),
    Meaning(
        "backward_error_u",
        "backward error, u",
        "law",
        (
            "How wrong the computed inverse is, in units of the dtype's roundoff; conditioning is "
            "divided out."
        ),
        "|c(ĉ⁻¹(y)) − y| / (u·(|y| + |c(0)| + 1) + spread), c in float64",
        HIGHAM + ", section 1.5",
        (
            "Up to some tens is rounding. Small does not mean accurate x: multiply by the "
            "conditioning."
        ),
        "low",
    ),
    Meaning(
        "forward_ns",
        "forward, ns",
        "speed",
        "Nanoseconds per element, data → noise, one thread.",
        "median of 9 after a warm-up, 2¹⁸ elements",
        "invbench/tracks/coupling.py",
        "Of this machine, this dtype and the mode in the cell (eager or compiled): compare "
        "ratios within one table only. The conditioner, "
        "which costs more, is not in it.",
        "low",
    ),
    Meaning(
        "inverse_ns",
        "inverse, ns",
        "speed",
        "Nanoseconds per element, noise → data, one thread.",
        "median of 9 after a warm-up, 2¹⁸ elements",
        "invbench/tracks/coupling.py",
        (
            "Of this machine, this dtype and the mode in the cell (eager or compiled). An inverse "
            "that iterates waits for its slowest element."
        ),
        "low",
    ),
    Meaning(
        "train_ns",
        "training, ns",
        "speed",
        "Nanoseconds per element for forward and backward, one thread.",
        "median of 9 after a warm-up, 2¹⁸ elements",
        "invbench/tracks/coupling.py",
        (
            "Of this machine, this dtype and the mode in the cell (eager or compiled): compare "
            "ratios within one table only."
        ),
        "low",
    ),
)

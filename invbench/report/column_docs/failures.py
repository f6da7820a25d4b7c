"""Failures, magnitude and sensitivity, of every track."""

from __future__ import annotations

from invbench.report.column_docs.sources import BEHRMANN, CP, HIGHAM, HONG
from invbench.tracks.columns import Meaning

ERROR_OF = {
    "sr": (
        "An input counts when a pixel of one of its samples is > 1.5, < −0.5 or not finite, "
        "before any clamp."
    ),
    "lowlight": (
        "An input counts when a pixel of one of its samples is > 1.5, < −0.5 or not "
        "finite, before any clamp."
    ),
    "toy2d": (
        "An input counts when one of its samples has |x| > 2 (the box [−1, 1]², half its "
        "width added on each side) or is not finite."
    ),
    "unconditional": (
        "An input x counts when a pixel of f⁻¹(f(x)) is off by more than ½ or not "
        "finite, before any clamp."
    ),
    "coupling": "Not measured: the track trains nothing and draws no samples.",
}
RADIUS_OF = {
    "sr": "Until some |x| > 10, 64×64 crops of clean photographs.",
    "lowlight": "Until some |x| > 10, 64×64 crops of clean photographs and of under-exposure 3.",
    "toy2d": "Until some |x| > 2, 20 drawn latents per trained seed.",
}

FAILURES = (
    Meaning(
        "inf_pct",
        "not finite, %",
        "failure",
        "Share of inputs with a non-finite value in any of their samples.",
        "100 · #{inputs with Inf or NaN} / n",
        HONG + ", Table 1",
        (
            "0 % does not mean small: a design may stop one decade short of overflow. And a "
            "larger dtype moves the border, not the explosion."
        ),
        "low",
    ),
    Meaning(
        "inf_lo",
        "not finite, lower",
        "failure",
        "Lower end of the 95 % interval of inf_pct.",
        "Clopper–Pearson at n* = z² p(1 − p)/(t² V over photographs + t² V over trainings) inputs",
        CP,
        "Of a row with one training, the interval is of that training; another may lie outside.",
        "low",
    ),
    Meaning(
        "inf_hi",
        "not finite, upper",
        "failure",
        "Upper end of the 95 % interval of inf_pct.",
        "Clopper–Pearson at n* = z² p(1 − p)/(t² V over photographs + t² V over trainings) inputs",
        CP,
        (
            "This is what 0 % still allows: photographs count, not their crops. Of a row with one "
            "training, it is of that training."
        ),
        "low",
    ),
    Meaning(
        "error_pct",
        "failing inputs, %",
        "failure",
        (
            "Share of inputs that fail: a sample far outside the range of data, or no sample at "
            "all because the cell failed."
        ),
        "100 · (#{inputs with an error pixel} + inputs of failed cells) / n",
        HONG + ", Table 1",
        "One pixel in one of ten samples suffices, so the rate grows with the number of "
        "samples and the size of the crop. A design "
        "that gives the same grey picture for every input scores 0 %: read it beside the "
        "quality columns.",
        "low",
        ERROR_OF,
    ),
    Meaning(
        "error_lo",
        "failing, lower",
        "failure",
        "Lower end of the 95 % interval of error_pct.",
        "Clopper–Pearson at n* = z² p(1 − p)/(t² V over photographs + t² V over trainings) inputs",
        CP,
        (
            "Overlapping intervals do not mean equal: inputs are the same for all entries, so "
            "differences are tested in pairs (tier, invbench compare)."
        ),
        "low",
    ),
    Meaning(
        "error_hi",
        "failing, upper",
        "failure",
        "Upper end of the 95 % interval of error_pct.",
        "Clopper–Pearson at n* = z² p(1 − p)/(t² V over photographs + t² V over trainings) inputs",
        CP,
        (
            "Overlapping intervals do not mean equal: inputs are the same for all entries, so "
            "differences are tested in pairs (tier, invbench compare)."
        ),
        "low",
    ),
    Meaning(
        "max_abs_log10",
        "largest |x|, log10",
        "magnitude",
        "How large outputs get: the largest absolute value in any sample of any input.",
        "max over inputs and samples of log10 |x|; ∞ when not finite",
        HONG + ", Fig. 6 and 7",
        (
            "A maximum grows with n: compare rows of equal n only. It is the worst found, not the "
            "worst there is."
        ),
        "low",
    ),
    Meaning(
        "max_abs_certified",
        "certified |x|, log10",
        "magnitude",
        (
            "How large outputs can get under any condition: no decode of latents |z| ≤ 4τ exceeds "
            "it, whatever the conditioner's outputs; the largest over the trainings of the row."
        ),
        (
            "log10 of the largest |x| in a zonotope that every layer is carried through "
            "(invbench certify); ∞ where a shift, a displacement or a split is unbounded, empty "
            "where a training of the row was not certified"
        ),
        "interval and zonotope arithmetic, docs/certify.md",
        (
            "It is an upper bound, beside max_abs_log10, which is found: never ranked together. "
            "It says nothing of sensitivity, and holds for base images of conditions in [0, 1]. "
            "A draw of a large image has a few values beyond 4τ."
        ),
        "low",
        {
            "unconditional": "Of samples; the largest |x| of this track is of round trips, whose "
            "latents are what data have."
        },
    ),
    Meaning(
        "critical_radius",
        "critical radius, τ",
        "lower",
        (
            "How far a drawn latent must be moved before the output explodes: the least ℓ∞ change "
            "that a search found, median over inputs."
        ),
        (
            "min ‖δ‖∞ / τ with ‖z + δ‖ ≤ 1.05 τ√D, |z + δ| ≤ 4τ and the output beyond the limit; "
            "∞: not within 4τ in half of the inputs"
        ),
        "invbench/attacks/radius.py, docs/attacks.md",
        "An upper bound of the true radius, as every attack is: a weak search makes a design "
        "look robust. ∞ says that this search at this "
        "budget failed, not that nothing is there; empty: an input was not searched. Known to "
        "a factor of 1.2. What it finds need not look "
        "like a draw: critical_radius_typical.",
        "high",
        RADIUS_OF,
    ),
    Meaning(
        "critical_radius_typical",
        "critical radius, typical, τ",
        "lower",
        (
            "The same among latents that look like draws: the values of a draw in every channel, "
            "and covariances that draws show."
        ),
        (
            "min ‖δ‖∞ / τ with z + δ in the typical set and the output beyond the limit; ∞: not "
            "within 4τ in half of the inputs"
        ),
        "invbench/attacks/typical.py, docs/attacks.md",
        "An upper bound, as above, and the set is harder to search: it may be loose by more. "
        "The set bounds marginals and covariances, not "
        "whether all values of a small region lean one way.",
        "high",
        RADIUS_OF,
    ),
    Meaning(
        "kappa_lower",
        "κ found",
        "lower",
        (
            "Relative conditioning of the inverse at the worst point found: how many digits a "
            "perfect code must lose there."
        ),
        "σmax(J⁻¹) · ‖z‖ / ‖x‖, elementwise |y| / (c′·|x|); tier L0",
        HIGHAM + ", chapter 1; " + BEHRMANN,
        (
            "A lower bound: true at the points visited. Relative, so it is large wherever x is "
            "close to 0 and the shift is not; that is no explosion."
        ),
        "low",
        {
            "coupling": (
                "Worst element of a fixed corpus of parameters (raw values up to ±8), |x| ≥ 2⁻¹⁰."
            ),
            "sr": "Largest over one latent each of the first 4 photographs, float64, severity 3.",
        },
    ),
    Meaning(
        "inv_lipschitz_lower",
        "steepest inverse found",
        "lower",
        (
            "How much the inverse (decoder) stretches a small error at the worst point found: a "
            "lower bound of its Lipschitz constant."
        ),
        "max over points of σmax(J⁻¹); tier L0",
        BEHRMANN,
        (
            "Small only says that nothing worse was found. The corpus saturates parameters on "
            "purpose: a trained net may never go there."
        ),
        "low",
        {
            "coupling": "1 / slope_lo over the corpus.",
            "sr": (
                "Largest singular value of the decoder's Jacobian at one latent each of the "
                "first 4 photographs (64×64, float64)."
            ),
        },
    ),
    Meaning(
        "inv_lipschitz_upper",
        "steepest inverse certified",
        "upper",
        "A proved upper bound of how much the inverse can stretch, for all x.",
        (
            "1 / inf c′: by slope_bounds over the corpus' parameters (tier U2), else 1/s_l of "
            "slope_range (U1)"
        ),
        "invbench/laws/judging/sensitivity.py",
        "Certified for one layer and, in tier U2, for the parameters of the corpus; a "
        "composition multiplies. Empty: the design declares no "
        "bound, which is not the same as having none. Never rank it together with "
        "inv_lipschitz_lower.",
        "low",
    ),
)

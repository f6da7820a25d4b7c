"""What each column of the leaderboard means and how it can mislead: tooltips of the page,
``invbench explain`` and docs/tracks.md."""

from __future__ import annotations

from invbench.report.columns import COLUMNS
from invbench.tracks.columns import Meaning

__all__ = ["GROUPS", "MEANINGS", "Meaning", "tracks_of"]

# what is shown side by side, and what never is: a lower bound that was found and an upper bound
# that was proved stay apart
GROUPS = {
    "row": "Entry",
    "failure": "Failures, measured",
    "evidence": "Behind it",
    "magnitude": "Magnitude",
    "lower": "Sensitivity, empirical",
    "upper": "Sensitivity, certified",
    "law": "Soundness and design",
    "quality": "Quality of what does not fail",
    "speed": "Speed",
    "rank": "Rank",
}


BEHRMANN = (
    "Behrmann et al.: Understanding and Mitigating Exploding Inverses in Invertible "
    "Neural Networks, AISTATS 2021"
)
HONG = (
    "Hong, Park, Chun: On the Robustness of Normalizing Flows for Inverse Problems in "
    "Imaging, ICCV 2023"
)
CP = (
    "Korn, Graubard: Confidence intervals for proportions with small expected number of "
    "positive counts, Survey Methodology 1998; docs/statistics.md"
)
HIGHAM = "Higham: Accuracy and Stability of Numerical Algorithms, SIAM 2002"
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

_TABLE = (
    Meaning(
        "entry",
        "design",
        "row",
        "Name of the coupling design as it was given to `invbench run`.",
        "",
        "invbench list couplings",
        (
            "A name is no version: cells of an older source of that name are set aside as stale, "
            "and named in the notes."
        ),
    ),
    Meaning(
        "track",
        "track",
        "row",
        "Which leaderboard the row belongs to.",
        "",
        "invbench list tracks",
        "Numbers of two tracks are never comparable, even under the same column name.",
    ),
    Meaning(
        "case",
        "condition",
        "row",
        "What was fed in: a data set and a condition. …/ood pools every out-of-distribution "
        "family and severity, …/attacked what the attacks "
        "reach together; (fp16) is the same under float16, (mean) one decode of the mean "
        "latent; [fs_ncsr] the same with another flow "
        "than the track's own.",
        "",
        "invbench list conditions",
        (
            "A pooled row weighs every family and severity of its set alike, which no deployment "
            "does; two data sets may pool other sets (cases)."
        ),
    ),
    Meaning(
        "cases",
        "cases pooled",
        "evidence",
        "How many conditions or attacks the row pools; a note under the table lists them.",
        "",
        "invbench/report/rows.py",
        (
            "Rows of two data sets may pool other sets: compare rates only where the notes name "
            "the same one."
        ),
    ),
    Meaning(
        "n",
        "inputs",
        "evidence",
        "Inputs behind the rates. One input is one photograph crop or one y, with K = 10 samples.",
        "inputs measured + inputs of failed cells",
        "invbench/report/rows.py",
        (
            "0 failures of a small n says little, and crops of one photograph little more than "
            "one: 0 of 12 crops of six allow 46 %."
        ),
    ),
    Meaning(
        "photographs",
        "photographs",
        "evidence",
        (
            "On how many photographs the row rests, whatever the crops and severities of each. "
            "Empty in toys, whose seeds are the sample."
        ),
        "",
        "invbench/report/inputs.py",
        (
            "This, not n, is how much evidence there is about other photographs: six cannot tell "
            "more than two entries apart."
        ),
        "high",
    ),
    Meaning(
        "seeds",
        "seeds",
        "evidence",
        "How many independently trained models (toy2d) or runs the row unites.",
        "",
        "invbench/report/rows.py",
        "With one seed, everything said about a design is said about one training of it.",
    ),
    Meaning(
        "status",
        "cells",
        "evidence",
        "Cells by status: ok, diverged (measured, something was not finite), error, oom, "
        "timeout, skipped; missing:N inputs of the "
        "set that others have; partial:N trainings left out that lack some of it.",
        "",
        "invbench/store/cell.py",
        (
            "diverged is a result and no fault of the harness. error, oom and timeout count as "
            "errors in error_pct, never in inf_pct."
        ),
    ),
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
    Meaning(
        "rank_lo",
        "best rank",
        "rank",
        "Best rank by error_pct that the data allow.",
        (
            "1 + how many entries are told apart from it with a lower rate; with rank_hi "
            "simultaneous at 95 % for the case"
        ),
        "invbench/measures/paired.py",
        "Ranks are among the entries of this table: add or remove one and they move.",
        "low",
    ),
    Meaning(
        "rank_hi",
        "worst rank",
        "rank",
        "Worst rank by error_pct that the data allow.",
        (
            "entries of the case − how many are told apart from it with a higher rate; "
            "simultaneous with rank_lo at 95 %"
        ),
        "invbench/measures/paired.py",
        "Ranks are among the entries of this table: add or remove one and they move.",
        "low",
    ),
    Meaning(
        "tier",
        "tier",
        "rank",
        (
            "Entries of one tier cannot be told apart, as designs; 1 is the best. Who is in tier "
            "2 is told apart from one in tier 1."
        ),
        (
            "longest chain of entries told apart from each other; every pair tested over "
            "photographs and trainings, Holm-adjusted at 5 % for the case"
        ),
        "invbench/measures/pairwise.py",
        "Sharing a tier is absence of evidence, not equality; more photographs and trainings "
        "split tiers. Entries with missing or failed cells "
        "get none.",
        "low",
    ),
    Meaning(
        "tier_given",
        "tier, these trainings",
        "rank",
        (
            "As tier, but of the trainings that were measured: whether another training would "
            "stand there is not asked."
        ),
        "paired sign-flip test over photographs of every pair, Holm-adjusted at 5 % for the case",
        "invbench/measures/pairwise.py",
        "Says which of the weights at hand fail less. Trained again, a design may change its "
        "place: three trainings of affine failed on 62, 40 and "
        "20 % of BSD100.",
        "low",
    ),
    Meaning(
        "rank_of",
        "rank of",
        "rank",
        "What rank and tier speak of: the design, or the one training that was measured.",
        "design: several trainings; training, spread of others: one, given the spread that "
        "other entries of the case show; training: one, and no "
        "entry shows a spread",
        "docs/statistics.md",
        "A rank of one training says nothing certain about the next training of the same design.",
    ),
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
    Meaning(
        "nll",
        "NLL",
        "quality",
        "Negative log-likelihood of test data in nats, mean over inputs and seeds.",
        "−log p(x | y)",
        "invbench/tracks/toy2d.py",
        (
            "Under a shifted condition there is no right answer to be likely: it says how "
            "surprised the flow is, not how good it is."
        ),
        "low",
        {
            "unconditional": "Of an 8-bit photograph, clean or changed, dequantised as in "
            "training, (v + U(0, 1))/256 with noise of the cell's seed: "
            "bits per dimension, nats/(D ln 2) + 8; ∞ where f is not finite there."
        },
    ),
    Meaning(
        "gain_log10",
        "gain, log10",
        "magnitude",
        (
            "How much larger than the image its own reconstruction gets: the largest over inputs. "
            "0 for a flow that comes back."
        ),
        "max over x of log10(‖f⁻¹(f(x))‖∞ / max(‖x‖∞, 1/255)); ∞ when not finite",
        HONG + ", Proposition 1; " + BEHRMANN,
        (
            "An exact inverse has 0 whatever its conditioning: it measures how rounding is "
            "amplified, so it depends on the dtype."
        ),
        "low",
    ),
    Meaning(
        "round_trip",
        "worst |x̂ − x|",
        "failure",
        "How far a pixel of the reconstruction is off: the largest over inputs.",
        "max over x of ‖f⁻¹(f(x)) − x‖∞; ∞ when not finite",
        BEHRMANN,
        (
            "A maximum grows with n. Small says that rounding was not amplified on these images, "
            "in this dtype."
        ),
        "low",
    ),
    Meaning(
        "outside_pct",
        "samples outside, %",
        "failure",
        "Share of samples outside the box of the data.",
        "100 · #{samples with x ∉ [−1, 1]²} / samples",
        HONG + ", Fig. 2 and 3",
        (
            "Counts samples, not inputs. Under a shift the exact posterior lies outside as well, "
            "so a perfect flow does not get 0."
        ),
        "low",
    ),
    Meaning(
        "variance_ratio",
        "variance ratio",
        "magnitude",
        "How much the variance of a layer grows under the shifted condition.",
        "max over layers and seeds of Var(shifted) / Var(in-distribution)",
        HONG + ", Fig. 2 and 3",
        (
            "A maximum over layers: one noisy layer decides. 1 means no growth, and says nothing "
            "about the mean."
        ),
        "low",
    ),
    Meaning(
        "lr_psnr_min",
        "LR-PSNR, least, dB",
        "quality",
        (
            "How well the worst of 10 samples agrees with the clean low-resolution image once "
            "downscaled; mean over inputs."
        ),
        "min over samples of PSNR(down(x), y_clean), samples clamped, identical images 100 dB",
        "Lugmayr et al.: SRFlow, ECCV 2020; " + HONG,
        "Samples are clamped to [0, 1] first: an explosion beyond the range costs no more "
        "than a white pixel. Against the clean image, so "
        "an out-of-distribution condition lowers it by itself.",
        "high",
    ),
    Meaning(
        "lr_psnr_std",
        "LR-PSNR, spread, dB",
        "quality",
        "How much LR-PSNR varies over the 10 samples of an input; mean over inputs.",
        "standard deviation over samples, divisor 10",
        HONG + ", Table 1",
        "Small when all samples are equally bad.",
        "low",
    ),
    Meaning(
        "psnr",
        "PSNR, dB",
        "quality",
        "Agreement with the true image, mean over samples and inputs.",
        "−10 log10 mean (x − x_true)², samples clamped to [0, 1]",
        "torchmetrics",
        (
            "Rewards blur; several sharp answers are right and all but one score low. Clamped "
            "samples hide explosions."
        ),
        "high",
    ),
    Meaning(
        "ssim",
        "SSIM",
        "quality",
        "Structural similarity with the true image, mean over samples and inputs.",
        "11×11 Gaussian window, σ = 1.5",
        "Wang et al.: Image Quality Assessment, IEEE TIP 2004 (torchmetrics)",
        "Close to 1 on flat regions whatever the design. Clamped samples hide explosions.",
        "high",
    ),
    Meaning(
        "lpips",
        "LPIPS",
        "quality",
        "Perceptual distance to the true image.",
        "distance of deep features",
        "Zhang et al.: The Unreasonable Effectiveness of Deep Features, CVPR 2018",
        "Needs weights that do not ship with the package: empty in this version.",
        "low",
    ),
    Meaning(
        "psnr_rescaled",
        "PSNR, exposure given, dB",
        "quality",
        "PSNR after the mean brightness of the truth was given to the sample.",
        "PSNR of x · mean(truth) / mean(x)",
        (
            "Wang et al.: Low-Light Image Enhancement with Normalizing Flow (LLFlow), AAAI 2022 "
            "(released test)"
        ),
        (
            "Takes the exposure from the ground truth, which nobody has in use. A black sample "
            "stays black."
        ),
        "high",
    ),
)

MEANINGS: dict[str, Meaning] = {meaning.name: meaning for meaning in _TABLE}


def tracks_of(column: str) -> list[str]:
    """The tracks whose exports have the column."""
    return [track for track, columns in COLUMNS.items() if column in columns]

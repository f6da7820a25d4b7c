"""The rules of "beyond the paper": what our cures and designs must show, stated as ``rulebook`` does.

Of the ``thresholds``, 20, 0.01 bits, 2 dB, 0.1 dB, 0.01 and 42 dB are issue 22's, which is older than
all these flows but those of its feasibility runs; the others were set with the rules. ``data``: when
the first cell of that kind was measured. All of these rules are later than their data.
"""

from __future__ import annotations

from dataclasses import dataclass

from invbench.studies.hong2023.rulebook import Rule

__all__ = ["BEYOND", "BEYOND_RULES", "CERTIFIED", "CHEAP", "GUARDED", "MODERN", "Beyond"]

WRITTEN = "2026-11-29 08:25"
CURES = "2026-11-29 06:51"  # cells of track cures, embedded photographs; weights of bounded flows
LATER = "2026-11-29 07:53"  # cells of bounded flows in sr; cures on BSD100 and Urban100
NARROWED = "2026-11-29 09:37"  # conditions with NaN or Inf left out of B1.found
ZOO = "2026-11-25 09:58"

CERTIFIED = ("srflow(split=bounded)", "cubic-rational-bounded(shift=1)")
GUARDED = "affine+guard"
CHEAP = ("gate", "temperature", "truncated", "redraw", "float64")
MODERN = "rq-bounded(bins=4)"


@dataclass(frozen=True)
class Beyond:
    """A statement of our own. ``short``: it in a few words; ``shown``: links to what it rests on; ``differs``: what limits it."""

    key: str
    short: str
    statement: str
    shown: tuple[str, ...]
    differs: str


SMALL = "SRFlow's mini, T91, crops of 128×128, K = 10 samples at τ = 0.9"
BEYOND: dict[str, Beyond] = {
    one.key: one
    for one in (
        Beyond(
            "B1",
            "a bounded flow costs neither likelihood nor quality",
            "A flow can be built whose every decode is bounded, for every condition, at no cost in "
            "likelihood or quality.",
            ("../cures/bounded_flows.md", "../tables/sr.md"),
            f"{SMALL}; {CERTIFIED[0]} with {CERTIFIED[1]}, three trainings. The bound is of latents "
            "abs(z) ≤ 4τ and finite outputs of the conditioners: a condition with a NaN or an Inf is not covered, "
            "and gives NaN",
        ),
        Beyond(
            "B2",
            "a guard ends the explosions of a trained flow",
            "A guard ends the explosions of a flow that is trained already, without training.",
            ("../tables/cures.md", "../cures/guard.md"),
            f"{SMALL}; guards of 192 crops of T91 each, 99.9 % of the values",
        ),
        Beyond(
            "B3",
            "cheaper cures do as well",
            "A gate, a lower temperature, truncated latents, another draw or float64 do as well.",
            ("../tables/cures.md",),
            f"{SMALL}; one training, embedded photographs",
        ),
        Beyond(
            "B4",
            "bounded splines are better than the paper's",
            "A spline with bounded displacement and slopes is better than the paper's.",
            ("../tables/sr.md", "../attacks/attacks.md"),
            f"{SMALL}; {MODERN}, three trainings",
        ),
        Beyond(
            "B5",
            "the certified flow is less sensitive, too",
            "The certified flow is less sensitive to its latents than the paper's spline, too.",
            ("../tables/sr.md",),
            f"{SMALL}; one training each, a search of fixed budget",
        ),
    )
}

LEVEL = "the same or better {name}"
BEYOND_RULES: dict[str, Rule] = {
    rule.key: rule
    for rule in (
        Rule(
            "B1.finite",
            "every decode is bounded for every condition",
            "the certificate is finite for every training",
            (),
            WRITTEN,
            CURES,
        ),
        Rule(
            "B1.bound",
            "the largest abs(x) before the base image is at most 20",
            "the certificate of every training: at most {0}",
            (20.0,),
            WRITTEN,
            CURES,
        ),
        Rule(
            "B1.found",
            "nothing that was found exceeds its certificate: clean, changed and attacked",
            "largest abs(x) found ≤ certified, and no value that is not finite, in every cell",
            (),
            NARROWED,
            LATER,
        ),
        Rule(
            "B1.bits",
            "bits per dimension as affine's",
            "final bits of training on T91, {1} trainings each, minus affine's: below {0}",
            (0.01, 3),
            WRITTEN,
            CURES,
        ),
        Rule(
            "B1.min",
            "better minimum of LR-PSNR than the paper's spline",
            "minus modified-rq's, same clean inputs of BSD100 and Urban100: above {0} dB",
            (2.0,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B1.psnr",
            "the same or better PSNR",
            "minus modified-rq's, same inputs: above −{0} dB",
            (0.1,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B1.ssim",
            "the same or better SSIM",
            "minus modified-rq's, same inputs: above −{0}",
            (0.01,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B2.clean",
            "no more errors than the paper's spline, retrained, clean photographs",
            "error rate of modified-rq − guard, same inputs of BSD100 and Urban100: above −{0} points",
            (1.0,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B2.changed",
            "no more errors than the paper's spline, retrained, changed conditions",
            "error rate of modified-rq − guard, same inputs of BSD100 and Urban100: above −{0} points",
            (1.0,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B2.min",
            "minimum of LR-PSNR at least 42 dB, clean photographs",
            "BSD100 and Urban100, guard: above {0} dB",
            (42.0,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B2.psnr",
            "PSNR as without the guard",
            "guard − affine, same clean inputs: above −{0} dB",
            (0.1,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B2.found",
            "no search finds more than the clamps allow: clean, changed, attacked, faulty conditions",
            "largest abs(x) found ≤ certified, and no value that is not finite, in every cell",
            (),
            WRITTEN,
            CURES,
        ),
        *(
            Rule(
                f"B3.{cure}",
                f"{cure} lowers the error rate on changed conditions to that of the guard",
                "error rate of affine with the guard − that with this cure, same inputs: above −{0} points",
                (1.0,),
                WRITTEN,
                CURES,
            )
            for cure in CHEAP
        ),
        Rule(
            "B3.attacked",
            "and holds against a search",
            "of attacked inputs, every cure: fewer than {0} % err",
            (50.0,),
            WRITTEN,
            CURES,
        ),
        Rule(
            "B4.min",
            "better minimum of LR-PSNR than the paper's spline",
            "minus modified-rq's, same clean inputs of BSD100 and Urban100: above {0} dB",
            (0.0,),
            WRITTEN,
            ZOO,
        ),
        Rule(
            "B4.psnr",
            "better PSNR",
            "minus modified-rq's, same clean inputs of BSD100 and Urban100: above {0} dB",
            (0.0,),
            WRITTEN,
            ZOO,
        ),
        Rule(
            "B4.bits",
            "fewer bits per dimension",
            "final bits of training on T91, {1} trainings each, minus modified-rq's: below {0}",
            (0.0, 3),
            WRITTEN,
            ZOO,
        ),
        Rule(
            "B4.attacked",
            "a search among typical latents finds less",
            "largest log10 abs(x) per input, latent-typical on BSD100, minus modified-rq's: below {0}",
            (0.0,),
            WRITTEN,
            ZOO,
        ),
        Rule(
            "B5.radius",
            "the certified flow takes a larger change of a latent than the paper's spline to reach abs(x) > 10",
            "critical radius in units of τ, at most 4, minus modified-rq's, same inputs: above {0}",
            (0.0,),
            WRITTEN,
            LATER,
        ),
        Rule(
            "B5.stretch",
            "and stretches less",
            "log10 of the decoder's largest singular value minus modified-rq's, same points: below {0}",
            (0.0,),
            WRITTEN,
            LATER,
        ),
    )
}

"""What belongs under a table: protocol, precision, conventions, and what is not shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from invbench.report.evidence_notes import pooled_sets, what_can_be_told
from invbench.store.record import Record
from invbench.store.store import Unreadable

__all__ = ["TRACK_NOTES", "damage", "notes_of"]

MOST_NAMED = 20  # unreadable files; invbench doctor names all


def notes_of(
    track: str,
    shown: Sequence[Record],
    stale: Sequence[Record],
    rows: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Notes under the table of a track, ``rows`` of which say what they pool and what their data
    can tell."""
    specs = [cell.spec for cell in shown]
    settings = {
        tuple(sorted(s.settings.items()))
        for s in specs
        if s.track != "coupling" and "#" not in s.case
    }
    notes = [
        f"Protocol {_said(s.protocol for s in specs)}; dtype {_said(s.dtype for s in specs)}; "
        f"device {_said(s.device for s in specs)}; "
        f"torch {_said(c.provenance.get('torch', '?') for c in shown)}; {len(shown)} cells, "
        f"seeds {_seeds({s.seed for s in specs})}.",
        *TRACK_NOTES[track],
        *pooled_sets(rows),
        *what_can_be_told(rows),
        "An empty column is one that this version does not measure.",
    ]
    if len(settings) > 1:
        notes.append("Rows were measured at different budgets: compare n before comparing rates.")
    if stale:
        entries = Counter(cell.spec.entry for cell in stale)
        named = ", ".join(f"{name} {count}" for name, count in entries.most_common(MOST_NAMED))
        notes.append(
            f"{len(stale)} stale cells (older source, weights, settings or protocol) are not "
            f"shown: "
            f"{named}{', …' if len(entries) > MOST_NAMED else ''}."
        )
    return notes


def damage(unreadable: Sequence[Unreadable]) -> list[str]:
    """Unreadable files and why, the first of many."""
    lines = [f"Unreadable: {damaged.path}: {damaged.reason}" for damaged in unreadable[:MOST_NAMED]]
    if len(unreadable) > MOST_NAMED:
        lines.append(f"Unreadable: {len(unreadable) - MOST_NAMED} more files (invbench doctor)")
    return lines


def _said(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(v) for v in values}))


def _seeds(seeds: set[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered[:10])) + (", …" if len(ordered) > 10 else "")


RATES = (
    "Rates are over conditional inputs (one input = one image or one y, K = 10 samples); "
    "cells of status error, oom or timeout count as errors. "
    "Intervals (95 %): Clopper–Pearson at the effective number of inputs, clustered by "
    "photograph (toy: trained seeds) and, where a design was "
    "trained several times, over trainings; of one training they are that training's "
    "alone. n, rate, interval and rank are of the same inputs.",
    "tier: all pairs of entries of a case are tested, over photographs and over "
    "trainings, Holm-adjusted at 5 % for the case; who is in a tier is "
    "told apart from one in the tier before, and none of a tier from another of it. "
    "rank_lo, rank_hi: from the same tests, simultaneous 95 % "
    "intervals. tier_given: the same of the trainings that were measured, photographs alone. "
    "rank_of: design (several trainings); training, spread of others (one training, given "
    "the spread that the others show); training (one, and "
    "nobody shows a spread: another training may rank elsewhere). docs/statistics.md has "
    "simulated error rates.",
    "An entry that lacks a part of the set that others have in a case is not ranked "
    "(missing:INPUTS); a training that lacks some of it is left out "
    "where another of the entry has all (partial:TRAININGS).",
)
TRACK_NOTES: dict[str, list[str]] = {
    "sr": [
        (
            "inf_pct: inputs with a non-finite pixel in any sample; error_pct: with a pixel > "
            "1.5, < −0.5 or non-finite, before any clamp. τ = 0.9."
        ),
        *RATES,
        "LR-PSNR, PSNR, SSIM on samples clamped to [0, 1], +Inf as 1, −Inf and NaN as 0; "
        "LR-PSNR minimum and standard deviation over the 10 "
        "samples, then the mean over inputs, against the clean low-resolution image. "
        "Identical images count as 100 dB. "
        "SSIM: 11×11 Gaussian, σ = 1.5 (torchmetrics).",
        "inv_lipschitz_lower, kappa_lower: largest singular value of the decoder's Jacobian, "
        "and that times ‖z‖/‖x‖, at one latent each of the "
        "first 4 photographs (64×64 crops, float64, severity 3), tier L0: true at those "
        "points, a lower bound beyond. "
        "inf: the decode overflows in float64.",
        "critical_radius: the least ℓ∞ change of a drawn latent, in units of τ, at which a "
        "search of fixed budget makes some |x| > 10; median over "
        "inputs (64×64 crops), inf: not within 4τ in half of them, empty: one was not "
        "searched. critical_radius_typical: the same among latents "
        "with the marginals and covariances of draws. Known to a factor of 1.2 at budget "
        "default; upper bounds, as every attack is.",
        "Rows …/attack-NAME-EPS (EPS/255): what a search at fixed budget found, worst sample "
        "per input, confirmed by a plain decode "
        "(invbench list attacks). …/attacked: inputs that any of them makes fail, those with "
        "a radius at 8/255. n counts inputs, not samples.",
    ],
    "lowlight": [
        "embedded/…: photographs (256×256 crops) darkened by a camera model: under-exposure, "
        "sensor-noise (invbench list conditions); other families "
        "change the photograph under-exposed to 1/16. DATA/clean: the test photographs of a "
        "data set, whole, as they are.",
        "inf_pct: inputs with a non-finite pixel in any sample; error_pct: with a pixel > "
        "1.5, < −0.5 or non-finite, before any clamp. τ = 1: "
        "latents are drawn, the released code decodes their mean.",
        (
            "(fp16): the same latents under float16 autocast, as the released test runs; there "
            "65504 is the largest number."
        ),
        (
            "(mean): one decode of the mean latent, τ = 0, in place of samples: what the released "
            "code shows."
        ),
        *RATES,
        "PSNR, SSIM on samples clamped to [0, 1], +Inf as 1, −Inf and NaN as 0, means over "
        "samples and inputs. psnr_rescaled: after "
        "x·mean(truth)/mean(x), which takes the exposure from the ground truth; a black "
        "sample stays black. "
        "SSIM: 11×11 Gaussian, σ = 1.5 (torchmetrics).",
        (
            "critical_radius: as in track sr, of clean photographs and of under-exposure 3, 64×64 "
            "crops."
        ),
    ],
    "unconditional": [
        "x̂ = f⁻¹(f(x)) of 64×64 crops x, clean and changed. inf_pct: inputs with a "
        "non-finite pixel in x̂; error_pct: with a pixel off "
        "by more than ½, or not finite, before any clamp. Nothing is drawn.",
        *RATES,
        "gain_log10: largest log10(‖x̂‖∞/‖x‖∞), which Proposition 1 is about; round_trip: "
        "largest |x̂ − x|; nll: bits per dimension of the 8-bit "
        "photograph, dequantised as in training, (v + U(0, 1))/256; mean over inputs, inf "
        "where f is not finite for one of them.",
    ],
    "toy2d": [
        "error_pct: inputs with a sample beyond |x| = 2 (the box [−1, 1]² widened by half its "
        "width on each side) or non-finite. "
        "outside_pct: samples outside [−1, 1]². variance_ratio: largest over layers and seeds "
        "of Var(shifted)/Var(in-distribution).",
        *RATES,
        "critical_radius: as in track sr, until some |x| > 2, of 20 drawn latents per seed.",
    ],
    "coupling": [
        "sound: every law of soundness holds (invbench check). slope_lo, slope_hi, "
        "kappa_lower, inv_lipschitz_lower: extremes measured over a fixed "
        "corpus of parameters (raw values up to ±8), lower bounds (tier L0). "
        "inv_lipschitz_upper: certified over all x for the parameters of "
        "that corpus, by the design's slope_bounds (tier U2), else 1/s_l of its slope_range "
        "(U1). The two are never ranked together.",
        "displacement: as declared by the design, else measured as half the range of c⁻¹(y) − "
        "y for |y| ≤ 2²⁰. "
        "backward_error_u: in units of the dtype's roundoff. *_ns: nanoseconds per element, "
        "one thread, median of 9.",
    ],
}

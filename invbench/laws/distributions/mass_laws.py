"""Laws of the density as a whole: its integral is 1, and samples follow it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.stats import norm
from torch import Tensor

from invbench.laws.distributions.importance import Weighted
from invbench.laws.distributions.law import (
    FIT,
    Decided,
    DistributionCase,
    Finding,
    Place,
    Undecided,
    law,
)
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.distributions.quadrature import Integral
from invbench.laws.distributions.value_laws import ESTIMATE, is_estimate
from invbench.laws.judging.exchange import KERNELS, exchange
from invbench.laws.law import Violation
from invbench.laws.support import discrete

__all__: list[str] = []

TOLERANCE = 0.01  # how far an integral may be from 1 beyond its error
MOST_ERROR = 0.01  # the error of a quadrature above which it decides nothing
SIGMAS = 6.0  # standard errors, two-sided 2·10⁻⁹
BY_CELLS, BY_WEIGHTS = 2, 6  # largest dimension of quadrature and of importance sampling
LEVEL = 1e-6  # error rate of samples-follow-density, all its tests of one place together
SLACK = 1e-3  # a difference of means of functions bounded by 1 that is let pass
FREQUENCIES = (0.5, 1.5, 5.0)
LEVELS = 4096  # samples that scale log_prob
AGAIN = 10  # added to a stream for the second, independent look


@dataclass(frozen=True)
class Word:
    """What one method says of the integral: ``high``, ``low``, ``one``, or nothing, with the
    reason."""

    method: str
    verdict: str
    value: float
    error: float
    reason: str = ""


def _ready(case: DistributionCase, place: Place) -> None:
    """Raises ``NotDecided`` where there is no density over R^d to be integrated."""
    if is_estimate(case):
        raise NotDecided(ESTIMATE)
    if discrete(case.subject.support(place.cond)):
        raise NotDecided("discrete: log_prob is of a sum, not of an integral")
    if not case.evaluations:
        raise NotDecided("log_prob or sample is too slow for this budget")
    rows = case.lines(place, FIT)
    if not case.density(place).log_density(rows).isfinite().any():
        raise NotDecided("log_prob is finite at none of its samples")
    scale = (rows.quantile(0.84, 0) - rows.quantile(0.16, 0)) / 2
    if (scale <= 0).any():
        raise NotDecided("a coordinate of the samples is constant")
    if rows.shape[1] > 1:
        unit = ((rows - rows.quantile(0.5, 0)) / scale).clamp(-4, 4)
        least = torch.linalg.eigvalsh(unit.T @ unit / len(unit)).min().item()
        if least < 1e-7:
            raise NotDecided(
                "samples lie on a surface: log_prob is with respect to a measure that is not known"
            )


@law("integrates-to-one")
def integrates_to_one(case: DistributionCase) -> Iterator[Finding]:
    """∫ exp(log_prob) = 1 over the event. References: in 1 and 2 dimensions Gauss–Kronrod
    quadrature in float64 over cells laid out by samples, error Σ |K₇ − G₃| plus the outermost
    cells; up to 6 dimensions importance sampling from a mixture of t, error 6 standard errors, with
    an effective size of 400 at least. A defect takes two of them that agree, more than 1 % beyond
    their errors: too much mass within the box of the samples, or too little anywhere. Mass outside
    the samples of a density whose support is not known accuses nobody."""
    for place in case.places:
        try:
            _ready(case, place)
            if case.density(place).dim > BY_WEIGHTS:
                raise NotDecided(f"more than {BY_WEIGHTS} dimensions")
            yield _mass(case, place)
        except NotDecided as why:
            yield Undecided(str(why))


def _mass(case: DistributionCase, place: Place) -> Finding:
    words = [_by_cells(case, place)] if case.density(place).dim <= BY_CELLS else []
    words.append(_by_weights(case, place, 0, exact=False))
    if not words[1:]:
        words.append(_by_weights(case, place, 1, exact=True))
    said = {w.verdict for w in words if w.verdict}
    if said == {"one"}:
        return Decided(1)
    if not said:
        return Undecided("; ".join(dict.fromkeys(w.reason for w in words)))
    if len([w for w in words if w.verdict]) < 2 or len(said) > 1:
        # the dtype may be what differs: its own word is asked twice
        words.append(
            _by_weights(case, place, 1, exact="one" in said and words[0].verdict != "one", again=1)
        )
    for verdict in ("high", "low"):
        agreeing = [w for w in words if w.verdict == verdict]
        if len(agreeing) > 1 and (
            all(w.verdict in (verdict, "") for w in words) or _dtype_alone(case, place)
        ):
            return _violation(place, agreeing, case.density(place).dim)
    shown = ", ".join(
        f"{w.method} {w.value:.4g} ± {w.error:.2g}" if w.verdict else w.reason for w in words
    )
    return Undecided(f"methods do not agree: {shown}")


def _dtype_alone(case: DistributionCase, place: Place) -> bool:
    """Whether the dtype resolves the density, so that an integral that is off in it alone is the
    code's fault."""
    x = case.drawn(place, FIT, 256)[0]
    spread = case.spread(x, place.cond, 8 * torch.finfo(case.subject.dtype).eps)
    return spread is not None and spread.median().item() < 0.01


def _violation(place: Place, words: list[Word], dim: int) -> Violation:
    off = math.log(words[0].value) if words[0].value > 0 else -math.inf
    shown = " and ".join(f"{w.value:.6g} ± {w.error:.2g} by {w.method}" for w in words[:2])
    at = f" at {place}" if str(place) else ""
    constant = dim / 2 * math.log(2 * math.pi)
    hint = (
        ", as without the −d/2·log 2π of a normal base"
        if abs(off - constant) < 0.02 * max(1, dim / 2)
        else ""
    )
    message = (
        f"exp(log_prob) integrates to {shown}{at}: log_prob is off by {off:+.6g} on average{hint}"
    )
    return Violation(abs(off), TOLERANCE, message)


def _verdict(total: float, error: float, hull: float, hull_error: float) -> str:
    if hull - hull_error > 1 + TOLERANCE:
        return "high"
    if total + error < 1 - TOLERANCE:
        return "low"
    return "one" if abs(total - 1) <= TOLERANCE + error else ""


def _by_cells(case: DistributionCase, place: Place) -> Word:
    found = case.integral(place)
    method = "quadrature"
    if not math.isfinite(found.hull + found.hull_error) or found.hull_error > MOST_ERROR * max(
        1.0, found.hull
    ):
        return Word(
            method,
            "",
            found.total,
            found.error,
            f"quadrature has an error of {found.hull_error:.2g}",
        )
    verdict = _verdict(found.total, found.error, found.hull, found.hull_error)
    if verdict == "high":
        return Word(method, verdict, found.hull, found.hull_error)
    if not found.error <= MOST_ERROR and verdict != "low":
        return Word(
            method,
            "",
            found.total,
            found.error,
            f"beyond the samples the mass does not end ({found.error:.2g})",
        )
    reason = (
        ""
        if verdict
        else (
            f"{found.total - found.hull:.3g} of mass lies outside the samples; declare "
            f"domain=… if it is bounded"
        )
    )
    return Word(method, verdict, found.total, found.error, reason)


def _by_weights(
    case: DistributionCase, place: Place, which: int, exact: bool, again: int = 0
) -> Word:
    found = case.weighed(place, which, exact, again)
    missed = 2 * found.unseen * found.total
    method, error, hull_error = (
        "importance sampling",
        SIGMAS * found.error + missed,
        SIGMAS * found.hull_error,
    )
    if found.problem:
        return Word(method, "", found.total, error, found.problem)
    verdict = _verdict(found.total, error, found.hull, hull_error)
    if verdict == "one" and error > 0.1:
        return Word(
            method, "", found.total, error, f"importance sampling has an error of {error:.2g}"
        )
    if verdict == "high":
        return Word(method, verdict, found.hull, hull_error)
    reason = "" if verdict else "mass lies outside the samples; declare domain=… if it is bounded"
    return Word(method, verdict, found.total, error, reason)


@law("samples-follow-density")
def samples_follow_density(case: DistributionCase) -> Iterator[Finding]:
    """sample draws from exp(log_prob), whatever its constant, within the box that samples span.
    References, each on samples of its own: two chains that are reversible for the density and must
    not move its samples (sign tests, exact); up to 6 dimensions the integrals of bounded functions
    (z-tests, their error added). Each errs with 10⁻⁶, Bonferroni's over its functions; a defect
    takes two, and where only one objects all are asked again with four times the rows. Rows of a
    sample are taken as independent."""
    for place in case.places:
        try:
            _ready(case, place)
            yield _follows(case, place)
        except NotDecided as why:
            yield Undecided(str(why))


def _follows(case: DistributionCase, place: Place) -> Finding:
    objections: list[tuple[str, str]] = []
    for again in (0, 1):
        rows = case.rows * (4 if again else 1)
        objections, reasons = _objections(case, place, rows, AGAIN * again)
        if len(objections) != 1:
            break
    if len(objections) < 2 and (gap := _gap(case, place)):
        objections = gap
    if not objections:
        return Decided(1)
    at = f" at {place}" if str(place) else ""
    if len(objections) > 1:
        return Violation(
            float(len(objections)),
            1.0,
            f"samples do not follow log_prob{at}: " + "; ".join(t for _, t in objections),
        )
    others = "; ".join(reasons) or "the others do not"
    return Undecided(f"one method objects ({objections[0][1]}){at}, {others}")


def _objections(
    case: DistributionCase, place: Place, rows: int, stream: int
) -> tuple[list[tuple[str, str]], list[str]]:
    """(the methods that reject, with what they saw; why others could not say)."""
    density, pool = case.density(place), case.lines(place, FIT + stream)
    found, reasons = [], []
    for k, kernel in enumerate(KERNELS):
        start = case.lines(place, 2 + k + stream, rows=rows)
        p, text = exchange(density, start, pool, kernel, case.generator(place.index, k, stream))
        if p < LEVEL:
            found.append((kernel, f"a chain by {kernel} moves them, {text} (p = {p:.1g})"))
    if density.dim <= BY_WEIGHTS:
        fresh = case.lines(place, 4 + stream, rows=rows)
        text, reason = _means(case, place, fresh, stream)
        if text:
            found.append(("integrals", text))
        if reason:
            reasons.append(reason)
    return found, reasons


def _gap(case: DistributionCase, place: Place) -> list[tuple[str, str]]:
    """What two methods say of mass outside the box of the samples, when there is more than n
    samples leave and the whole is 1.

    On each of 2d sides n independent samples leave less than log(2d/δ)/n, but for a chance of δ in
    all.
    """
    d = case.density(place).dim
    if d > BY_WEIGHTS:
        return []
    found: list[tuple[str, str]] = []
    integrals: list[tuple[str, float, float, float, int]] = []
    if d <= BY_CELLS:
        cells, n = case.integral(place), len(case.lines(place, FIT))
        integrals.append(("quadrature", cells.total, cells.hull, cells.error, n))
    for which, exact in ((0, False), (1, True)):
        if len(integrals) < 2:
            weighed, n = case.weighed(place, which, exact), len(case.lines(place, FIT)[:2048])
            error = math.inf if weighed.problem else SIGMAS * (weighed.error + weighed.hull_error)
            integrals.append(("importance sampling", weighed.total, weighed.hull, error, n))
    for method, total, hull, error, n in integrals:
        left = 2 * d * math.log(2 * d / LEVEL) / n
        if abs(total - 1) <= TOLERANCE + error <= 0.1 and total - hull > TOLERANCE + error + left:
            found.append(
                (
                    method,
                    (
                        f"{total - hull:.3g} of the mass, by {method}, lies outside the box of {n} "
                        f"samples"
                    ),
                )
            )
    return found if len(found) > 1 else []


def _means(case: DistributionCase, place: Place, fresh: Tensor, stream: int) -> tuple[str, str]:
    """(what the worst bounded function shows, or ""; why nothing could be compared, or "")."""
    density, pool = case.density(place), case.lines(place, FIT)
    found: Integral | Weighted
    if density.dim <= BY_CELLS:
        found = case.integral(place)
        if not found.hull_error <= MOST_ERROR * found.hull:
            return "", f"quadrature has an error of {found.hull_error:.2g}"
    else:
        found = case.weighed(place, 1, True, 1 if stream else 0)
        pool = case.lines(place, FIT + (20 if stream else 0))[:2048]
        if found.problem:
            return "", found.problem
    fresh = fresh[((fresh >= pool.amin(0)) & (fresh <= pool.amax(0))).all(1)]
    known = density.log_density(pool[:LEVELS])
    ask = _Functions(pool, known[known.isfinite()], case.generator(place.index, 9))
    at_samples = ask(fresh, density.log_density(fresh))
    right, error = found.of(ask(found.points, found.logs))
    mean = at_samples.mean(0)
    z = float(norm.isf(LEVEL / 2 / len(ask.names)))
    if isinstance(found, Weighted):  # a standard error: it adds to that of the samples
        deviation, error = (
            (at_samples.var(0) / len(fresh) + error.square()).sqrt(),
            torch.zeros_like(error),
        )
    else:
        deviation = (at_samples.var(0) / len(fresh)).sqrt()
    ratio = (mean - right).abs() / (z * deviation + error + SLACK)
    k = int(ratio.argmax())
    if ratio[k] > 1:
        shown = f"{mean[k]:.5f} in {len(fresh)} samples and {right[k]:.5f} under log_prob"
        return f"the mean of {ask.names[k]} is {shown}", ""
    return "", ""


class _Functions:
    """Bounded functions of rows: of log p, and sines and cosines along directions at three
    frequencies, in units of quartiles."""

    def __init__(self, pool: Tensor, logs: Tensor, generator: torch.Generator) -> None:
        d = pool.shape[1]
        low, self.middle, high = (pool.quantile(q, 0) for q in (0.25, 0.5, 0.75))
        self.scale = (high - low).clamp_min(1e-300)
        below, self.level, above = (logs.quantile(q) for q in (0.25, 0.5, 0.75))
        self.step = (above - below).clamp_min(1e-6)
        w = torch.randn((4, d), generator=generator, dtype=torch.float64)
        eye = torch.eye(d, dtype=torch.float64)
        self.directions = torch.cat([eye, w / w.norm(dim=1, keepdim=True)]) if d > 1 else eye
        along = [f"x{k}" for k in range(d)] + [
            f"direction {k}" for k in range(len(self.directions) - d)
        ]
        waves = [
            f"{name}({f:g} {what})"
            for f in FREQUENCIES
            for name in ("sin", "cos")
            for what in along
        ]
        self.names = ["tanh of log_prob", *waves]

    def __call__(self, rows: Tensor, logs: Tensor) -> Tensor:
        """(rows, functions)."""
        along = (rows - self.middle) / self.scale @ self.directions.T
        waves = [function(f * along) for f in FREQUENCIES for function in (torch.sin, torch.cos)]
        return torch.cat([((logs - self.level) / self.step).tanh()[:, None], *waves], 1)

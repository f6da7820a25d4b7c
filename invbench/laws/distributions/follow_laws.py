"""The law that samples follow the density."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from scipy.stats import norm
from torch import Tensor

from invbench.laws.distributions.case import FIT, DistributionCase, Place
from invbench.laws.distributions.importance import Weighted
from invbench.laws.distributions.law import Decided, Finding, Undecided, law
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.distributions.mass_laws import (
    BY_CELLS,
    BY_WEIGHTS,
    MOST_ERROR,
    SIGMAS,
    TOLERANCE,
    ready,
)
from invbench.laws.distributions.quadrature import Integral
from invbench.laws.judging.exchange import KERNELS, exchange
from invbench.laws.law import Violation

LEVEL = 1e-6  # error rate of samples-follow-density, all its tests of one place together
SLACK = 1e-3  # a difference of means of functions bounded by 1 that is let pass
FREQUENCIES = (0.5, 1.5, 5.0)
LEVELS = 4096  # samples that scale log_prob
AGAIN = 10  # added to a stream for the second, independent look


@law("samples-follow-density")
def samples_follow_density(case: DistributionCase) -> Iterator[Finding]:
    """sample draws from exp(log_prob), whatever its constant, within the box that samples span.
    References, each on samples of its own: two chains that are reversible for the density and must
    not move its samples (sign tests, exact); up to 6 dimensions the integrals of bounded functions
    (z-tests, with their error). Each errs with 10⁻⁶, by Bonferroni over its functions. A defect
    takes two; where only one objects, all are repeated with four times the rows. Rows of a sample
    are taken as independent."""
    for place in case.places:
        try:
            ready(case, place)
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
    """(the methods that reject, with what they saw; why others could not decide)."""
    density, pool = case.density(place), case.lines(place, FIT + stream)
    objections, reasons = [], []
    for k, kernel in enumerate(KERNELS):
        start = case.lines(place, 2 + k + stream, rows=rows)
        p, text = exchange(density, start, pool, kernel, case.generator(place.index, k, stream))
        if p < LEVEL:
            objections.append((kernel, f"a chain by {kernel} moves them, {text} (p = {p:.1g})"))
    if density.dim <= BY_WEIGHTS:
        fresh = case.lines(place, 4 + stream, rows=rows)
        text, reason = _means(case, place, fresh, stream)
        if text:
            objections.append(("integrals", text))
        if reason:
            reasons.append(reason)
    return objections, reasons


def _gap(case: DistributionCase, place: Place) -> list[tuple[str, str]]:
    """Two methods' objections to mass outside the box of the samples, when the whole is 1 and more
    is outside than n samples leave.

    On each of 2d sides n independent samples leave less than log(2d/δ)/n, except with probability δ
    in all.
    """
    d = case.density(place).dim
    if d > BY_WEIGHTS:
        return []
    objections: list[tuple[str, str]] = []
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
            objections.append(
                (
                    method,
                    (
                        f"{total - hull:.3g} of the mass, by {method}, lies outside the box of {n} "
                        f"samples"
                    ),
                )
            )
    return objections if len(objections) > 1 else []


def _means(case: DistributionCase, place: Place, fresh: Tensor, stream: int) -> tuple[str, str]:
    """(what the worst bounded function shows, or ""; why nothing could be compared, or "")."""
    density, pool = case.density(place), case.lines(place, FIT)
    integral: Integral | Weighted
    if density.dim <= BY_CELLS:
        integral = case.integral(place)
        if not integral.hull_error <= MOST_ERROR * integral.hull:
            return "", f"quadrature has an error of {integral.hull_error:.2g}"
    else:
        integral = case.weighed(place, 1, True, 1 if stream else 0)
        pool = case.lines(place, FIT + (20 if stream else 0))[:2048]
        if integral.problem:
            return "", integral.problem
    fresh = fresh[((fresh >= pool.amin(0)) & (fresh <= pool.amax(0))).all(1)]
    known = density.log_density(pool[:LEVELS])
    ask = _Functions(pool, known[known.isfinite()], case.generator(place.index, 9))
    at_samples = ask(fresh, density.log_density(fresh))
    right, error = integral.of(ask(integral.points, integral.logs))
    mean = at_samples.mean(0)
    z = float(norm.isf(LEVEL / 2 / len(ask.names)))
    if isinstance(integral, Weighted):  # a standard error: it adds to that of the samples
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

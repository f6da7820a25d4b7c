"""The law that a density integrates to 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from invbench.laws.distributions.case import FIT, DistributionCase, Place
from invbench.laws.distributions.law import Decided, Finding, Undecided, law
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.distributions.value_laws import ESTIMATE, is_estimate
from invbench.laws.law import Violation
from invbench.laws.support import discrete

__all__ = ["BY_CELLS", "BY_WEIGHTS", "MOST_ERROR", "SIGMAS", "TOLERANCE", "ready"]

TOLERANCE = 0.01  # how far an integral may be from 1 beyond its error
MOST_ERROR = 0.01  # the error of a quadrature above which it decides nothing
SIGMAS = 6.0  # standard errors, two-sided 2·10⁻⁹
BY_CELLS, BY_WEIGHTS = 2, 6  # largest dimension of quadrature and of importance sampling


@dataclass(frozen=True)
class MethodResult:
    """What one method concludes about the integral: ``high``, ``low``, ``one``, or nothing with the
    reason."""

    method: str
    conclusion: str
    value: float
    error: float
    reason: str = ""


def ready(case: DistributionCase, place: Place) -> None:
    """Raise ``NotDecided`` where there is no density over R^d to integrate."""
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
    quadrature in float64 over cells that samples lay out, error Σ |K₇ − G₃| plus the outermost
    cells; up to 6 dimensions importance sampling from a mixture of t, error 6 standard errors, with
    an effective sample size of at least 400. A defect takes two that agree, more than 1 % beyond
    their errors: too much mass within the box of the samples, or too little anywhere. Mass outside
    the samples of a density with unknown support is no violation."""
    for place in case.places:
        try:
            ready(case, place)
            if case.density(place).dim > BY_WEIGHTS:
                raise NotDecided(f"more than {BY_WEIGHTS} dimensions")
            yield _mass(case, place)
        except NotDecided as why:
            yield Undecided(str(why))


def _mass(case: DistributionCase, place: Place) -> Finding:
    results = [_by_cells(case, place)] if case.density(place).dim <= BY_CELLS else []
    results.append(_by_weights(case, place, 0, exact=False))
    if not results[1:]:
        results.append(_by_weights(case, place, 1, exact=True))
    said = {w.conclusion for w in results if w.conclusion}
    if said == {"one"}:
        return Decided(1)
    if not said:
        return Undecided("; ".join(dict.fromkeys(w.reason for w in results)))
    if len([w for w in results if w.conclusion]) < 2 or len(said) > 1:
        # the dtype may be the difference: it is computed twice
        results.append(
            _by_weights(
                case, place, 1, exact="one" in said and results[0].conclusion != "one", again=1
            )
        )
    for conclusion in ("high", "low"):
        agreeing = [w for w in results if w.conclusion == conclusion]
        if len(agreeing) > 1 and (
            all(w.conclusion in (conclusion, "") for w in results) or _dtype_alone(case, place)
        ):
            return _violation(place, agreeing, case.density(place).dim)
    shown = ", ".join(
        f"{w.method} {w.value:.4g} ± {w.error:.2g}" if w.conclusion else w.reason for w in results
    )
    return Undecided(f"methods do not agree: {shown}")


def _dtype_alone(case: DistributionCase, place: Place) -> bool:
    """Whether the dtype resolves the density: then an integral that is off in the dtype alone is
    the code's fault."""
    x = case.drawn(place, FIT, 256)[0]
    spread = case.spread(x, place.cond, 8 * torch.finfo(case.subject.dtype).eps)
    return spread is not None and spread.median().item() < 0.01


def _violation(place: Place, results: list[MethodResult], dim: int) -> Violation:
    off = math.log(results[0].value) if results[0].value > 0 else -math.inf
    shown = " and ".join(f"{w.value:.6g} ± {w.error:.2g} by {w.method}" for w in results[:2])
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


def _conclusion(total: float, error: float, hull: float, hull_error: float) -> str:
    if hull - hull_error > 1 + TOLERANCE:
        return "high"
    if total + error < 1 - TOLERANCE:
        return "low"
    return "one" if abs(total - 1) <= TOLERANCE + error else ""


def _by_cells(case: DistributionCase, place: Place) -> MethodResult:
    integral = case.integral(place)
    method = "quadrature"
    if not math.isfinite(
        integral.hull + integral.hull_error
    ) or integral.hull_error > MOST_ERROR * max(1.0, integral.hull):
        return MethodResult(
            method,
            "",
            integral.total,
            integral.error,
            f"quadrature has an error of {integral.hull_error:.2g}",
        )
    conclusion = _conclusion(integral.total, integral.error, integral.hull, integral.hull_error)
    if conclusion == "high":
        return MethodResult(method, conclusion, integral.hull, integral.hull_error)
    if not integral.error <= MOST_ERROR and conclusion != "low":
        return MethodResult(
            method,
            "",
            integral.total,
            integral.error,
            f"beyond the samples the mass does not end ({integral.error:.2g})",
        )
    reason = (
        ""
        if conclusion
        else (
            f"{integral.total - integral.hull:.3g} of mass lies outside the samples; declare "
            f"domain=… if it is bounded"
        )
    )
    return MethodResult(method, conclusion, integral.total, integral.error, reason)


def _by_weights(
    case: DistributionCase, place: Place, which: int, exact: bool, again: int = 0
) -> MethodResult:
    weighted = case.weighed(place, which, exact, again)
    missed = 2 * weighted.unseen * weighted.total
    method, error, hull_error = (
        "importance sampling",
        SIGMAS * weighted.error + missed,
        SIGMAS * weighted.hull_error,
    )
    if weighted.problem:
        return MethodResult(method, "", weighted.total, error, weighted.problem)
    conclusion = _conclusion(weighted.total, error, weighted.hull, hull_error)
    if conclusion == "one" and error > 0.1:
        return MethodResult(
            method, "", weighted.total, error, f"importance sampling has an error of {error:.2g}"
        )
    if conclusion == "high":
        return MethodResult(method, conclusion, weighted.hull, hull_error)
    reason = (
        "" if conclusion else "mass lies outside the samples; declare domain=… if it is bounded"
    )
    return MethodResult(method, conclusion, weighted.total, error, reason)

"""Laws of samples: they lie in the support, and the density returned with them is theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from invbench.laws.distributions.case import FIT, FRESH, DistributionCase, Place
from invbench.laws.distributions.forms import attempt
from invbench.laws.distributions.law import Decided, Finding, Undecided, law
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.distributions.value_laws import ESTIMATE, is_estimate, nudged, numbers
from invbench.laws.law import Violation

__all__: list[str] = []


@law("samples-in-support")
def samples_in_support(case: DistributionCase) -> Iterator[Finding]:
    """Samples lie in the support, where one is declared or known. Reference: its constraint, in the
    dtype and in float64, at the sample and 16 floats further inside; error a few floats."""
    subject = case.subject
    for place in {p.index: p for p in case.places}.values():
        if subject.support(place.cond) is None:
            yield Undecided("no support is known; declare domain=…")
            return
        x = case.drawn(place, FRESH)[0]
        x = x.to(subject.dtype) if x.is_floating_point() else x
        outside = ~subject.inside(x, place.cond)
        if outside.any() and x.is_floating_point():
            outside &= ~subject.inside(nudged(x, x), place.cond)
            if subject.float64_reference is not None:
                wide = (
                    place.cond
                    if place.cond is None or not place.cond.is_floating_point()
                    else place.cond.double()
                )
                outside &= ~subject.float64_reference.inside(x.double(), wide)
        yield Decided(len(x))
        bad = outside.reshape(len(x), -1).any(1)
        if bad.any():
            row = int(bad.nonzero()[0])
            what = (
                f"{int(bad.sum())} of {len(x)} samples lie outside "
                f"{subject.support(place.cond)}, as {numbers(x[row])}"
            )
            yield Violation(bad.double().mean().item(), 0.0, what, row=row)


@law("log-prob-of-sample")
def log_prob_of_sample(case: DistributionCase) -> Iterator[Finding]:
    """Where sample returns the density too, or there is sample_and_log_prob or
    rsample_and_log_prob, it is log_prob of that sample. Reference: log_prob, in the dtype and at
    samples of the float64 reference. Error: 10⁻³ (1 + |log p|) and four times the effect of a
    change of x by 10⁻⁶ (in float64) or by 64 u; in the dtype alone a tenth of the rows must be
    off."""
    if is_estimate(case):
        raise NotDecided(ESTIMATE)
    asked = 0
    for place in {p.index: p for p in case.places}.values():
        wrong: list[tuple[float, float, str]] = []
        for exact in (False, True) if case.subject.float64_reference is not None else (False,):
            for name, x, said in _pairs(case, place, exact):
                asked += len(x)
                u = torch.finfo(case.subject.dtype).eps / 2
                spread = case.spread(
                    x, place.cond, 64 * u if case.subject.dtype != torch.float64 else 1e-6
                )
                right = case.log_prob_or_nan(x, place.cond, exact)
                allowed = 1e-3 * (1 + right.abs()) + (4 * spread if spread is not None else 0)
                ratio = ((said.double().cpu() - right).abs() / allowed).nan_to_num(nan=0.0)
                row = int(ratio.reshape(len(x), -1).amax(1).argmax())
                both = [v.reshape(len(x), -1)[row, 0].item() for v in (said, right)]
                share = (ratio > 1).double().mean().item()
                text = (
                    f"{name} says {both[0]:.9g} of its sample, log_prob {both[1]:.9g} "
                    f"({share:.0%} of the rows are off)"
                )
                if share >= 0.1 or (exact and share > 0):
                    wrong.append((ratio.max().item(), share, text))
        if wrong:
            value, _, text = max(wrong)
            yield Violation(value, 1.0, text)
    yield (
        Decided(asked)
        if asked
        else Undecided("sample returns no log_prob, and there is no sample_and_log_prob")
    )


def _pairs(
    case: DistributionCase, place: Place, exact: bool
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(the method, samples, the log_prob returned with them)."""
    if exact and attempt(partial(case.drawn, place, FIT, 256, True))[1]:
        return  # samples of the base are of one dtype only
    x, said = case.drawn(place, FIT, 256, exact)
    if said is not None:
        yield "sample", x, said
    subject = (
        case.subject.float64_reference
        if exact and case.subject.float64_reference is not None
        else case.subject
    )
    cond = (
        place.cond
        if place.cond is None or not place.cond.is_floating_point()
        else place.cond.to(subject.dtype)
    )
    given = subject.given(cond)
    for name in ("sample_and_log_prob", "rsample_and_log_prob"):
        method = getattr(given, name, None)
        if not callable(method) or (cond is not None and not subject.view.takes_condition):
            continue
        torch.manual_seed(case.seed)
        size: Any = torch.Size((256,)) if isinstance(given, Distribution) else 256
        returned: Any
        returned, problem = attempt(partial(subject.inner, method, size))
        if problem and exact:
            continue
        if problem:
            raise RuntimeError(f"{name}: {problem}")
        x, said = (v.detach() for v in returned)
        rows = (256, *subject.batch_shape, *subject.event_shape)
        if x.numel() == math.prod(rows) and said.numel() == math.prod(
            rows[: 1 + len(subject.batch_shape)]
        ):
            yield name, x.reshape(rows), said.reshape(rows[: 1 + len(subject.batch_shape)])

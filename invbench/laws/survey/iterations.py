"""Directions that iterate or integrate, and those that compute without gradients."""

from __future__ import annotations

from dataclasses import replace

import torch

from invbench.laws.cases.trace import Trace, traced
from invbench.laws.judging.assumption import assume
from invbench.laws.subject import Subject

__all__ = ["iterated"]

ASSUMED_TOLERANCE = 1e-4  # of a direction that iterates or integrates
SATURATED = 1e-2  # an error of float32 beyond which it says nothing about rounding


def iterated(subject: Subject) -> Subject:
    """A direction with a loop is an iteration or an integration; one that computes without
    gradients is for sampling."""
    if not subject.invertible:
        return subject
    x, cond = subject.probes(4)
    traces: list[Trace] = []
    try:
        traces.append(traced(lambda: subject.forward(x.clone().requires_grad_(), cond)))
        with torch.no_grad():
            z = subject.forward(x, cond)[0]
        traces.append(traced(lambda: subject.inverse(z.clone().requires_grad_(), cond)))
    except Exception:
        return subject
    if subject.declaration.inverse is None and traces[1].silent > 0:
        subject = assume(subject, "it computes with gradients switched off", inverse="sampling")
    if subject.declaration.tolerance is None and any(t.loop for t in traces) and _inexact(subject):
        which = " and ".join(
            n for n, t in zip(("forward", "inverse"), traces, strict=True) if t.loop
        )
        subject = assume(
            subject,
            f"{which} runs in a loop and stops before the last digit",
            tolerance=ASSUMED_TOLERANCE,
        )
    return replace(subject, integrated=traces[0].loop and subject.declaration.tolerance is not None)


def _inexact(subject: Subject) -> bool:
    """Whether the two directions differ by more than rounding. Rounding falls 2²⁹-fold from float32
    to float64; an exact loop, as of an autoregressive layer, needs no tolerance."""
    for weights in (("initial", 0), ("noise", 2)):
        other = subject.reweighted(*weights, seed=3)
        wide = _disagreement(other.float64_reference())
        narrow = _disagreement(other.as_type(torch.float32, "cpu"))
        if narrow < SATURATED and wide > 1e-13 and wide > 2.0**-16 * max(narrow, 1e-7):
            return True
    return False


def _disagreement(subject: Subject) -> float:
    """The relative difference, in the middle row, of inverse(forward(x)) and x, and of the two
    log_dets."""
    x, cond = subject.probes(16)
    with torch.no_grad():
        z, log_det = subject.forward(x, cond)
        back, other = subject.inverse(z, cond)
    # the middle row: an inexact direction shows in most rows
    off = ((back - x).abs() / (1 + x.abs())).nan_to_num(nan=0.0).flatten(1).amax(1).median().item()
    if not subject.has_log_det:
        return off
    logs = (
        ((log_det + other).abs() / (1 + log_det.abs()))
        .nan_to_num(nan=0.0)
        .flatten()
        .median()
        .item()
    )
    return max(off, logs)

"""How an object with ``log_prob`` and ``sample`` is called, found out by calling it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from invbench.declaration import Declaration, Shape
from invbench.errors import UsageError
from invbench.laws.distributions.distribution import DistributionSubject, seeded
from invbench.laws.distributions.forms import (
    COND_NAMES,
    Form,
    View,
    attempt,
    log_prob_forms,
    needs_condition,
    sample_forms,
    views,
)
from invbench.laws.judging.recast import recast
from invbench.targets import Target

__all__ = ["distribution_of"]

PROBES = (7, 5)  # rows; the first call may initialise a layer, which one or two rows would spoil


def distribution_of(
    target: Target, dtype: torch.dtype, device: str = "cpu", seed: int = 0
) -> DistributionSubject:
    """Build the distribution of a target and find out how it is called.

    Raises ``UsageError`` when it cannot be built, when no way of calling works, and when it takes a
    condition but declares none.
    """
    metadata = dict(target.entry.metadata)
    scalar = metadata.get("event_shape") == ()
    declared = Declaration.of(
        target.name, {k: v for k, v in metadata.items() if k != "event_shape" or not scalar}
    )
    guesses: list[str] = []
    with seeded(seed, device), torch.no_grad():
        obj, problem = attempt(lambda: target.make(seed))
    if problem:
        raise UsageError(f"distribution {target.name!r} cannot be built: {problem}")
    moved, problem = attempt(lambda: recast(obj, dtype, device))
    if problem:
        guesses.append(f"it cannot be copied ({problem}), so it is used as it was built")
    obj = obj if problem else moved
    event = () if scalar else declared.event_shape
    with seeded(seed, device):
        return _read(target.name, obj, declared, event, dtype, device, guesses)


def _read(
    name: str,
    obj: Any,
    declared: Declaration,
    event: Shape | None,
    dtype: torch.dtype,
    device: str,
    guesses: list[str],
) -> DistributionSubject:
    conditional = declared.cond_shape is not None
    open_ = DistributionSubject(
        name,
        obj,
        View("obj", lambda o, c: o),
        Form("", lambda o, n, c: None),
        Form("", lambda o, n, c: None),
        event or (),
        (),
        declared.cond_shape,
        dtype,
        device,
        "n",
        declared,
        guesses,
    )
    if not conditional and (missing := needs_condition(obj)):
        hint = f"{missing!r}, as it seems a condition" if missing in COND_NAMES else repr(missing)
        raise UsageError(
            f"{name}: log_prob takes {hint}: declare its shape, as cond_shape=(3,) (--cond-shape 3)"
        )
    cond = open_.condition(0)
    tried: list[str] = []
    kept: DistributionSubject | None = None
    for view in views(obj, conditional):
        given, problem = attempt(partial(view.at, obj, cond))
        if problem or not callable(getattr(given, "sample", None)):
            tried.append(f"{view.text}: {problem or f'a {type(given).__name__} without sample'}")
            continue
        forms = list(sample_forms(given, conditional and not view.takes_condition))
        if isinstance(given, Distribution) and not conditional:
            forms = [f for f in forms if f.text == "sample((n,))"][:1] or forms[:1]
        for form in forms:
            subject = replace(open_, view=view, sampling=form)
            shaped = _shape(subject, given, cond, event, tried)
            if shaped is not None:
                return _with_density(shaped, given, cond, tried)
            if kept is None and isinstance(given, Distribution):
                kept = replace(
                    subject,
                    event_shape=tuple(given.event_shape),
                    batch_shape=tuple(given.batch_shape),
                )
    if kept is not None and not conditional:  # its contract is known: what fails is its fault
        return replace(kept, density=next(log_prob_forms(kept.given(None), False)))
    what = (
        "; ".join(tried[:6])
        or f"{type(obj).__name__} has no methods log_prob and sample, and is no flow(c)"
    )
    write = "sample(n) that returns (n, *event) and log_prob(x) that returns (n,)"
    if conditional:
        write = (
            "sample(n, context) for one condition (1, *cond_shape), and log_prob(x, "
            "context) for one per row"
        )
    raise UsageError(f"{name}: no way of drawing samples was recognised ({what}); write {write}")


def _shape(
    subject: DistributionSubject,
    given: Any,
    cond: Tensor | None,
    event: Shape | None,
    tried: list[str],
) -> DistributionSubject | None:
    """The subject with the shapes that ``sample`` shows, or None when this form does not draw n
    rows."""
    shapes, log_probs = [], []
    for n in PROBES:
        returned: Any
        returned, problem = attempt(partial(subject.raw_sample, n, cond))
        value = returned[0] if isinstance(returned, (tuple, list)) and returned else returned
        if problem or not isinstance(value, Tensor):
            tried.append(f"{subject.sampling.text}: {problem or f'returns {type(value).__name__}'}")
            return None
        shapes.append(tuple(value.shape))
        more = (
            isinstance(returned, (tuple, list))
            and len(returned) > 1
            and isinstance(returned[1], Tensor)
        )
        log_probs.append(tuple(returned[1].shape) if more else None)
    lead, rest = _lead(shapes, cond is not None, subject.view.takes_condition)
    if isinstance(given, Distribution):
        batch = () if cond is not None else tuple(given.batch_shape)
        return replace(
            subject, event_shape=tuple(given.event_shape), batch_shape=batch, lead=lead or "n"
        )
    if lead is None:
        tried.append(
            f"{subject.sampling.text} returns {shapes[0]} for n = {PROBES[0]} and {shapes[1]} "
            f"for {PROBES[1]}"
        )
        # it counts the rows, in another shape than is declared
        if event is not None and shapes[0] != shapes[1]:
            return replace(subject, event_shape=event, lead="n")
        return None
    if log_probs[0] is not None:
        subject.guesses.append(f"{subject.sampling.text} returns the samples and their log_prob")
    return replace(subject, event_shape=rest if event is None else event, lead=lead)


def _lead(shapes: list[Shape], conditional: bool, view: bool) -> tuple[str | None, Shape]:
    """Where the n rows case in what came back, and the shape of one."""
    (one, two), (n, m) = shapes, PROBES
    if one[:1] == (n,) and two[:1] == (m,) and one[1:] == two[1:]:
        return ("n1", one[2:]) if conditional and view and one[1:2] == (1,) else ("n", one[1:])
    if conditional and one[:2] == (1, n) and two[:2] == (1, m) and one[2:] == two[2:]:
        return "1n", one[2:]
    return None, ()


def _with_density(
    subject: DistributionSubject, given: Any, cond: Tensor | None, tried: list[str]
) -> DistributionSubject:
    """The subject with the form of ``log_prob``, and the batch shape that it keeps."""
    told = isinstance(given, Distribution)
    declared = subject.declaration.event_shape is not None
    order = {"n": "(n, …)", "1n": "(1, n, …)", "n1": "(n, 1, …)"}[subject.lead]
    subject.guesses.append(
        f"samples are drawn by {subject.view.text}.{subject.sampling.text}, of shape {order}"
    )
    problems: list[str] = []
    first: Form | None = None
    for form in log_prob_forms(given, cond is not None and not subject.view.takes_condition):
        first = first or form
        candidate = replace(subject, density=form)
        x, problem = attempt(partial(candidate.proper, PROBES[1], cond))
        if x is not None:
            log_prob, problem = attempt(partial(candidate.log_prob, x, cond))
        if x is None or problem:
            problems.append(f"{form.text}: {problem}")
            continue
        shape = tuple(getattr(log_prob, "shape", ()))
        subject.guesses.append(f"its density is {subject.view.text}.{form.text}")
        prefix, event = shape[1:], subject.event_shape
        if (
            not told
            and not declared
            and shape[:1] == x.shape[:1]
            and prefix
            and event[: len(prefix)] == prefix
        ):
            rest = event[len(prefix) :]
            subject.guesses.append(
                f"log_prob keeps the shape {prefix} of a sample: a batch of {prefix}, events of "
                f"{rest}"
            )
            return replace(candidate, event_shape=rest, batch_shape=prefix)
        if not told and not declared:
            subject.guesses.append(f"an event has the shape {event}, as sample returns it")
        return candidate
    assert first is not None
    if cond is None:
        return replace(subject, density=first)  # it refuses its own samples: a law says so
    raise UsageError(
        f"{subject.name}: log_prob cannot be called with a condition {subject.cond_shape} "
        f"({'; '.join(problems[:3])}); "
        "write log_prob(x, context) for one condition per row"
    )

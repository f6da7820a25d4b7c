"""The survey of a layer: its spaces, whether it iterates, draws random numbers, or has no inverse.

Nothing declared means a bijection of Rⁿ. Where a layer cannot be that, a declaration may explain
why. The survey assumes one only on positive evidence: outside a domain *every* row is NaN or
raises; an image keeps its bounds under other weights and conditions; an angle comes back after a
turn. What is declared is never replaced. Each assumption is a line that says what to write.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from invbench.declaration import Declaration, space_name
from invbench.errors import UsageError
from invbench.laws.guard import TookTooLong, guarded
from invbench.laws.judging.assumption import PROBE, ROWS, assume, attempt, undoes
from invbench.laws.space import drawable, is_real, packing
from invbench.laws.subject import Subject
from invbench.laws.survey.chance import stochastic
from invbench.laws.survey.conditions import conditioned
from invbench.laws.survey.iterations import iterated
from invbench.laws.survey.spaces import circle, spaces

__all__ = ["surveyed"]

HANGS = 2  # steps that took too long, after which the survey ends
STRUCTURES = (
    constraints.simplex,
    constraints.corr_cholesky,
    constraints.lower_cholesky,
    constraints.positive_definite,
)


def surveyed(subject: Subject) -> Subject:
    """The subject with its assumptions, warmed up. Raises ``UsageError`` for a declaration that the
    layer contradicts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        subject, hangs = _undrawable(subject), 0
        steps = (
            conditioned,
            _warm,
            _one_way,
            _shapes,
            stochastic,
            _contradicts,
            circle,
            spaces,
            iterated,
        )
        for step in steps if subject.elementwise else (_probed, *steps):
            try:
                with guarded(8 * PROBE):
                    subject = step(subject)
            except (KeyboardInterrupt, MemoryError, UsageError):
                raise
            except TookTooLong:
                hangs += 1
                if hangs == HANGS:
                    break  # the laws will report it
            except BaseException:  # a stranger's layer, which may even exit
                continue
    return subject


def _warm(subject: Subject) -> Subject:
    return subject.warm()


def _undrawable(subject: Subject) -> Subject:
    """A declared space whose values cannot be drawn is filled with results of the other
    direction."""
    for latent, name in ((False, "x"), (True, "z")):
        space = subject.space(latent)
        if space is not None and not drawable(space, subject.raw_shape(latent)):
            subject = replace(subject, image=subject.image | {name})
    if subject.image == {"x", "z"}:
        raise UsageError(
            f"{subject.name}: values of {subject.space(False)} cannot be drawn; declare another "
            f"domain"
        )
    return subject


def _probed(subject: Subject) -> Subject:
    """Let an adapter read the conventions of its module, and take what it declares of spaces and
    directions."""
    if not callable(getattr(subject.module, "probe", None)):
        return subject
    subject.probe(subject.module)
    told = Declaration.of(subject.name, getattr(subject.module, "declares", {}))
    values = {f.name: v for f in fields(told) if (v := getattr(told, f.name)) is not None}
    declaration = subject.declaration.assuming(**values)
    inner = packing(declaration.event_shape, declaration.domain)
    outer = packing(declaration.latent_shape or declaration.event_shape, declaration.codomain)
    return replace(subject, declaration=declaration, inner=inner, outer=outer)


def _one_way(subject: Subject) -> Subject:
    """No inverse: there is none, or it says that it is not implemented."""
    if subject.declaration.inverse is not None:
        return subject
    if not callable(getattr(subject.module, "inverse", None)):
        return assume(subject, "there is no method inverse", inverse="none")
    x, cond = subject.probes(4)
    result = attempt(lambda: subject.forward(x, cond))
    if isinstance(result, Exception) or not isinstance(result[0], Tensor):
        return subject
    back = attempt(lambda: subject.inverse(result[0], cond))
    if isinstance(back, NotImplementedError):
        return assume(subject, "inverse raises NotImplementedError", inverse="none")
    return subject


def _shapes(subject: Subject) -> Subject:
    """The shape of the latent, where none is declared: several latents, or as many numbers in
    another shape."""
    if subject.elementwise or subject.declaration.latent_shape is not None:
        _fits(subject)
        return subject
    x, cond = subject.probes(3)
    result = attempt(lambda: subject.raw(x, cond, False))
    if not (isinstance(result, (tuple, list)) and len(result) == 2):
        return subject
    value = result[0]
    tensors = list(value.values()) if isinstance(value, dict) else value
    if (
        isinstance(tensors, (tuple, list))
        and tensors
        and all(isinstance(t, Tensor) and len(t) == 3 for t in tensors)
    ):
        shape: Any = tuple(tuple(t.shape[1:]) for t in tensors)
    elif (
        isinstance(value, Tensor)
        and value.ndim
        and value.shape[0] == 3
        and value.shape != subject.packed(False).unpack(x).shape
    ):
        shape = tuple(value.shape[1:])
    else:
        return subject
    codomain = subject.declaration.codomain or _structure(value)
    outer = packing(shape, codomain)
    there = replace(
        subject, declaration=subject.declaration.assuming(latent_shape=shape), outer=outer
    )
    # a value of the wrong shape is a fault, not another space: the inverse must take it and give
    # x's shape back
    back = attempt(lambda: there.inverse(outer.pack(value), cond))
    if (
        isinstance(back, Exception)
        or back[0].shape != x.shape
        or outer.shape == ()
        or not math.prod(outer.shape)
    ):
        return subject
    if not undoes(back[0], x) and math.prod(outer.shape) != math.prod(x.shape[1:]):
        return subject
    subject = assume(subject, "that is what forward returns", latent_shape=shape)
    if codomain is not None and subject.declaration.codomain is None:
        subject = assume(subject, "every value of forward lies in it", codomain=codomain)
    return replace(subject, outer=outer)


def _structure(value: Any) -> Constraint | None:
    """The space of whole values (simplex, Cholesky factor, …) that holds all of these."""
    if not isinstance(value, Tensor) or value.ndim < 2:
        return None
    for candidate in STRUCTURES:
        square = value.ndim >= 3 and value.shape[-1] == value.shape[-2] > 1
        if (candidate is constraints.simplex or square) and value.shape[-1] > 1:
            try:
                if bool(torch.as_tensor(candidate.check(value)).all()):
                    return candidate
            except Exception:
                continue
    return None


def _fits(subject: Subject) -> None:
    """Raise ``UsageError`` where forward returns another latent shape than is declared."""
    if subject.elementwise:
        return
    x, cond = subject.probes(3)
    result = attempt(lambda: subject.raw(x, cond, False))
    if isinstance(result, (tuple, list)) and len(result) == 2 and isinstance(result[0], Tensor):
        want = subject.packed(True).parts[0]
        if tuple(result[0].shape[1:]) != want and not subject.packed(True).several:
            raise UsageError(
                f"{subject.name}: declared latent_shape={want}, and forward returns a value of "
                f"shape {tuple(result[0].shape[1:])}"
            )


def _contradicts(subject: Subject) -> Subject:
    """Raise ``UsageError`` for a declared codomain that most results of forward lie outside of."""
    space, reference = subject.space(True), subject.float64_reference()
    if is_real(space) or subject.packed(True).several or "x" in subject.image:
        return subject
    assert space is not None
    x, cond = reference.probes(ROWS)
    value = attempt(lambda: reference.forward(x, cond)[0])
    if isinstance(value, Exception) or not isinstance(value, Tensor):
        return subject
    declared = f"{subject.name}: declared codomain={space_name(space)!r}"
    try:
        ok = torch.as_tensor(space.check(value)).reshape(len(value), -1).all(1)
    except Exception as error:
        shape = tuple(value.shape[1:])
        raise UsageError(
            f"{declared}, and forward gives a value of shape {shape}: {str(error)[:120]}"
        ) from None
    outside = ~ok & value.flatten(1).isfinite().all(1)
    if outside.float().mean() > 0.5:
        shown = ", ".join(f"{n:.5g}" for n in value[outside][0].flatten()[:3].tolist())
        count = f"{int(outside.sum())} of {len(ok)} rows"
        raise UsageError(f"{declared}, and forward leaves it on {count}, as with {shown}")
    return subject

"""A log-determinant as the sum of those of a module's children.

For a module that hands x from child to child: each child's Jacobian at its own input. Conditioning
does not multiply up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from invbench.laws.judging.jacobian import (
    Map,
)
from invbench.laws.judging.reference import LogDetReference, by_autograd
from invbench.laws.subject import Subject

__all__ = ["by_parts"]


@dataclass(frozen=True)
class _Visit:
    """One call of a child: its name, the call with its other arguments, its input and its
    results."""

    name: str
    call: Map
    x: Tensor
    value: Tensor
    log_det: Tensor


def by_parts(
    reference: Subject, x: Tensor, cond: Tensor | None
) -> tuple[LogDetReference, str] | None:
    """The sum of the children's references, and the name of the child that differs most from its
    own.

    The children are found by hooks on one call. A child counts when it takes the value of the one
    before and returns (value, log_det of shape (B,)). None where they make no chain from x to z.
    """
    visits = _visits(reference, x, cond)
    if visits is None:
        return None
    total, error = torch.zeros(len(x), dtype=x.dtype), torch.zeros(len(x), dtype=x.dtype)
    worst, name = 0.0, ""
    for visit in visits:
        of_child = by_autograd(visit.call, visit.x, neighbours=1)
        total, error = total + of_child.value, error + of_child.error
        off = (
            (visit.log_det - of_child.value).abs()
            - of_child.error
            - 1e-8 * (1 + of_child.value.abs())
        )
        if (here := off.nan_to_num(nan=0.0).max().item()) > worst:
            worst, name = here, visit.name
    return LogDetReference(total, error), name


def _visits(reference: Subject, x: Tensor, cond: Tensor | None) -> list[_Visit] | None:
    """The children that chain x to z, in order."""
    seen: list[_Visit] = []
    names = {id(child): name for name, child in reference.module.named_modules() if name}

    def note(child: nn.Module, args: tuple[Any, ...], more: dict[str, Any], out: object) -> None:
        if not (
            args
            and isinstance(args[0], Tensor)
            and isinstance(out, (tuple, list))
            and len(out) == 2
        ):
            return
        value, log_det = out
        if (
            not isinstance(value, Tensor)
            or not isinstance(log_det, Tensor)
            or value.numel() != args[0].numel()
        ):
            return
        if log_det.ndim > 1 or (log_det.ndim == 1 and len(log_det) != len(value)):
            return

        def call(v: Tensor) -> Tensor:
            first: Tensor = child(v, *args[1:], **more)[0]
            return first

        kept = (
            args[0].detach().clone(),
            value.detach().clone(),
            log_det.detach().expand(len(value)).clone(),
        )
        seen.append(_Visit(names[id(child)], call, *kept))

    children = [child for name, child in reference.module.named_modules() if name]
    hooks = [child.register_forward_hook(note, with_kwargs=True) for child in children]
    try:
        with torch.no_grad():
            z = reference.forward(x, cond)[0]
    finally:
        for hook in hooks:
            hook.remove()
    at, chain = x, []
    for visit in seen:
        # reordered between, perhaps
        if visit.x.shape == at.shape and torch.equal(_sorted(visit.x), _sorted(at)):
            chain.append(visit)
            at = visit.value
        if at.numel() == z.numel() and torch.equal(_sorted(at), _sorted(z)) and len(chain) > 1:
            return chain
    return None


def _sorted(v: Tensor) -> Tensor:
    """The numbers of each row in order. Equal for rows whose elements changed places, which leaves
    log|det J| at 0."""
    return v.flatten(1).sort(1).values

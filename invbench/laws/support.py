"""The support of a distribution, as far as it is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, TransformedDistribution, constraints
from torch.distributions.constraints import Constraint

__all__ = ["discrete", "known_support", "within"]

FREE = (type(constraints.real), type(constraints.real_vector), type(constraints.dependent))


def known_support(obj: Any) -> Constraint | None:
    """``obj.support``, unless it is unknown or dependent."""
    try:
        support = getattr(obj, "support", None)
    except Exception:
        return None
    return (
        support
        if isinstance(support, Constraint) and not constraints.is_dependent(support)
        else None
    )


def discrete(support: Constraint | None) -> bool:
    try:
        return bool(support is not None and support.is_discrete)
    except Exception:
        return False


def within(obj: Any, declared: Constraint | None, x: Tensor, lead: int) -> Tensor:
    """Per row and batch element (the first ``lead`` dimensions of x), whether it lies in the
    support.

    A transformed distribution states the image of its last transform only. Its base may be bounded,
    so x is taken back to the base too.
    """
    finite = _reduced(x.isfinite(), lead)
    if declared is not None:
        return finite & _reduced(_checked(declared, x), lead)
    return finite & _within(obj, x, lead)


def _within(obj: Any, x: Tensor, lead: int) -> Tensor:
    everywhere = torch.ones(x.shape[:lead], dtype=torch.bool, device=x.device)
    if not isinstance(obj, Distribution):
        return everywhere
    support = known_support(obj)
    inside = everywhere if support is None else _reduced(_checked(support, x), lead)
    if isinstance(obj, Independent):
        return inside & _reduced(
            _within(obj.base_dist, x, lead + obj.reinterpreted_batch_ndims), lead
        )
    if isinstance(obj, TransformedDistribution) and not _free(obj.base_dist):
        try:
            for transform in reversed(obj.transforms):
                x = transform.inv(x)
            inner = len(obj.base_dist.event_shape)
            return inside & _reduced(_within(obj.base_dist, x, max(lead, x.ndim - inner)), lead)
        except Exception:  # a transform without inverse
            return inside
    return inside


def _free(base: Any) -> bool:
    while isinstance(base, Independent):
        base = base.base_dist
    return not isinstance(base, TransformedDistribution) and isinstance(known_support(base), FREE)


def _checked(constraint: Constraint, x: Tensor) -> Tensor:
    try:
        return torch.as_tensor(constraint.check(x))
    except Exception:
        return torch.ones(x.shape[:1], dtype=torch.bool, device=x.device)


def _reduced(inside: Tensor, lead: int) -> Tensor:
    while inside.ndim < lead:
        inside = inside.unsqueeze(-1)
    return inside.flatten(lead).all(-1) if inside.ndim > lead else inside

"""Inverses without a closed form: a root in a bracket that is proven to contain it, and its
gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["attempted_root", "halley_slope", "monotone_root", "through_root"]

Function = Callable[..., tuple[Tensor, Tensor]]

# enough to bisect all exponents and all bits of float64; Newton's method needs 4 to 10
ITERATIONS = 120


def _middle(low: Tensor, high: Tensor) -> Tensor:
    """A point between the ends: 0 where their signs differ, the geometric mean where they are far
    apart, else the arithmetic mean.

    The geometric mean halves the range of exponents, so a wide bracket costs 8 steps instead of
    1000.
    """
    near, far = torch.minimum(low.abs(), high.abs()), torch.maximum(low.abs(), high.abs())
    near = near.clamp(min=torch.finfo(low.dtype).tiny)
    geometric = near.sqrt() * far.sqrt() * torch.where(high > 0, 1.0, -1.0).to(low.dtype)
    middle = torch.where(far > 1e3 * near, geometric, low + (high - low) / 2)
    return torch.where((low < 0) & (high > 0), torch.zeros_like(low), middle)


class State(NamedTuple):
    """Where the iteration stands: low ≤ root ≤ high, the Newton step before, and who goes on."""

    x: Tensor
    low: Tensor
    high: Tensor
    before: Tensor
    live: Tensor


def _begin(y: Tensor, low: Tensor, high: Tensor, start: Tensor | None) -> State:
    low, high = torch.minimum(low, high), torch.maximum(low, high)
    x = _middle(low, high) if start is None else torch.minimum(torch.maximum(start, low), high)
    return State(x, low, high, torch.full_like(x, torch.inf), y.isfinite())


def _step(function: Function, y: Tensor, state: State, given: Sequence[Tensor], noise: float,
          branch: bool) -> State:  # fmt: skip
    """One evaluation at x. ``branch``: the middle is computed only if somebody needs it."""
    unit = torch.finfo(y.dtype).eps
    x, low, high, before, live = state
    value, slope = function(x, *given)
    residual = value - y
    low, high = torch.where(residual <= 0, x, low), torch.where(residual >= 0, x, high)
    newton = x - residual / slope
    # a step that ends just outside is cut to the end: rounding has moved the root there
    cut = torch.minimum(torch.maximum(newton, low), high)
    change = (newton - x).abs()
    good = ((newton - cut).abs() <= 0.01 * (high - low)) & (change <= before / 2)
    moved = cut if branch and good.all() else torch.where(good, cut, _middle(low, high))
    size = y.abs() + slope * x.abs() + noise
    small = (residual.abs() <= 4 * unit * size) & size.isfinite()
    done = small | ((moved - x).abs() <= unit * x.abs()) | (low == high) | moved.isnan()
    # a converged element takes one more Newton step, but no bisection
    x = torch.where(~live | (residual == 0) | (small & ~good), x, moved)
    return State(x, low, high, torch.where(good, change, torch.inf), live & ~done)


@torch.no_grad()
def monotone_root(
    function: Function,
    y: Tensor,
    low: Tensor,
    high: Tensor,
    start: Tensor | None = None,
    given: Sequence[Tensor] = (),
    noise: float = 0.0,
) -> Tensor:
    """x with c(x) = y, for an increasing c. The caller proves that low ≤ x ≤ high.

    ``function(x, *given)`` gives (c(x), c′(x)). It gets x flat, (n,), and a tensor (*, *y.shape) in
    ``given`` as (*, n), because only elements that have not converged are computed. A Newton step
    that leaves the bracket, or that is more than half the step before, is replaced by a bisection.
    The bracket always holds the root, so the iteration cannot diverge.

    An element is done when its residual is below 8u·(|y| + c′|x| + noise), a backward error of 8
    that one more step lowers to the rounding of c; when its step is below 2u·|x|; or when its y is
    not finite. The result does not depend on other elements. ``noise``: c rounds by about u·noise
    even for small y and x, so that no smaller residual is demanded.
    """
    target, shape = y, y.shape
    given = [g.reshape(*g.shape[: g.ndim - y.ndim], -1) for g in given]
    y, state = y.reshape(-1), State(*(v.reshape(-1) for v in _begin(y, low, high, start)))
    found, at = state.x, torch.arange(y.shape[0], device=y.device)
    for _ in range(ITERATIONS):
        state = _step(function, y, state, given, noise, branch=True)
        left = int(state.live.sum())
        if 2 * left <= y.shape[0]:
            found = found.index_copy(0, at, state.x)
            if left == 0:
                break
            kept = state.live.nonzero()[:, 0]
            at, y, state = at[kept], y[kept], State(*(v[kept] for v in state))
            given = [g[..., kept] for g in given]
    else:
        found = found.index_copy(0, at, state.x)
    return torch.where(target.isfinite(), found.reshape(shape), target)


@torch.no_grad()
def attempted_root(
    function: Function,
    y: Tensor,
    low: Tensor,
    high: Tensor,
    start: Tensor | None = None,
    given: Sequence[Tensor] = (),
    noise: float = 0.0,
    *,
    steps: int,
) -> tuple[Tensor, Tensor]:
    """(x, whether it is as ``monotone_root`` leaves it) after ``steps`` of its steps, without a
    branch, so that it compiles into one kernel. Who is not done is left to ``monotone_root``."""
    state = _begin(y, low, high, start)
    for _ in range(steps):
        state = _step(function, y, state, given, noise, branch=False)
    return torch.where(y.isfinite(), state.x, y), ~state.live


def halley_slope(residual: Tensor, slope: Tensor, bend: Tensor) -> Tensor:
    """c′ − (c − y)·c″/2c′. A Newton step by it is one of Halley's method, of third order; at the
    root it is c′. Held between c′/2 and 2c′."""
    lowered = residual * bend / (2 * slope)
    return slope - torch.minimum(torch.maximum(lowered, -slope), slope / 2)


def through_root(
    x: Tensor,
    y: Tensor,
    encode: Callable[[Tensor], tuple[Tensor, Tensor]],
    log_slope_of: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """(x, −log c′(x)) for a root x of c(x) = y, with gradients by the implicit function theorem.

    dx/dy = 1/c′ and dx/dp = −(∂c/∂p)/c′. The log-slope depends on x and p, and its gradient follows
    by the chain rule. ``encode(x)`` gives (c(x), log c′(x)), ``log_slope_of(x)`` the latter alone,
    for calls without gradients.
    """
    if log_slope_of is not None and not torch.is_grad_enabled():
        return x, -log_slope_of(x)
    value, log_slope = encode(x)
    if torch.is_grad_enabled() and (value.requires_grad or y.requires_grad):
        # both differences are 0 and carry gradients
        change = (y - y.detach()) - (value - value.detach())
        change = torch.where(change == 0, change, torch.zeros_like(change))  # Inf − Inf is NaN
        x = x.detach() + change * torch.exp(-log_slope.detach())
        log_slope = encode(x)[1]
    return x, -log_slope

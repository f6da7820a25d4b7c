"""Log-determinants by a second way, each with a bound of its own error.

By autograd: J in float64, log|det J| by LU. An entry of J is off by about u·(‖J‖ + |z| + 1) (a
slope that is a difference of larger numbers, as that of sigmoid or tanh in a tail, is off by
u·|y|), and a change E of J moves log|det J| by at most D·‖E‖/σmin. To that comes the spread of the
reference itself at a few neighbours a rounding away: numbers that cancel inside the layer show
there.

By differences: (f(x + h) − f(x − h))/2h, extrapolated from h and h/2, needs nothing but values; its
error is read from the two steps.

By parts: of a module that hands x from child to child, each child's Jacobian at its own input.
Conditioning does not multiply up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from invbench.laws.judging.conditioning import unit_roundoff
from invbench.laws.subject import Subject

__all__ = [
    "LogDetReference",
    "by_autograd",
    "by_differences",
    "by_parts",
    "jacobian",
    "slope_by_autograd",
    "slope_by_differences",
]

U = unit_roundoff(torch.float64)
SAFETY = 32.0
NEIGHBOURS = 5  # points a rounding away, at which the reference is taken again
STEPS = (2.0**-13, 2.0**-17, 2.0**-21)  # of differences, relative to 1 + |x|
BATCHED, MOST = 24, 2**24  # elements above which columns go together; numbers of their gradients
LARGE = 160  # elements, above which singular values cost more than they tell
POWERS, UNSURE = 6, 0.25  # a relative error of differences above which they say nothing
REPRESENTABLE_LOG = 600.0  # a slope of e^±600 is a normal float64
Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LogDetReference:
    """log|det J| per row (log-slope per element, for a coupling), how far it may be off, and the
    sign of the determinant."""

    value: Tensor
    error: Tensor
    sign: Tensor | None = None


def jacobian(function: Map, x: Tensor) -> Tensor:
    """∂f/∂x per row, by autograd: (B, D_out, D_in)."""
    x = x.detach().clone().requires_grad_()
    z = function(x).flatten(1)
    if z.shape[1] > BATCHED and z.requires_grad:
        try:
            return _batched(z, x)
        except RuntimeError:
            pass  # an operation that does not take many gradients at once
    return torch.stack([_gradient(column.sum(), x).flatten(1) for column in z.unbind(1)], 1)


def _batched(z: Tensor, x: Tensor) -> Tensor:
    """Many columns in one backward pass."""
    rows, d = z.shape
    chunk = max(1, min(d, MOST // (rows * max(d, x[0].numel()))))
    found = []
    for some in torch.eye(d, dtype=z.dtype).split(chunk):
        (gradient,) = torch.autograd.grad(
            z,
            x,
            some[:, None].expand(-1, rows, d),
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=True,
        )
        found.append(
            torch.zeros(len(some), *x.shape, dtype=x.dtype) if gradient is None else gradient
        )
    return torch.cat(found).movedim(0, 1).flatten(2)


def _gradient(scalar: Tensor, x: Tensor) -> Tensor:
    if not scalar.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(scalar, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


def by_autograd(function: Map, x: Tensor, neighbours: int = NEIGHBOURS) -> LogDetReference:
    """Of a layer's map (B, …) → (B, …), in float64. Rows of another shape than square are
    undecided."""
    with torch.no_grad():
        z = function(x).flatten(1)
    j = jacobian(function, x).detach()
    if j.shape[1] != j.shape[2]:
        nothing = x.new_full((len(x),), torch.nan)
        return LogDetReference(nothing, torch.full_like(nothing, torch.inf))
    sign, value, error = _determinants(j, SAFETY * U * (z.abs().amax(1) + 1))
    generator = torch.Generator().manual_seed(0)
    for _ in range(neighbours):
        step = (
            4
            * U
            * (1 + x.abs())
            * (2 * torch.randint(0, 2, x.shape, generator=generator).to(x) - 1)
        )
        moved = _determinants(jacobian(function, x + step).detach(), torch.zeros_like(value))[1]
        error = torch.maximum(error, 8 * (moved - value).abs().nan_to_num(nan=torch.inf))
    usable = value.isfinite() & (value.abs() < REPRESENTABLE_LOG * j.shape[1])
    return LogDetReference(
        value, torch.where(usable, error.nan_to_num(nan=torch.inf), torch.inf), sign
    )


def _determinants(j: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(sign, log|det|, bound of its error) per row, of matrices whose entries are off by ``noise``
    (per row) and 32u of their size.

    Elements that do not depend on each other make blocks, of which each is taken for itself: pixels
    do not add to each other's conditioning.
    """
    if j.shape[1] <= BATCHED:
        return _of_blocks(j, noise)
    links = (j != 0).any(0)
    blocks = _blocks(links)
    sizes = {len(b) for b in blocks}
    sign, value, error = torch.ones_like(noise), torch.zeros_like(noise), torch.zeros_like(noise)
    for size in sizes:
        index = torch.stack([torch.from_numpy(b) for b in blocks if len(b) == size])
        part = j[:, index[:, :, None], index[:, None, :]].flatten(0, 1)
        found = _of_blocks(part, noise[:, None].expand(-1, len(index)).flatten())
        s, v, e = (f.reshape(len(j), len(index)) for f in found)
        sign, value, error = sign * s.prod(1), value + v.sum(1), error + e.sum(1)
    return sign, value, error


def _blocks(links: Tensor) -> list[Any]:
    """The sets of elements that are linked, as index arrays."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(csr_matrix(links.numpy()), directed=False)
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _of_blocks(j: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    d = j.shape[1]
    if d == 1:
        slope = j[:, 0, 0]
        return slope.sign(), slope.abs().log(), noise / slope.abs() + SAFETY * U
    sign, value = torch.linalg.slogdet(j)
    largest, least = _singular(j)
    return sign, value, d * (SAFETY * U * largest + noise) / least


def _singular(j: Tensor) -> tuple[Tensor, Tensor]:
    """(largest, smallest singular value) per row; of large matrices by norm and by power iteration
    with the LU factors, a quarter of it."""
    finite = j.flatten(1).isfinite().all(1)
    safe = torch.where(finite[:, None, None], j, torch.eye(j.shape[1]).to(j))
    if j.shape[1] <= LARGE:
        values = torch.linalg.svdvals(safe)
        largest, least = values[:, 0], values[:, -1]
    else:
        largest = torch.linalg.matrix_norm(safe)
        factors = torch.linalg.lu_factor_ex(safe)
        v = torch.ones(*safe.shape[:2], 1, dtype=safe.dtype)
        size = torch.ones(len(safe), 1, 1, dtype=safe.dtype)
        for _ in range(POWERS):
            v = torch.linalg.lu_solve(
                factors.LU, factors.pivots, v / v.norm(dim=1, keepdim=True), adjoint=True
            )
            v = torch.linalg.lu_solve(factors.LU, factors.pivots, v)
            size = v.norm(dim=1, keepdim=True)
        least = (1 / size.sqrt() / 4).flatten().nan_to_num(nan=0.0, posinf=0.0)
    return largest, torch.where(finite, least, torch.zeros_like(least))


def by_differences(function: Map, x: Tensor) -> LogDetReference:
    """Of a layer's map, from values alone: the step that agrees best with its half, row by row."""
    rows, d = len(x), x[0].numel()
    best = x.new_full((rows,), torch.nan)
    error = torch.full_like(best, torch.inf)
    sign = torch.zeros_like(best)
    with torch.no_grad():
        size = function(x).flatten(1).abs().amax(1) + 1
        for step in STEPS if d <= LARGE else STEPS[1:2]:
            whole, half = (_differences(function, x, step * k) for k in (1.0, 0.5))
            if whole.shape[1] != whole.shape[2]:
                return LogDetReference(best, error)
            fine = (4 * half - whole) / 3
            off = (half - whole).abs().flatten(1).amax(1) / 3 + U * size / step
            found_sign, found, found_error = _determinants(fine, off)
            found_error = torch.where(
                found_error < UNSURE * d, 4 * found_error, torch.inf
            ).nan_to_num(nan=torch.inf)
            better = (found_error < error) & found.isfinite()
            best, error = torch.where(better, found, best), torch.where(better, found_error, error)
            sign = torch.where(better, found_sign, sign)
    return LogDetReference(best, error, sign)


def _differences(function: Map, x: Tensor, step: float) -> Tensor:
    """Central differences: (B, D_out, D_in), row by row so that no row is asked beside another's
    neighbours."""
    d = x[0].numel()
    found = []
    for row in x:
        h = step * 2.0 ** (1 + row.abs().flatten()).log2().round()
        moved = torch.diag_embed(h).reshape(d, *row.shape)
        values = function(torch.cat((row + moved, row - moved))).flatten(1)
        found.append(((values[:d] - values[d:]) / (2 * h[:, None])).T)
    return torch.stack(found)


def slope_by_autograd(
    reference: Subject, x: Tensor, cond: Tensor, inverse: bool = False
) -> LogDetReference:
    """log|c′| per element of a coupling."""
    leaf = x.detach().clone().requires_grad_()
    value, _ = reference.log_slopes(leaf, cond, inverse)
    slope = _gradient(value.sum(), leaf).detach().abs()
    with torch.no_grad():
        shift = (
            reference.log_slopes(torch.zeros_like(x), cond, inverse)[0].abs().nan_to_num(nan=0.0)
        )
    error = SAFETY * U * (value.detach().abs() + shift + 1 + slope * x.abs()) / slope
    found = slope.log()
    usable = found.isfinite() & (found.abs() < REPRESENTABLE_LOG)
    return LogDetReference(found, torch.where(usable, error.nan_to_num(nan=torch.inf), torch.inf))


def slope_by_differences(
    reference: Subject, x: Tensor, cond: Tensor, inverse: bool = False
) -> LogDetReference:
    """log|c′| per element from values alone: the step that agrees best with its half."""
    best, error = torch.full_like(x, torch.nan), torch.full_like(x, torch.inf)
    with torch.no_grad():
        value = reference.log_slopes(x, cond, inverse)[0].abs()
        for step in (2.0**-10, *STEPS, 2.0**-26):
            h = step * 2.0 ** (1 + x.abs()).log2().round()
            slopes = []
            for k in (h, h / 2):
                up, down = (reference.log_slopes(x + s * k, cond, inverse)[0] for s in (1, -1))
                slopes.append((up - down) / (2 * k))
            fine = ((4 * slopes[1] - slopes[0]) / 3).abs()
            off = (slopes[1] - slopes[0]).abs() / 3 + U * (value + 1) / h
            found_error = torch.where(off / fine < UNSURE, 4 * off / fine, torch.inf).nan_to_num(
                nan=torch.inf
            )
            better = found_error < error
            best, error = (
                torch.where(better, fine.log(), best),
                torch.where(better, found_error, error),
            )
    return LogDetReference(best, error)


@dataclass(frozen=True)
class _Visit:
    """One call of a child: its input, what else it was given, and what came back."""

    name: str
    call: Map
    x: Tensor
    value: Tensor
    log_det: Tensor


def by_parts(
    reference: Subject, x: Tensor, cond: Tensor | None
) -> tuple[LogDetReference, str] | None:
    """Of a module that hands x from child to child: the sum of the children's references, and the
    child that differs most from its own.

    The children are found by hooks on one call: a child counts when it takes the value that the one
    before gave and returns (value, log_det of shape (B,)). None where they make no chain from x to
    z.
    """
    visits = _visits(reference, x, cond)
    if visits is None:
        return None
    total, error = torch.zeros(len(x), dtype=x.dtype), torch.zeros(len(x), dtype=x.dtype)
    worst, name = 0.0, ""
    for visit in visits:
        found = by_autograd(visit.call, visit.x, neighbours=1)
        total, error = total + found.value, error + found.error
        off = (visit.log_det - found.value).abs() - found.error - 1e-8 * (1 + found.value.abs())
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
    """The numbers of each row in order: the same for rows whose elements have changed places, which
    costs no volume."""
    return v.flatten(1).sort(1).values

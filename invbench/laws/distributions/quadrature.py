"""The integral of a density in one and two dimensions by adaptive Gauss–Kronrod rules over cells
that its samples lay out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from invbench.laws.distributions.mass import Density

__all__ = ["Integral", "integrate"]

# Gauss' 3 and Kronrod's 7 points on [-1, 1], of degree 5 and 11 (Kronrod 1965; QUADPACK, Piessens
# et al. 1983)
_NODES = (0.960491268708020283, 0.774596669241483377, 0.434243749346802558)
NODES = torch.tensor([*(-v for v in _NODES), 0.0, *reversed(_NODES)], dtype=torch.float64)
_K = (0.104656226026467265, 0.268488089868333441, 0.401397414775962223)
KRONROD = torch.tensor([*_K, 0.450916538658474142, *reversed(_K)], dtype=torch.float64)
GAUSS = torch.tensor([0, 5 / 9, 0, 8 / 9, 0, 5 / 9, 0], dtype=torch.float64)
LEVELS = {1: 32, 2: 11}  # cells between quantiles of the samples, per dimension
# cells on each side beyond the samples, each as many times wider than the last
TAIL = {1: (24, 4.0), 2: (5, 5.0)}
GOAL = 1e-3  # the error at which refinement stops
ROUNDS = 60
RESOLVED, CORNER = 0.1, 0.12
WITNESSES = 1024  # samples that are held against the cells
# a sample's density over the largest one at the nodes of its cell, above which the cell is split
MISSED = 3.0


@dataclass(frozen=True)
class Integral:
    """``total``: ∫ p over everything reached, ``hull``: over the box that the samples span.
    ``error``: Σ |K₇ − G₃| over the cells, more where a cell is not resolved, twice what the
    outermost cells hold as an estimate of the rest, and 2d/n for the edge of a support. ``points``,
    ``masses``, ``logs``: the nodes in the hull with p·weight and log p."""

    total: float
    hull: float
    hull_error: float
    error: float
    points: Tensor
    masses: Tensor
    logs: Tensor
    evaluations: int

    def of(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(∫ f p / ∫ p over the hull, its error) for functions given at the points, (points,
        functions)."""
        fine, coarse = _weights(self.points.shape[1])
        cells = (values * self.masses[:, None]).reshape(-1, len(fine), values.shape[1])
        off = (cells * (1 - coarse / fine)[None, :, None]).sum(1).abs().sum(0)
        whole = self.masses.sum()
        return cells.sum((0, 1)) / whole, (off + self.hull_error) / whole


@dataclass
class _Cells:
    low: Tensor
    high: Tensor
    hull: Tensor
    last: Tensor
    points: Tensor
    masses: Tensor
    logs: Tensor
    error: Tensor
    peak: Tensor

    def take(self, keep: Tensor) -> _Cells:
        return _Cells(**{k: v[keep] for k, v in vars(self).items()})

    def plus(self, other: _Cells) -> _Cells:
        return _Cells(**{k: torch.cat([v, getattr(other, k)]) for k, v in vars(self).items()})


def integrate(density: Density, rows: Tensor, evaluations: int) -> Integral:
    """∫ exp(log_density), with at most about so many evaluations. ``rows``: samples, which show
    where the mass lies."""
    d = density.dim
    centre, frame = _frame(rows)
    inverse = torch.linalg.inv(frame)
    local = (rows - centre) @ inverse.T
    axes = [_edges(local[:, k], d) for k in range(d)]
    cells = _evaluate(density, centre, frame, *_grid(axes))
    used = cells.points.shape[0] * 7**d
    local, known = local[:WITNESSES], density.log_density(rows[:WITNESSES])
    for _ in range(ROUNDS):
        if used >= evaluations:
            break
        worst = _to_split(cells, local, known, (evaluations - used) // (7**d * 2**d) + 1)
        if not len(worst):
            break
        keep = torch.ones(len(cells.low), dtype=torch.bool)
        keep[worst] = False
        parts = _evaluate(density, centre, frame, *_halved(cells.take(worst)))
        cells = cells.take(keep).plus(parts)
        used += len(parts.low) * 7**d
    unresolved = _missed(cells, local, known)[1] * max(1.0, cells.masses[cells.hull].sum().item())
    sums = cells.masses.sum(1)
    error, hull = cells.error.nan_to_num(nan=math.inf), cells.hull
    ring = sums[cells.last].sum().item()
    edge = 2 * d / len(rows)  # between the outermost samples and the edge of a bounded support
    hull_error = error[hull].sum().item() + unresolved
    return Integral(
        sums.sum().item(),
        sums[hull].sum().item(),
        hull_error,
        error.sum().item() + unresolved + edge + 2 * ring,
        cells.points[hull].reshape(-1, d),
        cells.masses[hull].reshape(-1),
        cells.logs[hull].reshape(-1),
        used,
    )


def _frame(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(median, matrix): the scales of the coordinates by their quartiles, turned where they are
    correlated."""
    d = rows.shape[1]
    low, centre, high = (rows.quantile(q, 0) for q in (0.25, 0.5, 0.75))
    scale = (high - low).clamp_min(1e-12 * (1 + centre.abs()))
    if d == 1:
        return centre, scale.diag()
    unit = ((rows - centre) / scale).clamp(-3, 3)
    correlation = torch.corrcoef(unit.T)
    if not correlation.isfinite().all() or correlation[0, 1].abs() < 0.5:
        return centre, scale.diag()
    eye = torch.eye(d, dtype=rows.dtype)
    return centre, scale.diag() @ torch.linalg.cholesky(correlation + 1e-9 * eye)


def _edges(values: Tensor, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """(edges, whether each cell lies between the outermost samples, whether it is an outermost
    one)."""
    levels = torch.linspace(0, 1, LEVELS[d] + 1, dtype=torch.float64)
    inner = values.quantile(levels).unique()
    if len(inner) < 2:
        inner = torch.stack([inner[0] - 1e-6, inner[0] + 1e-6])
    inner = torch.cat([inner, *(_gap(values, low, high) for low, high in pairwise(inner))]).unique()
    count, growth = TAIL[d]
    width = ((inner[-1] - inner[0]) / LEVELS[d]).clamp_min(1e-9)
    steps = width * torch.cumsum(growth ** torch.arange(count, dtype=torch.float64), 0)
    edges = torch.cat([inner[0] - steps.flip(0), inner, inner[-1] + steps])
    index = torch.arange(len(edges) - 1)
    return (
        edges,
        (index >= count) & (index < len(edges) - 1 - count),
        (index == 0) | (index == len(edges) - 2),
    )


def _gap(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Two edges around the largest gap in a cell, where it makes most of the cell: a little beyond
    the samples on both sides."""
    some = values[(values >= low) & (values <= high)].sort().values
    if len(some) < 4:
        return some[:0]
    gaps = some.diff()
    k = int(gaps.argmax())
    if gaps[k] < 0.5 * (high - low):
        return some[:0]
    left, right = some[k], some[k + 1]
    return torch.stack(
        [left + (left - low).clamp_max(gaps[k] / 3), right - (high - right).clamp_max(gaps[k] / 3)]
    )


def _grid(axes: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    at = torch.cartesian_prod(*[torch.arange(len(e) - 1) for e, _, _ in axes]).reshape(
        -1, len(axes)
    )
    low = torch.stack([e[at[:, k]] for k, (e, _, _) in enumerate(axes)], 1)
    high = torch.stack([e[at[:, k] + 1] for k, (e, _, _) in enumerate(axes)], 1)
    hull = torch.stack([h[at[:, k]] for k, (_, h, _) in enumerate(axes)], 1).all(1)
    last = torch.stack([o[at[:, k]] for k, (_, _, o) in enumerate(axes)], 1).any(1)
    return low, high, hull, last


def _evaluate(
    density: Density,
    centre: Tensor,
    frame: Tensor,
    low: Tensor,
    high: Tensor,
    hull: Tensor,
    last: Tensor,
) -> _Cells:
    d = low.shape[1]
    unit = torch.cartesian_prod(*[NODES] * d).reshape(-1, d)
    fine, coarse = _weights(d)
    local = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * unit
    points = local @ frame.T + centre
    logs = density.log_density(points.reshape(-1, d)).reshape(points.shape[:2])
    p = logs.exp()
    volume = ((high - low) / 2).prod(1) * torch.linalg.det(frame).abs()
    masses = p * fine * volume[:, None]
    rough = (p * coarse).sum(1) * volume
    error = (masses.sum(1) - rough).abs()
    # a rule that disagrees with itself may have met the flank of a peak at its outermost nodes
    # alone: what lies between them and the next ones is less than CORNER of the cell, at the
    # density that was seen
    unresolved = error > RESOLVED * masses.sum(1)
    error = torch.where(unresolved, torch.maximum(error, CORNER * p.amax(1) * 2**d * volume), error)
    return _Cells(low, high, hull, last, points, masses, logs, error, logs.amax(1))


def _weights(d: int) -> tuple[Tensor, Tensor]:
    """The weights of Kronrod's and of Gauss' points, at the same nodes."""
    fine, coarse = (torch.cartesian_prod(*[w] * d).reshape(-1, d).prod(1) for w in (KRONROD, GAUSS))
    return fine, coarse


def _missed(cells: _Cells, local: Tensor, known: Tensor) -> tuple[Tensor, float]:
    """(cells in which a sample's density is far above that at every node, so that the rule missed
    the peak; their share of samples)."""
    missed = torch.zeros(len(cells.low), dtype=torch.bool)
    unseen = 0
    for part in torch.arange(len(cells.low)).split(2048):
        low, high = cells.low[part], cells.high[part]
        within = ((local[None] >= low[:, None]) & (local[None] < high[:, None])).all(2)
        beyond = (within & (known[None] > cells.peak[part][:, None] + math.log(MISSED))).any(1)
        missed[part] = beyond
        unseen += int(within[beyond].sum())
    return missed, unseen / len(local)


def _to_split(cells: _Cells, local: Tensor, known: Tensor, most: int) -> Tensor:
    """The cells that hold nine tenths of the error, and those with a missed peak."""
    error = cells.error.nan_to_num(nan=0.0, posinf=0.0)  # an infinite density stays so
    missed, _ = _missed(cells, local, known)
    if error.sum() < GOAL and not missed.any():
        return torch.zeros(0, dtype=torch.long)
    order = error.argsort(descending=True)
    share = error[order].cumsum(0)
    count = int((share < 0.9 * share[-1]).sum()) + 1 if error.sum() >= GOAL else 0
    return torch.cat([missed.nonzero()[:, 0][: most // 2 + 1], order[:count]])[:most].unique()


def _halved(cells: _Cells) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    d = cells.low.shape[1]
    middle = (cells.low + cells.high) / 2
    corners = torch.cartesian_prod(*[torch.arange(2)] * d).reshape(-1, d).bool()
    low = torch.cat([torch.where(c, middle, cells.low) for c in corners])
    high = torch.cat([torch.where(c, cells.high, middle) for c in corners])
    return low, high, cells.hull.repeat(len(corners)), cells.last.repeat(len(corners))

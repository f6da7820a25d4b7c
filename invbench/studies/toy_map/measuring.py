"""Where a toy's variance jumps under a shift of its condition, by which layer, and whether a few
samples far out do it.

As in ``toy_sweep``: ratio = Var(shifted)/Var(in distribution) behind a layer, and a layer's factor
is the ratio behind it over the ratio before it. The trimmed factor is of variances without the 1 %
of samples that lie farthest from the median.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.flows import ConditionalFlow
from invbench.studies.toy_map.shapes import draw
from invbench.training.toy2d.recipe import NOISE, A

__all__ = ["DIRECTIONS", "PAPER", "Fit", "Jump", "fit", "jumps", "largest", "share_of"]

TEST_STREAM = 10**6
TRIM = 0.01
RAYLEIGH = math.sqrt(2 * math.log(2))  # median distance of a plane normal variable, in σ
PAPER = (1.0, -1.0)  # a shift of size s adds s·(1, −1)
R = math.sqrt(2)
# eight of the paper's length
DIRECTIONS = (
    PAPER,
    (-1.0, 1.0),
    (1.0, 1.0),
    (-1.0, -1.0),
    (R, 0.0),
    (-R, 0.0),
    (0.0, R),
    (0.0, -R),
)


@dataclass(frozen=True)
class Jump:
    """The largest factor of a coupling under one shift, at which layer, that layer's trimmed
    factor, and the largest factors of ActNorms and of 1×1 convolutions. ``ratio``: largest over layers."""

    shift: float
    direction: tuple[float, float]
    factor: float
    layer: str
    trimmed: float
    actnorm: float
    conv1x1: float
    ratio: float


@dataclass(frozen=True)
class Fit:
    """In distribution. ``residual``: median distance of A x̂ from y, in that of exact samples.
    ``outside``: per cent of samples outside [−1, 1]²."""

    residual: float
    outside: float


def _rows(flow: ConditionalFlow, shape: str, seed: int, n: int) -> tuple[Tensor, Tensor]:
    """(z, y) in the dtype of the flow."""
    _, y = draw(shape, n, seed, TEST_STREAM)
    z = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    weight = next(flow.parameters())
    return z.to(weight), y.to(weight)


@torch.no_grad()
def fit(flow: ConditionalFlow, shape: str, seed: int, n: int = 1000) -> Fit:
    z, y = _rows(flow, shape, seed, n)
    x = flow.decode([z], y).double()
    far = (x @ A.T.double() - y.double()).norm(dim=1)
    inside = (x.abs() <= 1).all(1).double().mean().item()
    return Fit(share_of(far.median().item()), 100 * (1 - inside))


def share_of(distance: float) -> float:
    """A distance in units of the median distance A x − y of exact pairs."""
    return distance / (NOISE * RAYLEIGH)


@torch.no_grad()
def jumps(
    flow: ConditionalFlow,
    shape: str,
    seed: int,
    shifts: Sequence[float],
    directions: Sequence[tuple[float, float]] = (PAPER,),
    n: int = 1000,
) -> list[Jump]:
    """One per shift and direction: all are decoded as one batch, with the same z and y."""
    z, y = _rows(flow, shape, seed, n)
    moves = [(s, d) for d in directions for s in shifts]
    moved = [y] + [y + s * torch.tensor(d).to(y) for s, d in moves]
    names, plain, trimmed = [], [], []
    for name, h in flow.trace([z.repeat(len(moved), 1)], torch.cat(moved)):
        groups = h.double().view(len(moved), n, -1)
        names.append(name)
        plain.append(_ratio(groups.var(1, correction=0).mean(1)))
        trimmed.append(_ratio(_trimmed(groups)))
    ratios, kept = torch.stack(plain), torch.stack(trimmed)
    return [
        _jump(move, names, ratios[:, k].tolist(), kept[:, k].tolist())
        for k, move in enumerate(moves)
    ]


def _ratio(variances: Tensor) -> Tensor:
    """Of the shifted ones to the first, which is in distribution."""
    return variances[1:] / variances[0]


def _trimmed(groups: Tensor) -> Tensor:
    """Variance as above, without the share TRIM of rows farthest from the group's median; rows that
    are not finite lie farthest."""
    far = (groups - groups.nanmedian(1, keepdim=True).values).norm(dim=2).nan_to_num(math.inf)
    most = groups.shape[1] - math.ceil(TRIM * groups.shape[1])
    nearest = far.argsort(1)[:, :most, None].expand(-1, -1, groups.shape[2])
    return groups.gather(1, nearest).var(1, correction=0).mean(1)


def _jump(
    move: tuple[float, tuple[float, float]],
    names: list[str],
    ratios: list[float],
    kept: list[float],
) -> Jump:
    factors = {name: _over(ratios[k], ratios[k - 1]) for k, name in enumerate(names) if k}
    most = {
        kind: max((f for name, f in factors.items() if name.endswith(kind)), default=math.nan)
        for kind in ("actnorm", "conv1x1")
    }
    layer = max((n for n in factors if n.endswith("coupling")), key=factors.__getitem__)
    k = names.index(layer)
    trimmed = _over(kept[k], kept[k - 1])
    ratio = max(r if math.isfinite(r) else math.inf for r in ratios)
    return Jump(*move, factors[layer], layer, trimmed, most["actnorm"], most["conv1x1"], ratio)


def _over(after: float, before: float) -> float:
    """Infinite where a layer makes what was finite overflow; 0 where it was not finite before,
    which is another layer's doing."""
    if not math.isfinite(before):
        return 0.0
    if not math.isfinite(after):
        return math.inf
    return after / before if before else math.inf


def largest(found: Sequence[Jump]) -> Jump:
    return max(found, key=lambda jump: jump.factor)

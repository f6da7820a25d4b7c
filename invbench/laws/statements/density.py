"""The law of the density: with log_det as its slope, a coupling's density integrates to 1."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import unwrapped
from invbench.laws.subject import Subject

CELLS, NODES = 512, (4, 8)  # of the quadrature


@law(
    "density",
    needs=("elementwise", "log-det", "inverse"),
    scope="value-independent",
    reference="the number 1; Gauss–Legendre with 4 and 8 nodes, whose difference bounds its error",
)
def density_integrates_to_one(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """∫ c′(x)·φ(c(x)) dx = 1 with c′ from log_det and φ the standard normal density, in float64:
    Gauss–Legendre in x over 512 cells c⁻¹(z_i), |z| ≤ 8. Allowed are 1 %, ten times the difference
    between 4 and 8 nodes, and the mass of the cells in which the slope varies by more than a factor
    2, which the nodes do not resolve. With a declared or assumed codomain the law decides
    nothing."""
    if (
        unwrapped(subject.space(True)) is not None
        and type(unwrapped(subject.space(True))).__name__ != "_Real"
    ):
        return
    reference = subject.float64_reference()
    _, cond = case.float64_inputs(False)
    assert cond is not None
    cond = cond[:8]
    with torch.no_grad():
        z = torch.linspace(-8, 8, CELLS + 1, dtype=torch.float64)
        parameters = cond[None].expand(CELLS + 1, *cond.shape).flatten(0, 1)
        values = z[:, None, None].expand(CELLS + 1, *cond[:, 0].shape).flatten(0, 1)
        edges, at_edges = (
            v.unflatten(0, (CELLS + 1, -1))
            for v in reference.log_slopes(values, parameters, inverse=True)
        )
        half, middle = (edges[1:] - edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2
        logs = [-at_edges[1:], -at_edges[:-1]]
        totals = []
        for nodes in NODES:
            total = torch.zeros_like(half)
            for point, weight in zip(*_gauss(nodes), strict=True):
                y, log_slope = reference.log_slopes(
                    (middle + half * point).flatten(0, 1), parameters[len(cond) :]
                )
                mass = (log_slope - y**2 / 2).exp() / math.sqrt(2 * math.pi)
                total = total + weight * half.abs() * mass.unflatten(0, (CELLS, -1))
                logs.append(log_slope.unflatten(0, (CELLS, -1)))
            totals.append(total.sum(0))
        stacked = torch.stack(logs)
        varied = stacked.amax(0) - stacked.amin(0) > math.log(2)
        masses = torch.special.ndtr(z).diff()[:, None, None] * varied
    coarse, fine = totals
    allowed = 0.01 + 10 * (fine - coarse).abs() + 2 * masses.sum(0)
    off = (fine - 1).abs()
    usable = edges.isfinite().all(0) & off.isfinite() & (allowed < 0.5)
    yield Tally(int(usable.sum()), usable.numel())
    ratio = torch.where(usable, off / allowed, torch.zeros_like(off))
    if ratio.max() > 1:
        at = int(ratio.argmax())
        message = f"the density integrates to {fine.flatten()[at].item():.6g}, not to 1"
        yield Violation(off.flatten()[at].item(), allowed.flatten()[at].item(), message)


def _gauss(nodes: int) -> tuple[list[float], list[float]]:
    import numpy as np

    points, weights = np.polynomial.legendre.leggauss(nodes)
    return points.tolist(), weights.tolist()

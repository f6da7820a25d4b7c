"""One density as a function on R^d: for a condition and a batch element, rows in float64, zero
outside the support."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions.constraints import simplex

from invbench.laws.distributions.distribution import DistributionSubject

__all__ = ["Density", "NotDecided"]

TURN = 2 * math.pi
CHUNK = 16384  # rows of one call
REFUSALS = 400  # calls spent on finding out which rows log_prob refuses


class NotDecided(Exception):
    """A law cannot be decided here; the text says why."""


class Density:
    """``log_density`` of rows (n, d) under one condition, for one element of the batch.

    d is that of the flattened event; for a simplex one less, the last coordinate being 1 minus the
    others. ``evaluator`` is the subject that computes: the float64 reference, where there is one.
    Rows at which ``log_prob`` raises or is NaN have density 0.
    """

    def __init__(
        self, subject: DistributionSubject, cond: Tensor | None, element: int, pool: Tensor
    ) -> None:
        self.subject, self.cond, self.element = subject, cond, element
        self.anchor = pool[:1]
        self.refused = self.nans = self.calls = 0
        self.on_simplex = (
            isinstance(subject.support(cond), type(simplex)) and len(subject.event_shape) == 1
        )
        self.dim = subject.dim - self.on_simplex
        self.window = (
            torch.tensor([[-math.inf], [math.inf]], dtype=torch.float64).expand(2, self.dim).clone()
        )

    @cached_property
    def evaluator(self) -> DistributionSubject:
        return self.subject.float64_reference or self.subject

    def rows(self, x: Tensor) -> Tensor:
        """Rows (n, d) in float64 of samples (n, *batch, *event)."""
        x = (
            x.detach()
            .reshape(x.shape[0], -1, max(1, self.subject.dim))[:, self.element]
            .double()
            .cpu()
        )
        return x[:, : self.dim]

    def events(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        """Samples (n, *batch, *event) of rows. The other elements of the batch are filled with one
        sample."""
        if self.on_simplex:
            rows = torch.cat([rows, 1 - rows.sum(1, keepdim=True)], 1)
        n, subject = rows.shape[0], self.subject
        x = self.anchor.expand(n, *self.anchor.shape[1:]).reshape(n, -1, subject.dim)
        x = x.to(subject.device, dtype).clone()
        x[:, self.element] = rows.to(subject.device, dtype)
        return x.reshape(n, *subject.batch_shape, *subject.event_shape)

    def log_density(self, rows: Tensor, exact: bool = True) -> Tensor:
        """log_prob of rows in float64 on the CPU, by the float64 reference where ``exact`` and
        there is one.

        Otherwise the subject's own log_prob, less the effect of rounding the row to its dtype: log
        p(x) + (its log_prob(x̂) − log p(x̂)) with x̂ the rounded row and p in float64. Where one of
        them is not finite, log p(x): another law judges that.
        """
        if exact or self.evaluator is self.subject:
            return self._parts(self.evaluator, rows)
        rounded = self.rows(self.events(rows, self.subject.dtype))
        off = self._parts(self.subject, rounded) - self._parts(self.evaluator, rounded)
        return self._parts(self.evaluator, rows) + off.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def _parts(self, subject: DistributionSubject, rows: Tensor) -> Tensor:
        return (
            torch.cat([self._chunk(subject, part) for part in rows.split(CHUNK)])
            if len(rows)
            else rows.new_zeros(0)
        )

    def find_circles(self, rows: Tensor) -> list[int]:
        """Coordinates in which log_prob repeats itself after 2π: angles. The density is cut off to
        the turn of the samples."""
        circles, some = [], rows[:16]
        known = self.log_density(some)
        for k in range(self.dim):
            low = next(
                (
                    v
                    for v in (-math.pi, 0.0)
                    if v - 1e-6 <= rows[:, k].min() and rows[:, k].max() <= v + TURN + 1e-6
                ),
                None,
            )
            turned = some.clone()
            turned[:, k] += TURN
            if low is not None and (self.log_density(turned) - known).abs().max() < 1e-6:
                self.window[:, k] = torch.tensor([low, low + TURN])
                circles.append(k)
        return circles

    def _chunk(self, subject: DistributionSubject, rows: Tensor) -> Tensor:
        log_density = torch.full((rows.shape[0],), -math.inf, dtype=torch.float64)
        x = self.events(rows, subject.dtype)
        inside = (
            subject.inside(x, self._cond(subject)).reshape(rows.shape[0], -1)[:, self.element].cpu()
        )
        inside &= ((rows >= self.window[0]) & (rows <= self.window[1])).all(1)
        at = inside.nonzero()[:, 0]
        if len(at):
            log_density[at] = self._asked(subject, x[at.to(x.device)])
        nan = log_density.isnan()
        self.nans += int(nan.sum())
        return log_density.masked_fill(nan, -math.inf)

    def _cond(self, subject: DistributionSubject) -> Tensor | None:
        cond = self.cond
        return cond if cond is None or not cond.is_floating_point() else cond.to(subject.dtype)

    def _asked(self, subject: DistributionSubject, x: Tensor) -> Tensor:
        """log_prob; rows at which it raises are found by halving."""
        try:
            log_prob = subject.log_prob(x, self._cond(subject))
            return log_prob.reshape(x.shape[0], -1)[:, self.element].detach().double().cpu()
        except Exception as error:
            self.calls += 1
            if self.calls > REFUSALS:
                raise NotDecided(
                    f"log_prob refuses points ({type(error).__name__}) and no support is declared"
                ) from None
            if x.shape[0] == 1:
                self.refused += 1
                return torch.full((1,), -math.inf, dtype=torch.float64)
            half = x.shape[0] // 2
            return torch.cat([self._asked(subject, x[:half]), self._asked(subject, x[half:])])

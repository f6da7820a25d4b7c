"""A distribution with its samples and integrals, computed once for all laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.distributions import constraints

from invbench.laws.distributions.distribution import DistributionSubject
from invbench.laws.distributions.importance import Weighted, weigh
from invbench.laws.distributions.mass import Density, NotDecided
from invbench.laws.distributions.quadrature import Integral, integrate
from invbench.laws.support import discrete

__all__ = ["FIT", "FRESH", "DistributionCase", "Place"]

T = TypeVar("T")
FIT, FRESH = 0, 1  # streams of samples: those that lay out integrals, those that test them
REFUSALS = 300  # calls spent on finding the rows that log_prob refuses
# a value that comes so often is rounded; so many rows of them leave nothing to decide
ATOMS, MOST_ATOMS = 4, 0.01


@dataclass(frozen=True)
class Place:
    """Where a density is evaluated: one condition, one element of the batch."""

    index: int
    cond: Tensor | None
    element: int

    def __str__(self) -> str:
        parts = [] if self.cond is None else [f"condition {self.index}"]
        return ", ".join(parts + ([f"batch element {self.element}"] if self.element else []))


class DistributionCase:
    """One subject and the numbers of a budget: ``rows`` of a sample, ``evaluations`` of an
    integral, at so many ``conditions``."""

    def __init__(
        self, subject: DistributionSubject, seed: int, rows: int, evaluations: int, conditions: int
    ) -> None:
        self.subject, self.seed, self.rows, self.evaluations = subject, seed, rows, evaluations
        self.conditions = [
            subject.condition(k) for k in range(conditions if subject.cond_shape is not None else 1)
        ]
        self._known: dict[object, object] = {}

    @property
    def places(self) -> list[Place]:
        """Every condition; of a batch the first and the last element."""
        size = math.prod(self.subject.batch_shape)
        elements = sorted({0, size - 1})
        return [Place(k, c, e) for k, c in enumerate(self.conditions) for e in elements]

    def generator(self, *key: int) -> torch.Generator:
        return torch.Generator().manual_seed(_hash(self.seed, 7, *key))

    def drawn(
        self, place: Place, stream: int, rows: int = 0, exact: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(samples, their log_prob where ``sample`` returns it). Another stream is another,
        independent sample."""
        n = rows or self.rows
        subject = (self.subject.float64_reference or self.subject) if exact else self.subject

        def draw() -> tuple[Tensor, Tensor | None]:
            torch.manual_seed(_hash(self.seed, place.index, stream))
            cond = place.cond
            if cond is not None and cond.is_floating_point():
                cond = cond.to(subject.dtype)
            return subject.sample(n, cond)

        return self.once(("drawn", place.index, stream, n, exact), draw)

    def proper(self, place: Place, stream: int, rows: int) -> Tensor:
        """A few samples that are finite and inside the support."""

        def draw() -> Tensor:
            torch.manual_seed(_hash(self.seed, place.index, stream, 5))
            return self.subject.proper(rows, place.cond)

        return self.once(("proper", place.index, stream, rows), draw)

    def log_prob(self, x: Tensor, cond: Tensor | None, exact: bool = False) -> Tensor:
        """log_prob of the subject, or with ``exact`` of its float64 reference; in float64 on the
        CPU."""
        subject = self.subject.float64_reference if exact else self.subject
        assert subject is not None
        if cond is not None and cond.is_floating_point():
            cond = cond.to(subject.dtype)
        return subject.log_prob(x.to(subject.dtype), cond).detach().double().cpu()

    def spread(self, x: Tensor, cond: Tensor | None, relative: float) -> Tensor | None:
        """How far log_prob moves, in float64, when each value moves by this share of itself and of
        its scale. None without a float64 reference."""
        if self.subject.float64_reference is None or discrete(self.subject.support(cond)):
            return None
        x = x.double()
        scale = x.abs() + x.std(0, keepdim=True).nan_to_num()
        here = self.log_prob_or_nan(x, cond, exact=True)
        generator = self.generator(3)
        largest = torch.zeros_like(here)
        simplex = isinstance(self.subject.support(cond), type(constraints.simplex))
        for _ in range(4):
            sign = 2.0 * torch.randint(0, 2, x.shape, generator=generator).to(x) - 1
            moved = x + sign * relative * scale
            moved = moved / moved.sum(-1, keepdim=True) if simplex else moved
            change = self.log_prob_or_nan(moved, cond, exact=True) - here
            largest = torch.maximum(largest, change.abs().nan_to_num(nan=math.inf))
        return largest

    def log_prob_or_nan(self, x: Tensor, cond: Tensor | None, exact: bool = False) -> Tensor:
        """log_prob, with NaN for rows at which it raises. They are found by halving."""
        left = [REFUSALS]
        log_prob = self._halved(x, cond, exact, left)
        if log_prob is None:
            log_prob = torch.full(
                (len(x), *self.subject.batch_shape), math.nan, dtype=torch.float64
            )
        return log_prob

    def _halved(
        self, x: Tensor, cond: Tensor | None, exact: bool, left: list[int]
    ) -> Tensor | None:
        try:
            return self.log_prob(x, cond, exact)
        except Exception:
            left[0] -= 1
            if left[0] < 0 or len(x) == 1:
                return None
        parts = [slice(0, len(x) // 2), slice(len(x) // 2, len(x))]
        conds = [cond if cond is None or len(cond) == 1 else cond[p] for p in parts]
        halves = [self._halved(x[p], c, exact, left) for p, c in zip(parts, conds, strict=True)]
        if all(f is None for f in halves):
            return None
        nan = [
            torch.full((len(x[p]), *self.subject.batch_shape), math.nan, dtype=torch.float64)
            for p in parts
        ]
        return torch.cat([n if f is None else f for f, n in zip(halves, nan, strict=True)])

    def density(self, place: Place) -> Density:
        """The density at a place, ready for integration. Raises ``NotDecided`` where it is none
        over R^d."""

        def build() -> Density:
            subject = self.subject
            density = Density(subject, place.cond, place.element, self.drawn(place, FIT)[0])
            for k in density.find_circles(self.lines(place, FIT, density)):
                sentence = f"coordinate {k} is an angle: log_prob repeats itself after 2π"
                if sentence not in subject.guesses:
                    subject.guesses.append(sentence)
            return density

        return self.once(("density", place.index, place.element), build)

    def lines(
        self, place: Place, stream: int, density: Density | None = None, rows: int = 0
    ) -> Tensor:
        """Samples as rows (n, d) in float64. From the float64 reference where the dtype rounds them
        to a few values."""
        density = density or self.density(place)
        values = density.rows(self.drawn(place, stream, rows)[0])
        if _rounded(values) and self.subject.float64_reference is not None:
            values = density.rows(self.drawn(place, stream, rows, exact=True)[0])
        if _rounded(values):
            raise NotDecided("samples take a few values only: discrete, or rounded")
        values = values[values.isfinite().all(1)]
        if len(values) < 64:
            raise NotDecided(f"{len(values)} samples are finite")
        return values

    def integral(self, place: Place) -> Integral:
        density = self.density(place)
        return self.once(
            ("integral", place.index, place.element),
            lambda: integrate(density, self.lines(place, FIT), self.evaluations),
        )

    def weighed(self, place: Place, which: int, exact: bool, again: int = 0) -> Weighted:
        """∫ p by importance sampling. ``again`` takes other samples and other random numbers."""

        def compute() -> Weighted:
            fit, fresh = (self.lines(place, stream + 20 * again)[:2048] for stream in (FIT, FRESH))
            generator = self.generator(place.index, which, again)
            return weigh(
                self.density(place), fit, fresh, self.evaluations // 8, which, generator, exact
            )

        return self.once(("weighed", place.index, place.element, which, exact, again), compute)

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """The value stored under ``key``, computed at the first call."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[return-value]


def _hash(*parts: int) -> int:
    number = 17
    for part in parts:
        number = (number * 1_000_003 + part + 1) % (2**61 - 1)
    return number


def _rounded(rows: Tensor) -> bool:
    """Whether values of a coordinate repeat themselves more than a continuous law allows."""
    for column in rows.T:
        counts = column.unique(return_counts=True)[1]
        if len(counts) == 1:
            continue  # constant: said elsewhere
        if counts[counts >= ATOMS].sum() > MOST_ATOMS * len(column):
            return True
    return False

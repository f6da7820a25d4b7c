"""A law of a distribution, as data, and its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from invbench.laws.distributions.case import DistributionCase
from invbench.laws.distributions.distribution import DistributionSubject
from invbench.laws.law import Violation

__all__ = [
    "DISTRIBUTION_LAWS",
    "Decided",
    "DistributionLaw",
    "Finding",
    "Undecided",
    "law",
]


@dataclass(frozen=True)
class Decided:
    """So many checks were decided."""

    count: int


@dataclass(frozen=True)
class Undecided:
    reason: str


Finding = Violation | Decided | Undecided
Check = Callable[[DistributionCase], Iterator[Finding]]


@dataclass(frozen=True)
class DistributionLaw:
    """``check`` yields findings. ``category`` is a key of ``law.CATEGORIES``. ``first``: where this
    law fails, the others are not checked, since they would fail too. ``needs``: whether it applies
    to a subject."""

    name: str
    check: Check
    category: str = "soundness"
    first: bool = False
    needs: Callable[[DistributionSubject], bool] = lambda subject: True

    @property
    def statement(self) -> str:
        """The law, its reference and that reference's error."""
        return " ".join((self.check.__doc__ or "").split())


DISTRIBUTION_LAWS: dict[str, DistributionLaw] = {}


def law(
    name: str,
    category: str = "soundness",
    first: bool = False,
    needs: Callable[[DistributionSubject], bool] = lambda subject: True,
) -> Callable[[Check], Check]:
    """Add a law to the table. Its docstring states it, its reference and the error of the
    reference."""

    def decorate(check: Check) -> Check:
        DISTRIBUTION_LAWS[name] = DistributionLaw(name, check, category, first, needs)
        return check

    return decorate

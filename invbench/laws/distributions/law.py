"""A law of a distribution, as data, and the case on which it is asked: samples and integrals
computed once for all laws."""

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
    """So many checks came out one way or the other."""

    count: int


@dataclass(frozen=True)
class Undecided:
    reason: str


Finding = Violation | Decided | Undecided
Check = Callable[[DistributionCase], Iterator[Finding]]


@dataclass(frozen=True)
class DistributionLaw:
    """``check`` yields what it finds; ``category`` is a key of ``law.CATEGORIES``. ``first``: where
    it fails, the others would only echo it. ``needs``: whether it is asked of a subject at all."""

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
    """Add a law to the table; its docstring states it, its reference and the error of that."""

    def decorate(check: Check) -> Check:
        DISTRIBUTION_LAWS[name] = DistributionLaw(name, check, category, first, needs)
        return check

    return decorate

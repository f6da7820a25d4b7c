"""A law of an invertible layer, as data, and what breaking it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch.distributions import Transform

from invbench.errors import UsageError
from invbench.laws.cases.case import LawCase
from invbench.laws.space import is_real
from invbench.laws.subject import Subject

__all__ = ["CATEGORIES", "LAWS", "NEEDS", "SCOPES", "Law", "Tally", "Violation", "law"]

CATEGORIES = {
    "soundness": "the code is wrong",
    "design": "a finding about the design; never counted against the code",
    "capability": (
        "something that the layer cannot do, or does wrongly outside its main use; "
        "never counted against the code"
    ),
}
SCOPES = {
    "first": "one recipe, before all others",
    "value-independent": "a few recipes: the law does not depend on the values",
    "corpus": "every recipe, and those that Hypothesis draws",
    "deep": "a few recipes, at the budget deep only: it is slow",
}
NEEDS: dict[str, Callable[[Subject], bool]] = {
    "elementwise": lambda s: s.elementwise,
    "wider": lambda s: s.dtype != torch.float64,
    "condition": lambda s: s.cond_shape is not None,
    "real-condition": lambda s: s.cond_shape is not None and s.declaration.condition is None,
    "untouched": lambda s: bool(s.declaration.untouched),
    "order": lambda s: s.declaration.order is not None,
    "smooth": lambda s: s.declared.get("kinks") is False,
    "rebuild": lambda s: s.build is not None,
    "on-cpu": lambda s: s.device == "cpu",
    "inverse": lambda s: s.invertible,
    "log-det": lambda s: s.has_log_det,
    "estimate": lambda s: s.declaration.log_det == "estimate",
    "deterministic": lambda s: not s.declaration.stochastic,
    "value-by-value": lambda s: (
        not s.declaration.stochastic and s.declaration.log_det != "estimate"
    ),
    "stochastic": lambda s: bool(s.declaration.stochastic),
    "layer": lambda s: not s.elementwise,
    "transform": lambda s: isinstance(getattr(s.module, "transform", None), Transform),
    "spaces": lambda s: not (is_real(s.space(False)) and is_real(s.space(True))),
    "tensors": lambda s: not s.packed(False).several and not s.packed(True).several,
    "real": lambda s: is_real(s.space(False)) and is_real(s.space(True)) and not s.image,
    "exact": lambda s: s.declaration.tolerance is None,
    "jax": lambda s: bool(getattr(s.module, "jax", False)),
    "torch": lambda s: not getattr(s.module, "jax", False),
}


@dataclass(frozen=True)
class Violation:
    """``value`` exceeded ``bound`` at ``row``, which is a row of z where ``latent``, else of x.
    ``kind``: ``defect``, ``ill-conditioned`` or ``crash``."""

    value: float
    bound: float
    message: str
    kind: str = "defect"
    row: int | None = None
    latent: bool = False


@dataclass(frozen=True)
class Tally:
    """How many of the rows that a law was judged on could decide it."""

    decided: int
    of: int


Check = Callable[[Subject, LawCase], Iterator["Violation | Tally"]]


@dataclass(frozen=True)
class Law:
    """``check`` yields the violations of one case. ``category``, ``scope`` and ``needs`` are keys
    of the tables above.

    ``reference``: what a layer is compared with, and the error of that. ``trusts``: what the law
    takes for granted of the layer itself.
    """

    name: str
    check: Check
    category: str = "soundness"
    needs: frozenset[str] = frozenset()
    scope: str = "corpus"
    reference: str = ""
    trusts: str = ""

    @property
    def statement(self) -> str:
        return " ".join((self.check.__doc__ or "").split())

    def applies(self, subject: Subject) -> bool:
        return all(NEEDS[need](subject) for need in self.needs)


LAWS: dict[str, Law] = {}


def law(
    name: str,
    category: str = "soundness",
    needs: tuple[str, ...] = (),
    scope: str = "corpus",
    reference: str = "",
    trusts: str = "nothing",
) -> Callable[[Check], Check]:
    """Add a law to the table. Its docstring is its statement, with the reason for its bound."""
    if (
        name in LAWS
        or category not in CATEGORIES
        or scope not in SCOPES
        or not set(needs) <= set(NEEDS)
    ):
        raise ValueError(
            f"law {name!r}: the name must be new; category, scope and needs must be keys of tables"
        )

    def decorate(check: Check) -> Check:
        LAWS[name] = Law(name, check, category, frozenset(needs), scope, reference, trusts)
        return check

    return decorate


def law_names(
    properties: Iterable[str] | None, laws: Mapping[str, object] = LAWS, of: str = ""
) -> list[str]:
    """The names asked for, or all. Raises ``UsageError`` for one that is not in the table."""
    names = list(laws) if properties is None else list(properties)
    for name in names:
        if name not in laws:
            raise UsageError(
                f"property {name!r} is not known{of}; known: {', '.join(laws)} (invbench list "
                f"properties)"
            )
    return names

"""Laws of JAX's own transforms, for subjects of JAX: jit and vmap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, differs
from invbench.laws.subject import Subject

ROWS = 8


def _run(case: LawCase, way: str, inverse: bool) -> tuple[Tensor, Tensor]:
    """The first rows in one way of ``JaxLayer.run``."""
    layer: Any = case.subject.module
    cond = None if case.cond is None else case.subject.handed(case.cond[:ROWS])
    with torch.no_grad():
        value, log_det = layer.run(way, case.inputs(inverse)[:ROWS], cond, inverse)
    return value, log_det


def _agrees(case: LawCase, pair: tuple[str, str], tool: str) -> Iterator[Violation | Tally]:
    """Both ways against the usual call, where JAX could trace the direction."""
    layer: Any = case.subject.module
    rows = torch.arange(min(ROWS, len(case.x)))
    for inverse in case.subject.directions:
        case.result(inverse)  # the usual call finds out what can be traced
        if not layer.traced("quick" if tool == "jax.jit" else "eager", inverse):
            yield Tally(0, len(rows))
            continue
        for way, how in zip(pair, (f"without {tool}", f"under {tool}"), strict=True):
            got = _run(case, way, inverse)
            yield from differs(case, inverse, got, f"{DIRECTIONS[inverse]} {how}", rows)


@law(
    "jax-jit",
    needs=("jax", "value-by-value"),
    scope="value-independent",
    reference="the same function without jit, and compiled without optimisation",
)
def jit_agrees(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """``jax.jit`` gives the result of the plain call, within 30 rounding units. What a function
    kept from the trace before, or does only while it is traced, shows here. A direction that
    cannot be traced is not judged: that is the law ``jax-jit-supported``."""
    yield from _agrees(case, ("eager", "jit"), "jax.jit")


@law(
    "jax-vmap",
    needs=("jax", "value-by-value"),
    scope="value-independent",
    reference="one row after the other",
)
def vmap_agrees(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """``jax.vmap`` over events gives the result of one event after the other, within 30 rounding
    units. A direction that cannot be mapped is not judged: that is the law
    ``jax-vmap-supported``."""
    yield from _agrees(case, ("row", "vmap"), "jax.vmap")


@law(
    "jax-jit-supported",
    category="capability",
    needs=("jax", "value-by-value"),
    scope="value-independent",
    reference="none: it raises or not",
)
def jit_supported(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Both directions run under ``jax.jit``: no branch depends on a number."""
    for inverse in subject.directions:
        _run(case, "jit", inverse)
    yield from ()


@law(
    "jax-vmap-supported",
    category="capability",
    needs=("jax", "value-by-value"),
    scope="value-independent",
    reference="none: it raises or not",
)
def vmap_supported(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Both directions run under ``jax.vmap``."""
    for inverse in subject.directions:
        _run(case, "vmap", inverse)
    yield from ()

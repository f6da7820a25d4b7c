"""How libraries call ``log_prob`` and ``sample``, recognised by trying."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from invbench.laws.guard import guarded

__all__ = [
    "COND_NAMES",
    "Form",
    "View",
    "attempt",
    "log_prob_forms",
    "needs_condition",
    "sample_forms",
    "views",
]

T = TypeVar("T")
TRY_LIMIT = 60.0  # seconds for one call that finds out how a distribution is called

SHAPE_NAMES = ("sample_shape", "shape", "size")
COUNT_NAMES = ("num_samples", "n_samples", "num", "n", "nsamples", "batch_size", "count", "N", "B")
COND_NAMES = (
    "context",
    "conditional",
    "condition",
    "conditions",
    "cond",
    "conditioning",
    "given",
    "c",
    "y",
    "ctx",
    "h",
    "label",
    "labels",
)


@dataclass(frozen=True)
class Form:
    """One way of calling, as it is written, and the call: (object, n or rows, conditions of shape
    (1, …) or None) → the result.

    ``paired``: it takes a condition for every row that it returns.
    """

    text: str
    call: Callable[[Any, Any, Tensor | None], Any]
    paired: bool = False


@dataclass(frozen=True)
class View:
    """The object with ``log_prob`` and ``sample`` once the condition is given: the target itself,
    or what it returns."""

    text: str
    at: Callable[[Any, Tensor | None], Any]
    takes_condition: bool = False


def attempt(call: Callable[[], T]) -> tuple[T | None, str]:
    """(the result of a stranger's code, "") or (None, its exception)."""
    try:
        with guarded(TRY_LIMIT):
            return call(), ""
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        return None, f"{type(error).__name__}: {str(error)[:120]}"


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    """The named parameters of a callable; none where they cannot be read."""
    try:
        signature = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {k: p for k, p in signature.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def needs_condition(obj: Any) -> str | None:
    """The name of a condition that ``log_prob`` requires, if there is one."""
    names = list(parameters(getattr(obj, "log_prob", None)).values())
    return next(
        (p.name for p in names[1:] if p.default is p.empty and p.kind != p.KEYWORD_ONLY), None
    )


def views(obj: Any, conditional: bool) -> list[View]:
    """The object itself when it has both methods, and with a condition what it makes of it: zuko's
    flow(c), pyro's condition(c)."""
    both = all(callable(getattr(obj, name, None)) for name in ("log_prob", "sample"))
    choices = []
    if conditional and callable(getattr(obj, "condition", None)):
        choices.append(View("obj.condition(c)", lambda o, c: o.condition(c), True))
    if both:
        choices.append(View("obj", lambda o, c: o))
    elif callable(obj):
        choices.append(
            View("obj(c)", lambda o, c: o(c), True)
            if conditional
            else View("obj()", lambda o, c: o())
        )
    return choices


def sample_forms(obj: Any, conditional: bool) -> Iterator[Form]:
    """The ways to ask ``obj.sample`` for n rows, the likeliest first: by the names of its
    parameters."""
    names = list(parameters(obj.sample))
    first = names[0] if names else ""
    tuple_first = isinstance(obj, Distribution) or first in SHAPE_NAMES
    sizes: list[tuple[str, str, bool]] = []  # as written, the keyword or "", whether it is a shape
    if first not in COND_NAMES:
        by_place = [("(n,)", "", True), ("n", "", False)]
        sizes += by_place if tuple_first else by_place[::-1]
    sizes += [(f"{k}=n", k, False) for k in names if k in COUNT_NAMES]
    sizes += [(f"{k}=(n,)", k, True) for k in names if k in SHAPE_NAMES]
    if not conditional:
        for text, keyword, shape in sizes:
            yield Form(f"sample({text})", partial(_ask, keyword=keyword, shape=shape))
        yield Form("sample()", lambda o, n, c: torch.stack([o.sample() for _ in range(n)]))
        return
    named = [k for k in names if k in COND_NAMES]
    for paired in (False, True):
        shown = "c of n rows" if paired else "c"
        for text, keyword, shape in sizes:
            for k in named or [""]:
                call = partial(_ask, keyword=keyword, shape=shape, cond=k, paired=paired)
                yield Form(f"sample({text}, {k and k + '='}{shown})", call, paired)
        if first in COND_NAMES:
            for shape in (False, True):
                call = partial(_ask, shape=shape, paired=paired, cond_first=True)
                yield Form(f"sample({shown}, {'(n,)' if shape else 'n'})", call, paired)
    yield Form("sample(c of n rows)", lambda o, n, c: o.sample(_rows(c, n)), True)


def _ask(
    obj: Any,
    n: int,
    c: Tensor | None,
    keyword: str = "",
    shape: bool = False,
    cond: str = "",
    paired: bool = False,
    cond_first: bool = False,
) -> Any:
    """obj.sample for n rows, the number and the condition each by place or by keyword."""
    size: Any = torch.Size((n,)) if shape else n
    given = _rows(c, n) if paired else c
    if cond_first:
        return obj.sample(given, size)
    places = ([] if keyword else [size]) + ([] if given is None or cond else [given])
    keywords = ({keyword: size} if keyword else {}) | (
        {cond: given} if given is not None and cond else {}
    )
    return obj.sample(*places, **keywords)


def log_prob_forms(obj: Any, conditional: bool) -> Iterator[Form]:
    """The ways to ask ``obj.log_prob`` for the density of rows."""
    if not conditional:
        yield Form("log_prob(x)", lambda o, x, c: o.log_prob(x))
        return
    names = list(parameters(obj.log_prob))
    for k in (k for k in names[1:] if k in COND_NAMES):
        yield Form(f"log_prob(x, {k}=c)", partial(_density, name=k))
    if names and names[0] in COND_NAMES and len(names) > 1:
        yield Form("log_prob(c, x)", lambda o, x, c: o.log_prob(_rows(c, x.shape[0]), x))
    yield Form("log_prob(x, c)", lambda o, x, c: o.log_prob(x, _rows(c, x.shape[0])))


def _density(obj: Any, x: Tensor, c: Tensor | None, name: str) -> Any:
    return obj.log_prob(x, **{name: _rows(c, x.shape[0])})


def _rows(c: Tensor | None, n: int) -> Tensor:
    assert c is not None
    return c if c.shape[0] == n else c.expand(n, *c.shape[1:])

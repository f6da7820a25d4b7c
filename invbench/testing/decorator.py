"""The decorator for other people's test files.

from invbench.testing import Layer, parametrize_with_properties

@parametrize_with_properties([MyCoupling, Layer(Block(4), domain="unit_interval")])
def test_invertible(subject, law):
    law(subject)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from invbench.errors import UsageError
from invbench.laws.law import LAWS, law_names
from invbench.targets import Target, of_object, resolve
from invbench.testing.law_check import LawCheck, applicable
from invbench.testing.layer import Layer
from invbench.testing.plugin import expected_failure
from invbench.testing.requirements import missing

__all__ = ["CollectProblem", "parameters", "parametrize_with_properties"]

SUBJECTS = ("coupling", "layer")


class CollectProblem(UsageError, pytest.Collector.CollectError):
    """Wrong usage in a test file: pytest shows it as one line, without a traceback."""


def parametrize_with_properties(
    targets: Sequence[Any],
    dtype: str | None = None,
    budget: str | None = None,
    properties: Sequence[str] | None = None,
) -> Callable[[Any], Any]:
    """Decorator: run ``test(subject, law)`` for each target and each law of soundness. In the test,
    ``law(subject)`` judges.

    ``targets``: ``Layer`` with what it declares and is expected to break, or what a ``Layer`` is
    made of: target strings, classes, factories, instances. ``dtype`` and ``budget``: None takes
    those of pytest's options, else float32 and smoke. A law that a layer is expected to break is
    asked too when it is none of soundness. The options ``--invbench-…`` and ``-m
    invbench_soundness`` work as in the suites. Raises ``UsageError`` for a target that cannot be
    resolved and for a property that does not exist.
    """
    __tracebackhide__ = True
    return pytest.mark.parametrize(
        ("subject", "law"), parameters(targets, dtype, budget, properties)
    )


def parameters(
    targets: Iterable[Any],
    dtype: str | None = None,
    budget: str | None = None,
    properties: Sequence[str] | None = None,
) -> list[Any]:
    """One ``pytest.param(target, law)`` for each target and law. Raises ``CollectProblem``."""
    __tracebackhide__ = True
    try:
        if problem := missing(pytest.__version__):
            raise UsageError(f"tests of the laws need {problem}")
        law_names(properties)
        layers = [t if isinstance(t, Layer) else Layer(t) for t in targets]
        pairs = [(layer, _resolved(layer)) for layer in layers]
        _distinct([target.name for _, target in pairs])
        return [
            _parameter(target, LawCheck(name, dtype, budget, expected=layer.expected.get(name)))
            for layer, target in pairs
            for name in _laws(layer, target)
            if properties is None or name in properties
        ]
    except UsageError as error:
        raise CollectProblem(str(error)) from None


def _resolved(layer: Layer) -> Target:
    if isinstance(layer.target, str):
        target = resolve(layer.target, SUBJECTS, layer.declared)
        return target.named(layer.name) if layer.name else target
    return of_object(layer.target, layer.declared, layer.name)


def _laws(layer: Layer, target: Target) -> list[str]:
    """The laws of soundness of this kind of target, and those that it is expected to break."""
    asked = set(applicable(target)) | set(law_names(layer.expected))
    return [name for name in LAWS if name in asked]


def _distinct(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{names.count(name)} layers are called {name!r}; say name=… of each")


def _parameter(target: Target, law: LawCheck) -> Any:
    category = LAWS[law.name].category
    marks = [pytest.mark.invbench, getattr(pytest.mark, f"invbench_{category}")]
    if law.expected is not None:
        marks.append(expected_failure(law.expected))
    return pytest.param(target, law, id=f"{target.name}-{law.name}", marks=marks)

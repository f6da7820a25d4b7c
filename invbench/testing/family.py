"""A whole family of layers as one test class.

from invbench.testing import LayerLaws

class TestSplines(LayerLaws):
    event_shape = (4,)
    domain = "interval(-1, 1)"

    def layers(self):
        return [Spline(bins) for bins in (4, 8)]
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from invbench.errors import UsageError
from invbench.testing.decorator import CollectProblem, parameters
from invbench.testing.law_check import LawCheck
from invbench.testing.layer import DECLARED, Layer

__all__ = ["LayerLaws"]

HOOKS = ("dtype", "budget", "properties", "expected", *DECLARED)
ALIKE = 0.8  # of a word with its letters in another order, and of no other word


class LayerLaws:
    """The base of a test class. It gives ``layers()``, a list of layers as
    ``parametrize_with_properties`` takes it, or ``make(seed)``, which builds the one layer.

    Attributes declare what all of them are (``event_shape``, ``domain``, ``tolerance`` … as
    docs/declarations.md has them), unless a ``Layer`` says otherwise; ``expected``, ``dtype``,
    ``budget`` and ``properties`` are those of ``Layer`` and of the decorator.
    """

    __test__ = False  # the base itself is no test
    dtype: ClassVar[str | None] = None
    budget: ClassVar[str | None] = None
    properties: ClassVar[Sequence[str] | None] = None
    expected: ClassVar[Mapping[str, str]] = {}
    make: ClassVar[Any] = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__test__" not in vars(cls):
            cls.__test__ = True

    def layers(self) -> Iterable[Any]:
        """The layers of the family. Without it: the one that ``make(seed)`` builds."""
        if self.make is None:
            raise UsageError(f"{type(self).__name__}: define layers(), or make(self, seed)")
        return [Layer(self.make)]

    def test_law(self, subject: Any, law: LawCheck) -> None:
        """One layer keeps one law."""
        __tracebackhide__ = True
        law(subject)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """The pairs of layers and laws, for every test that asks for both."""
        if not {"subject", "law"} <= set(metafunc.fixturenames):
            return
        try:
            self._spelled()
            given = [t if isinstance(t, Layer) else Layer(t) for t in self.layers()]
        except UsageError as error:
            raise CollectProblem(str(error)) from None
        declared = {name: getattr(self, name) for name in DECLARED if hasattr(self, name)}
        layers = [layer.otherwise(declared, self.expected) for layer in given]
        if len(layers) == 1 and layers[0].name is None and layers[0].target == self.make:
            layers = [replace(layers[0], name=type(self).__name__.removeprefix("Test"))]
        metafunc.parametrize(
            ("subject", "law"), parameters(layers, self.dtype, self.budget, self.properties)
        )

    def _spelled(self) -> None:
        """Raises ``UsageError`` for an attribute that is nearly a declaration: it would not
        count."""
        own = type(self)
        for name in dir(own):
            if name.startswith("_") or name in HOOKS or callable(getattr(own, name)):
                continue
            if near := difflib.get_close_matches(name, HOOKS, n=1, cutoff=ALIKE):
                raise UsageError(
                    f"{own.__name__}.{name} declares nothing; did you mean {near[0]!r}?"
                )

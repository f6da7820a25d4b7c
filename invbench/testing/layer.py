"""A layer to test, with what it declares and which laws it is known to break."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

__all__ = ["DECLARED", "Layer"]


@dataclass(frozen=True)
class Layer:
    """``target``: a target string, a class, a function that builds one (of nothing, or of
    ``seed``), an instance, or a torch ``Transform``.

    ``name``: what tests and known failures call it; by default the registered or the class's name.
    ``expected``: law → why it is known to be broken; a law that holds again is an error. The other
    keywords declare what the layer is (docs/declarations.md); None means not declared.
    """

    target: Any
    name: str | None = None
    expected: Mapping[str, str] = field(default_factory=dict)
    event_shape: Any = None
    latent_shape: Any = None
    cond_shape: Any = None
    domain: Any = None
    codomain: Any = None
    condition: Any = None
    data_range: Any = None
    tolerance: float | None = None
    inverse: str | None = None
    log_det: str | None = None
    stochastic: bool | None = None
    training: str | None = None
    untouched: Any = None
    order: Any = None

    @property
    def declared(self) -> dict[str, Any]:
        """What is declared, as keywords of ``Declaration``."""
        return {name: value for name in DECLARED if (value := getattr(self, name)) is not None}

    def otherwise(self, declared: Mapping[str, Any], expected: Mapping[str, str]) -> Layer:
        """The layer with these for what it does not declare or expect itself."""
        more = {name: value for name, value in declared.items() if getattr(self, name) is None}
        return replace(self, expected={**expected, **self.expected}, **more)


DECLARED = tuple(f.name for f in fields(Layer) if f.name not in ("target", "name", "expected"))

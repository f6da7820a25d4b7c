"""For other people's test files: every law of an invertible layer in three lines.

    from invbench.testing import Layer, LayerLaws, parametrize_with_properties

pytest loads the plugin in this package with every run, so nothing but pytest is imported before
one of the names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invbench.testing.decorator import parametrize_with_properties
    from invbench.testing.family import LayerLaws
    from invbench.testing.law_check import LawCheck, applicable, violations
    from invbench.testing.layer import Layer

__all__ = [
    "LawCheck",
    "Layer",
    "LayerLaws",
    "applicable",
    "parametrize_with_properties",
    "violations",
]

_FILES = {
    "LawCheck": "law_check",
    "Layer": "layer",
    "LayerLaws": "family",
    "applicable": "law_check",
    "parametrize_with_properties": "decorator",
    "violations": "law_check",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"invbench.testing.{_FILES[name]}"), name)

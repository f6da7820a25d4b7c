"""For other people's test files: every law of an invertible layer in three lines.

    from invbench.testing import parametrize_with_properties

pytest loads the plugin in this package with every run, so nothing heavy is imported before one of
the names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invbench.testing.decorator import (
        LawCheck,
        applicable,
        parametrize_with_properties,
        violations,
    )

__all__ = ["LawCheck", "applicable", "parametrize_with_properties", "violations"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("invbench.testing.decorator"), name)

"""Functions that are imported when they are called first, so that whoever only names them need not
wait for torch."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Late"]


class Late:
    """``Late("package.module", "function")(…)`` calls that function. Raises ``ImportError`` and
    ``AttributeError`` at the call when there is none."""

    def __init__(self, module: str, name: str) -> None:
        self.__module__, self.__qualname__ = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = getattr(importlib.import_module(self.__module__), self.__qualname__)
        return function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Late({self.__module__}:{self.__qualname__})"

"""What the files of a package decorate: read from the source, not from what an import registers."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType


def decorated_names(package: ModuleType, decorator: str) -> set[str]:
    """First arguments of ``@decorator("name", …)`` in the files of a package."""
    found = set()
    for path in Path(package.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for call in getattr(node, "decorator_list", ()):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == decorator:
                    found.add(ast.literal_eval(call.args[0]))
    return found

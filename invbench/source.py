"""Digests of code: the same when only comments, docstrings, formatting or the order of imports
change, another when anything else does."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["code_digest", "source_files", "syntax_digest"]

# rooms and files of invbench that the numbers of an entry, corruption, attack or flow depend on
ROOMS = (
    *"couplings flows adapters data corruptions bounds measures attacks training".split(),
    *"uniform cures".split(),
)
# fields of syntax nodes that say nothing, or that not every version of Python has
SILENT = ("ctx", "type_comment", "type_ignores", "kind", "type_params", "lineno", "col_offset")


def code_digest(*objects: Any, extra: Iterable[str] = ()) -> str:
    """Sixteen hexadecimal digits of the code of these classes, functions or modules with all that
    they use (``source_files``), and of the texts ``extra``. Names of files do not count."""
    digest = hashlib.sha256()
    for text in extra:
        digest.update(text.encode() + b"\0")
    for one in sorted({syntax_digest(file) for file in source_files(*objects)}):
        digest.update(one.encode())
    return digest.hexdigest()[:16]


def source_files(*objects: Any) -> list[Path]:
    """The files that define these objects, their base classes, and whatever they use by name out of
    the same folder, the same top-level package, or invbench; and so on from each of them."""
    waiting: list[Any] = []
    for obj in objects:
        waiting += inspect.getmro(obj) if inspect.isclass(obj) else [obj]
    seen: dict[str, Path] = {}
    while waiting:
        value = waiting.pop()
        if (file := _source_file(value)) is None or (name := _module_name(value)) in seen:
            continue
        seen[name] = file
        waiting += [used for used in _names(name) if _belongs(used, name, file)]
    return sorted(set(seen.values()))


def _names(module: str) -> Iterator[Any]:
    """What a module has by name, and the base classes of its classes."""
    for value in list(vars(sys.modules[module]).values()) if module in sys.modules else ():
        yield from inspect.getmro(value) if inspect.isclass(value) else (value,)


def _belongs(used: Any, module: str, file: Path) -> bool:
    """Whether what ``module`` uses counts as its own code. A module that is imported whole counts
    when it lies beside it; the public face of a package never does."""
    beside, name = _source_file(used), _module_name(used)
    if beside is None:
        return False
    package, _, rest = name.partition(".")
    if package == "invbench" and rest.partition(".")[0] not in ROOMS:
        return False
    if beside.name == "__init__.py":
        return beside.parent == file.parent and package != "invbench"
    return beside.parent == file.parent or package in ("invbench", module.partition(".")[0])


def _module_name(obj: Any) -> str:
    return str(obj.__name__ if inspect.ismodule(obj) else getattr(obj, "__module__", ""))


def _source_file(obj: Any) -> Path | None:
    """The file of a module, or that defines a class or function; None for anything else, for
    built-ins and for torch."""
    if isinstance(obj, ModuleType):
        place = getattr(obj, "__file__", None)
        return Path(place) if place and obj.__name__.partition(".")[0] != "torch" else None
    if not (inspect.isclass(obj) or inspect.isfunction(obj)):
        return None
    if str(obj.__module__).partition(".")[0] in ("builtins", "torch"):
        return None
    try:
        file = inspect.getsourcefile(obj)
    except TypeError:
        return None
    return Path(file) if file else None


def syntax_digest(file: Path) -> str:
    """SHA-256 of the syntax of a Python file, without docstrings and with its imports in order; of
    its bytes when it is not Python. The same under every version of Python that reads the file."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return _digest(file, status.st_size, status.st_mtime_ns)


@cache
def _digest(file: Path, size: int, mtime: int) -> str:
    data = file.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha256(_said(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _said(node: Any) -> str:
    """A syntax tree as one text: only what is there, in the order of the source but for imports."""
    if isinstance(node, list):
        parts = [_said(part) for part in node]
        # runs of imports in alphabetical order
        imports = [isinstance(part, (ast.Import, ast.ImportFrom, ast.alias)) for part in node]
        start = 0
        while start < len(parts):
            end = start
            while end < len(parts) and imports[end]:
                end += 1
            parts[start:end] = sorted(parts[start:end])
            start = max(end, start + 1)
        return f"[{','.join(parts)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    else:
        body = None
    fields = []
    for name, value in ast.iter_fields(node):
        value = body if name == "body" and body is not None else value
        if name not in SILENT and value is not None and value != []:
            fields.append(f"{name}={_said(value)}")
    return f"{type(node).__name__}({','.join(fields)})"

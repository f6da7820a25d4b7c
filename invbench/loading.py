"""Strangers' files and modules, imported to find a target in them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from invbench.errors import InvbenchError, UsageError

__all__ = ["import_module", "load_file"]


def import_module(name: str) -> ModuleType:
    """A module by its name; one that is not installed, from the folder here or its ``src``, as
    ``python -m`` would find it. Raises ``UsageError`` with what went wrong."""
    top = name.partition(".")[0]
    try:
        if top not in sys.modules and importlib.util.find_spec(top) is None:
            places = [Path(place) for place in ("src", ".")]
            sys.path += [
                str(place.resolve())
                for place in places
                if (place / top).is_dir() or (place / f"{top}.py").is_file()
            ]
        return importlib.import_module(name)
    except InvbenchError:
        raise
    except Exception as error:  # a stranger's module may raise anything
        raise UsageError(f"cannot import {name}: {type(error).__name__}: {error}") from error


def load_file(path: Path) -> ModuleType:
    """A file as a module of its own. Raises ``UsageError`` with what went wrong."""
    path = path.expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    # the text is part of the name: an edited file is another module, never the old one under a new
    # digest
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:8]
    name = f"invbench_target_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # not by the loader: it may take an older text from __pycache__, or leave a file there
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, InvbenchError) or not isinstance(error, (Exception, SystemExit)):
            raise
        raise UsageError(f"cannot load {path}: {type(error).__name__}: {error}") from error
    return module

"""Packages that only an extra of invbench brings, and what to say to whoever lacks one."""

from __future__ import annotations

import json
import shlex
from importlib.util import find_spec
from urllib.parse import unquote, urlparse

from invbench.errors import UsageError

__all__ = ["EXTRAS", "absent", "install", "missing"]

# top-level module -> (distribution, the extra that brings it)
EXTRAS = {
    "PIL": ("pillow", "bench"),
    "jinja2": ("jinja2", "bench"),
    "matplotlib": ("matplotlib", "bench"),
    "pandas": ("pandas", "bench"),
    "psutil": ("psutil", "bench"),
    "skimage": ("scikit-image", "bench"),
    "sklearn": ("scikit-learn", "bench"),
    "tabulate": ("tabulate", "bench"),
    "torchmetrics": ("torchmetrics", "bench"),
    "xdist": ("pytest-xdist", "bench"),
    "ray": ("ray", "ray"),
    "jax": ("jax", "jax"),
    "hypothesis": ("hypothesis", ""),
    "pytest": ("pytest", ""),
}


def install(extra: str) -> str:
    """The command that installs an extra, from where invbench itself was installed: a folder, or
    the index."""
    return f"pip install {shlex.quote(f'{_source()}[{extra}]')}"


def _source() -> str:
    """What pip was told to install: the folder of a clone (PEP 610), else the name."""
    from importlib.metadata import PackageNotFoundError, distribution  # 10 ms, for one line

    try:
        record = json.loads(distribution("invbench").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return "invbench"
    url = urlparse(str(record.get("url", "")) if isinstance(record, dict) else "")
    return unquote(url.path) if url.scheme == "file" and "dir_info" in record else "invbench"


def absent(extra: str) -> list[str]:
    """The distributions of an extra that are not installed."""
    return [
        package
        for module, (package, of) in EXTRAS.items()
        if of == extra and find_spec(module) is None
    ]


def missing(error: ModuleNotFoundError) -> UsageError | None:
    """What to install where a package of ``EXTRAS`` could not be imported; None for any other."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    package, extra = EXTRAS[module]
    command = install(extra) if extra else f"pip install {package}"
    return UsageError(f"this needs {package}, which is not installed: {command}")

"""Packages that only an extra of invbench brings, and what to say to whoever lacks one."""

from __future__ import annotations

from importlib.util import find_spec

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
    """The command that installs an extra."""
    return f"pip install 'invbench[{extra}]'"


def absent(extra: str) -> list[str]:
    """The distributions of an extra that are not installed."""
    return [
        distribution
        for module, (distribution, of) in EXTRAS.items()
        if of == extra and find_spec(module) is None
    ]


def missing(error: ModuleNotFoundError) -> UsageError | None:
    """What to install where a package of ``EXTRAS`` could not be imported; None for any other."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    distribution, extra = EXTRAS[module]
    command = install(extra) if extra else f"pip install {distribution}"
    return UsageError(f"this needs {distribution}, which is not installed: {command}")

"""Packages that only an extra of invbench brings, and what to say to whoever lacks one."""

from __future__ import annotations

from invbench.errors import UsageError

__all__ = ["EXTRAS", "missing"]

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
    "ray": ("ray", "ray"),
    "jax": ("jax", "jax"),
    "hypothesis": ("hypothesis", ""),
    "pytest": ("pytest", ""),
}


def missing(error: ModuleNotFoundError) -> UsageError | None:
    """What to install where a package of ``EXTRAS`` could not be imported; None for any other."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    distribution, extra = EXTRAS[module]
    what = f"'invbench[{extra}]'" if extra else distribution
    return UsageError(f"this needs {distribution}, which is not installed: pip install {what}")

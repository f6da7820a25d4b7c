"""Layers and couplings of other libraries under the names ``library/name``, registered when one of
them is asked for."""

from __future__ import annotations

import importlib

from invbench.adapters.generic import Adapted, AdaptedTransform, adapt
from invbench.errors import UsageError
from invbench.extras import install
from invbench.libraries import LIBRARIES, installed, of_library

__all__ = [
    "LIBRARIES",
    "Adapted",
    "AdaptedTransform",
    "adapt",
    "installed",
    "load_library",
    "of_library",
]

# what needs the extra [jax]; the others need [libraries]
OF_JAX = ("flowjax", "distrax", "bijx", "distreqx")
# where the name of the library is not that of the module here
MODULES = {"torch": "torch_distributions"}


def load_library(name: str) -> None:
    """Register what the library has. Raises ``UsageError`` when it cannot be imported."""
    try:
        importlib.import_module(f"invbench.adapters.{MODULES.get(name, name.lower())}")
    except ImportError as error:
        extra = "jax" if name in OF_JAX else "libraries"
        raise UsageError(f"{name} cannot be imported ({error}); {install(extra)}") from None

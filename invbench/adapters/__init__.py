"""Layers and couplings of other libraries under the names ``library/name``, registered when one of
them is asked for."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version

from invbench.adapters.generic import Adapted, AdaptedTransform, adapt
from invbench.errors import UsageError

__all__ = [
    "LIBRARIES",
    "Adapted",
    "AdaptedTransform",
    "adapt",
    "installed",
    "load_library",
    "of_library",
]

# prefix of the names -> distribution on the package index
LIBRARIES = {
    "nflows": "nflows",
    "normflows": "normflows",
    "zuko": "zuko",
    "FrEIA": "FrEIA",
    "pyro": "pyro-ppl",
    "glasflow": "glasflow",
    "torch": "torch",
    "torchflows": "torchflows",
    "jet": "jet-pytorch",
    "memcnn": "memcnn",
    "flowjax": "flowjax",
    "distrax": "distrax",
    "bijx": "bijx",
    "distreqx": "distreqx",
}
# what needs the extra [jax]; the others need [libraries]
OF_JAX = ("flowjax", "distrax", "bijx", "distreqx")
# where the name of the library is not that of the module here
MODULES = {"torch": "torch_distributions"}


def of_library(name: str) -> bool:
    """Whether this is the name of another library's layer or coupling. Those are tested on demand
    only."""
    return name.partition("/")[0] in LIBRARIES


def installed() -> dict[str, str]:
    """Library → version, for the installed ones."""
    versions = {}
    for name, distribution in LIBRARIES.items():
        try:
            versions[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return versions


def load_library(name: str) -> None:
    """Register what the library has. Raises ``UsageError`` when it cannot be imported."""
    try:
        importlib.import_module(f"invbench.adapters.{MODULES.get(name, name.lower())}")
    except ImportError as error:
        extra = "jax" if name in OF_JAX else "libraries"
        raise UsageError(
            f"{name} cannot be imported ({error}); pip install 'invbench[{extra}]'"
        ) from None

"""The libraries whose layers and couplings invbench knows, under the names ``library/name``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["LIBRARIES", "installed", "of_library"]

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


def of_library(name: str) -> bool:
    """Whether this is the name of another library's layer or coupling. Those are tested on demand
    only."""
    return name.partition("/")[0] in LIBRARIES


@cache
def installed() -> dict[str, str]:
    """Library → version, for the installed ones."""
    versions = {}
    for name, distribution in LIBRARIES.items():
        try:
            versions[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return versions

"""Write the catalogues that ``invbench list`` and ``invbench explain`` read: of invbench, and of
the reference models.

    python docs/write_catalogue.py
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from invbench.catalogue import FILE
from invbench.files import write_atomically
from invbench.report.catalogue import own_catalogue, package_catalogue

WRITTEN = {
    "invbench": own_catalogue,
    "invbench_models": lambda: package_catalogue("invbench_models"),
}


def text_of(package: str) -> str:
    return json.dumps(WRITTEN[package](), indent=1, ensure_ascii=False) + "\n"


def path_of(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None, package
    return Path(spec.submodule_search_locations[0]) / FILE


if __name__ == "__main__":
    for name in WRITTEN:
        write_atomically(path_of(name), text_of(name).encode())
        print(path_of(name))

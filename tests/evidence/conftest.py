"""What the tests of the acceptance of a GPU share."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def gpu():
    """The script and its modules, forgotten at the end."""
    if not (FOLDER / "gpu_acceptance.py").is_file():
        pytest.skip("benchmarks lie beside the tests in a checkout")
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    import gpu_acceptance
    from gpu import clone, isolated, part, subjects
    from gpu.parts import agreement, cells, kernels, laws, suites, training

    yield SimpleNamespace(
        script=gpu_acceptance,
        **{m.__name__.rpartition(".")[2]: m for m in (clone, isolated, part, subjects)},
        **{m.__name__.rpartition(".")[2]: m for m in (agreement, cells, kernels, laws)},
        **{m.__name__.rpartition(".")[2]: m for m in (suites, training)},
    )
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]

"""invbench: a crash-test laboratory for invertible networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invbench import flows as _flows  # noqa: F401  registers the layers
from invbench import reference_models as _reference_models  # noqa: F401  registers the flows
from invbench.adapters import adapt
from invbench.conditions import families as _families  # noqa: F401  registers the conditions
from invbench.couplings import Elementwise
from invbench.couplings.fused import fuse
from invbench.errors import HarnessError, InvbenchError, UsageError
from invbench.registry import coupling, flow, layer

if TYPE_CHECKING:
    from invbench.bench.run import run
    from invbench.bounds import Certificate, certify
    from invbench.cures.guard import guard
    from invbench.cures.guard_file import load_guard
    from invbench.properties import Report, check
    from invbench.reference_models.weights import load_flow
    from invbench.report.table import leaderboard

__all__ = [
    "Certificate",
    "Elementwise",
    "HarnessError",
    "InvbenchError",
    "Report",
    "UsageError",
    "adapt",
    "certify",
    "check",
    "coupling",
    "flow",
    "fuse",
    "guard",
    "layer",
    "leaderboard",
    "load_flow",
    "load_guard",
    "run",
]
__version__ = "0.1.0"

# imported at first use: a file that only defines a coupling need not wait for the bench
_LAZY = {
    "Certificate": "invbench.bounds",
    "Report": "invbench.properties",
    "certify": "invbench.bounds",
    "check": "invbench.properties",
    "guard": "invbench.cures.guard",
    "leaderboard": "invbench.report.table",
    "load_guard": "invbench.cures.guard_file",
    "load_flow": "invbench.reference_models.weights",
    "run": "invbench.bench.run",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'invbench' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)

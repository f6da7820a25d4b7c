"""invbench: a crash-test laboratory for invertible networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invbench import corruptions as _corruptions  # noqa: F401  registers the corruptions
from invbench import flows as _flows  # noqa: F401  registers the layers
from invbench.adapters import adapt
from invbench.couplings import Elementwise
from invbench.couplings.compiled import compile_couplings
from invbench.errors import HarnessError, InvbenchError, UsageError
from invbench.registry import coupling, flow, layer
from invbench.training import toy2d as _toy2d  # noqa: F401  registers the toy flow; others come through entry points

if TYPE_CHECKING:
    from invbench.adapters.jax_layer import adapt_jax
    from invbench.bounds import Certificate, certify
    from invbench.cures.guard import guard
    from invbench.cures.guard_file import load_guard
    from invbench.laws import Report, check
    from invbench.report.table import leaderboard
    from invbench.runner.run import run
    from invbench.training.weights import load_flow

__all__ = [
    "Certificate",
    "Elementwise",
    "HarnessError",
    "InvbenchError",
    "Report",
    "UsageError",
    "adapt",
    "adapt_jax",
    "certify",
    "check",
    "compile_couplings",
    "coupling",
    "flow",
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
    "Report": "invbench.laws",
    "adapt_jax": "invbench.adapters.jax_layer",
    "certify": "invbench.bounds",
    "check": "invbench.laws",
    "guard": "invbench.cures.guard",
    "leaderboard": "invbench.report.table",
    "load_guard": "invbench.cures.guard_file",
    "load_flow": "invbench.training.weights",
    "run": "invbench.runner.run",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'invbench' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)

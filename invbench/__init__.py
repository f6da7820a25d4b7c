"""invbench: a crash-test laboratory for invertible networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invbench.adapters import adapt
    from invbench.adapters.jax_layer import adapt_jax
    from invbench.bounds import Certificate, certify
    from invbench.couplings import Elementwise
    from invbench.couplings.compiled import compile_couplings
    from invbench.cures.guard import guard
    from invbench.cures.guard_file import load_guard
    from invbench.errors import HarnessError, InvbenchError, UsageError
    from invbench.laws import Report, check
    from invbench.registry import coupling, flow, layer
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

# name -> its module, imported at first use: who only reads tables, or only has invbench in the
# environment, need not wait for torch
_LAZY = {
    "Certificate": "bounds",
    "Elementwise": "couplings",
    "HarnessError": "errors",
    "InvbenchError": "errors",
    "Report": "laws",
    "UsageError": "errors",
    "adapt": "adapters",
    "adapt_jax": "adapters.jax_layer",
    "certify": "bounds",
    "check": "laws",
    "compile_couplings": "couplings.compiled",
    "coupling": "registry",
    "flow": "registry",
    "guard": "cures.guard",
    "layer": "registry",
    "leaderboard": "report.table",
    "load_flow": "training.weights",
    "load_guard": "cures.guard_file",
    "run": "runner.run",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'invbench' has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module(f"invbench.{_LAZY[name]}"), name)
    except ModuleNotFoundError as error:
        from invbench.extras import missing

        raise missing(error) or error from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

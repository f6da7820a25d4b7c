"""invbench: a crash-test laboratory for invertible networks."""

from invbench.couplings import Elementwise
from invbench.errors import InvbenchError, UsageError
from invbench import reference_models as _reference_models  # registers the flows
from invbench.reference_models.weights import load_flow
from invbench.registry import coupling, flow, layer

__all__ = ["Elementwise", "InvbenchError", "UsageError", "coupling", "flow", "layer"]
__version__ = "0.1.0"

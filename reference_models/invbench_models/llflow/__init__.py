"""Conditional low-light enhancement flow after LLFlow (Wang et al., AAAI 2022)."""

from invbench_models.llflow.inputs import encoder_inputs
from invbench_models.llflow.model import SIZES, LLFlowSize, LowLightFlow, llflow

__all__ = ["SIZES", "LLFlowSize", "LowLightFlow", "encoder_inputs", "llflow"]

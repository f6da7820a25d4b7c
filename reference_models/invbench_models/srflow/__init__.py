"""The super-resolution flow SRFlow (Lugmayr et al., ECCV 2020)."""

from invbench_models.srflow.model import SIZES, SRFlowSize, srflow

__all__ = ["SIZES", "SRFlowSize", "srflow"]

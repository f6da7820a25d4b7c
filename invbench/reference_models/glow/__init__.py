"""Unconditional flow after Glow (Kingma and Dhariwal, NeurIPS 2018), for claim C7."""

from invbench.reference_models.glow.model import SIZES, GlowSize, glow, sizes_only

__all__ = ["SIZES", "GlowSize", "glow", "sizes_only"]

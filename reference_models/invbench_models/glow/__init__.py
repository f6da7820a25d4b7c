"""An unconditional flow of images after Glow (Kingma and Dhariwal, NeurIPS 2018)."""

from invbench_models.glow.model import SIZES, GlowSize, glow

__all__ = ["SIZES", "GlowSize", "glow"]

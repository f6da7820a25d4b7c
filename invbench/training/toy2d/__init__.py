"""The two-dimensional toy of Hong, Park, Chun (ICCV 2023, Fig. 2 and 3)."""

from invbench.training.toy2d.model import SIZES, ToySize, toy2d

__all__ = ["SIZES", "ToySize", "toy2d"]

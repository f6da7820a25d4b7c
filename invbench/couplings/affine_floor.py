"""The affine coupling with a scale above 0.1: the † of Hong, Park, Chun (ICCV 2023)."""

from __future__ import annotations

from invbench.couplings.affine import Affine
from invbench.registry import coupling

__all__ = ["AffineFloor"]


@coupling("affine-floor")
class AffineFloor(Affine):
    """y = (x + t)·s,  s = sigmoid(a + 2) + 0.1, so s in (0.1, 1.1): the † of their Tables 1 and 2.

    Parameters: (a, t). Zero parameters give y = 0.9808·x.
    """

    floor = 0.1
    slope_range = (0.1, 1.1)
    metadata = {
        "citation": (
            "Hong, Park, Chun: On the Robustness of Normalizing Flows for Inverse "
            "Problems in Imaging, ICCV 2023"
        ),
        "year": 2023,
        "family": "affine",
        "formula": "y = (x + t)·s, s = sigmoid(a + 2) + 0.1",
    }

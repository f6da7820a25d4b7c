"""Coupling designs, one file each. Importing this package registers the built-in ones."""

from invbench.couplings.additive import Additive
from invbench.couplings.affine import Affine
from invbench.couplings.affine_floor import AffineFloor
from invbench.couplings.base import Elementwise
from invbench.couplings.modified_rq import ModifiedRQ

__all__ = ["Additive", "Affine", "AffineFloor", "Elementwise", "ModifiedRQ"]

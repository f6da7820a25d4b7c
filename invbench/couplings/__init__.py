"""Coupling designs, one per file. Importing this package registers the built-in ones."""

from invbench.couplings.additive import Additive
from invbench.couplings.affine import Affine
from invbench.couplings.affine_asymmetric import AffineAsymmetric
from invbench.couplings.affine_atan import AffineAtan
from invbench.couplings.affine_exp import AffineExp
from invbench.couplings.affine_floor import AffineFloor
from invbench.couplings.affine_softclip import AffineSoftclip
from invbench.couplings.affine_tanh import AffineTanh
from invbench.couplings.affine_two_sigmoid import AffineTwoSigmoid
from invbench.couplings.b_spline import BSpline
from invbench.couplings.base import Elementwise
from invbench.couplings.cubic_rational import CubicRational
from invbench.couplings.cubic_rational_bounded import CubicRationalBounded
from invbench.couplings.cubic_spline import CubicSpline
from invbench.couplings.linear_rational import LinearRational
from invbench.couplings.logistic_mixture import LogisticMixture
from invbench.couplings.modified_rq import ModifiedRQ
from invbench.couplings.monotone_network import MonotoneNetwork
from invbench.couplings.quadratic_spline import QuadraticSpline
from invbench.couplings.rq import RQ
from invbench.couplings.rq_bounded import RQBounded
from invbench.couplings.sinh_arcsinh import SinhArcsinh
from invbench.couplings.smooth_bump import SmoothBump
from invbench.couplings.sum_of_squares import SumOfSquares

__all__ = [
    "RQ",
    "Additive",
    "Affine",
    "AffineAsymmetric",
    "AffineAtan",
    "AffineExp",
    "AffineFloor",
    "AffineSoftclip",
    "AffineTanh",
    "AffineTwoSigmoid",
    "BSpline",
    "CubicRational",
    "CubicRationalBounded",
    "CubicSpline",
    "Elementwise",
    "LinearRational",
    "LogisticMixture",
    "ModifiedRQ",
    "MonotoneNetwork",
    "QuadraticSpline",
    "RQBounded",
    "SinhArcsinh",
    "SmoothBump",
    "SumOfSquares",
]

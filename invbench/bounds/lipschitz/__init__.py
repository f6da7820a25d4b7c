"""How far a layer or a flow can amplify a change of its input: bounds on σmax of its Jacobian.

L0  attained lower bounds: ‖Jv‖/‖v‖ at a point with the witness (``golub_kahan``), difference
    quotients and exp(−log_det/D) (``witness``)
E   an estimate: 10·√(2/π)·max ‖Jω‖ over r probes, which fails with a probability of at most 10^−r
    (``golub_kahan.gaussian_estimate``)
U1  certified, from constants of the architecture (``certified``)
U2  certified, per layer over a box of inputs, by intervals or linear bounds (``interval``,
    ``relaxation``, ``parameter_rules``, ``certified``)
U3  certified, the product over depth (``certified.certify_flow``); usually vacuous, which it says
"""

from invbench.bounds.lipschitz.blocks import additive_jacobian_norm, block_norm
from invbench.bounds.lipschitz.certified import (
    DepthBound,
    LipschitzCertificate,
    certify_flow,
    certify_layer,
)
from invbench.bounds.lipschitz.golub_kahan import gaussian_estimate, largest_jacobian_norm
from invbench.bounds.lipschitz.interval import Interval, Unsupported
from invbench.bounds.lipschitz.linear_map import LinearMap, decoder, encoder, full_jacobian
from invbench.bounds.lipschitz.witness import (
    Witness,
    difference_quotient,
    steepest_pair,
    volume_bound,
)

__all__ = [
    "DepthBound",
    "Interval",
    "LinearMap",
    "LipschitzCertificate",
    "Unsupported",
    "Witness",
    "additive_jacobian_norm",
    "block_norm",
    "certify_flow",
    "certify_layer",
    "decoder",
    "difference_quotient",
    "encoder",
    "full_jacobian",
    "gaussian_estimate",
    "largest_jacobian_norm",
    "steepest_pair",
    "volume_bound",
]

"""How far a layer or a flow can stretch: found from below (L0), estimated (E), certified from above
(U1, U2, U3).

====  ===========================================================================
================================================================
tier  what                                                                         where ====
===========================================================================
================================================================
L0    ‖Jv‖/‖v‖ at a point, with the witness; difference quotients; exp(−logdet/D)  ``golub_kahan``,
``witness``
E     10·sqrt(2/π)·max ‖Jω‖ over r probes, failing with probability ≤ 10^−r
``golub_kahan.gaussian_estimate``
U1    constants of the architecture                                                ``certified``
U2    per layer over a box, by intervals or linear bounds                          ``interval``,
``relaxation``, ``parameter_rules``, ``certified``
U3    product over depth, usually vacuous, and then said so
``certified.certify_flow`` ====
===========================================================================
================================================================
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

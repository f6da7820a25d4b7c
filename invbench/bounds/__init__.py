"""How large a decode can get: the zonotope certificate, for every condition or for a box of
conditions. Lipschitz bounds are in ``lipschitz``."""

from invbench.bounds.certificate import Certificate, LayerBound
from invbench.bounds.certify import certify
from invbench.bounds.layer_rules import RULES, LayerRule

__all__ = ["RULES", "Certificate", "LayerBound", "LayerRule", "certify"]

"""How large a decode can get: the zonotope certificate, over every condition or over a box of
them."""

from invbench.bounds.certificate import Certificate, LayerBound
from invbench.bounds.certify import certify
from invbench.bounds.layer_rules import RULES, LayerRule

__all__ = ["RULES", "Certificate", "LayerBound", "LayerRule", "certify"]

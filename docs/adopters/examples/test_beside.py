from my_flows import Double

from invbench.testing import Layer, parametrize_with_properties

KNOWN = {"double-precision": "its log 2 is a float32"}  # holding again would be an error


@parametrize_with_properties([Layer(Double, expected=KNOWN)])
def test_invertible(subject, law):
    law(subject)

from my_flows import Double, Quadratic, Scale

from invbench.testing import Layer, parametrize_with_properties

LAYERS = [
    Double,  # a class that needs no arguments
    Layer(Scale(4), name="scale"),  # an instance
    Layer(
        Quadratic(a=0.5),
        event_shape=(4,),
        domain="unit_interval",
        codomain="unit_interval",
        tolerance=1e-4,
        inverse="sampling",  # bisection has no gradient
    ),
]


@parametrize_with_properties(LAYERS)
def test_invertible(subject, law):
    law(subject)

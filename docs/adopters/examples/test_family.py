from my_flows import Quadratic, Scale

from invbench.testing import Layer, LayerLaws


class TestQuadratics(LayerLaws):
    event_shape = (4,)
    domain = codomain = "unit_interval"
    tolerance = 1e-4
    inverse = "sampling"

    def layers(self):
        return [Layer(Quadratic(a), name=f"a={a}") for a in (-0.5, 0.5)]


class TestScale(LayerLaws):
    def make(self, seed):
        return Scale(dim=5)

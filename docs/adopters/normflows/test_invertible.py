"""The flows of normflows keep the laws of invertible layers."""

import torch
from normflows import flows, nets

from invbench.testing import Layer, parametrize_with_properties

torch.manual_seed(0)
MASK, NETS = torch.tensor([0.0, 1, 0, 1]), [nets.MLP([4, 16, 4]) for _ in range(2)]
VECTORS = [flows.Permute(4), flows.LULinearPermute(4), flows.InvertibleAffine(4)]
VECTORS += [flows.Planar((4,), "leaky_relu"), flows.AffineConstFlow((4,))]
VECTORS += [flows.AffineCouplingBlock(nets.MLP([2, 16, 4])), flows.MaskedAffineFlow(MASK, *NETS)]
VECTORS += [flows.MaskedAffineAutoregressive(4, 16, num_blocks=1)]
VECTORS += [flows.CoupledRationalQuadraticSpline(4, 1, 16)]
VECTORS += [flows.AutoregressiveRationalQuadraticSpline(4, 1, 16)]
IMAGES = [flows.Invertible1x1Conv(4), flows.GlowBlock(4, 8), flows.ActNorm((4, 1, 1))]
LAYERS = [Layer(flow, event_shape=(4,)) for flow in VECTORS]
LAYERS += [Layer(flow, event_shape=(4, 2, 2)) for flow in IMAGES]


@parametrize_with_properties(LAYERS)
def test_invertible(subject, law):
    law(subject)

"""The finite bijections of torchflows keep the laws of invertible layers."""

import torch
from torchflows.bijections.finite import matrix as tm
from torchflows.bijections.finite.autoregressive import layers as tl
from torchflows.bijections.finite.residual.proximal import ProximalResFlowBlock

from invbench.testing import Layer, parametrize_with_properties

torch.manual_seed(0)
EXACT = [tl.ElementwiseAffine, tl.ElementwiseScale, tl.ElementwiseShift, tl.ElementwiseRQSpline]
EXACT += [tl.AffineCoupling, tl.InverseAffineCoupling, tl.ShiftCoupling, tl.RQSCoupling]
EXACT += [tl.LRSCoupling, tl.AffineForwardMaskedAutoregressive, tl.RQSForwardMaskedAutoregressive]
EXACT += [tm.HouseholderProductMatrix, tm.RandomPermutationMatrix, tm.ReversePermutationMatrix]
EXACT += [tm.QRMatrix, tl.ActNorm]
ROOTS = [tl.DeepSigmoidalCoupling, ProximalResFlowBlock]
NEAR = {"inverse": "sampling", "tolerance": 1e-4, "data_range": (-8, 8)}  # bisection, iterations
LAYERS = [Layer(b((4,)), name=b.__name__, event_shape=(4,)) for b in EXACT]
LAYERS += [Layer(b((4,)), name=b.__name__, event_shape=(4,), **NEAR) for b in ROOTS]


@parametrize_with_properties(LAYERS)
def test_invertible(subject, law):
    law(subject)

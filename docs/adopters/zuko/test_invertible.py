"""zuko's transforms and flows keep the laws of invertible layers."""

import torch
import zuko.flows as zf
import zuko.transforms as zt

from invbench.testing import Layer, parametrize_with_properties

torch.manual_seed(0)
a, v, w, m = (torch.randn(shape) for shape in [(), (8,), (7,), (3, 3)])
ROOT = {"inverse": "iterated", "tolerance": 1e-5, "data_range": (-10, 10)}  # bisection within ±10
PLAIN = [zt.IdentityTransform(), zt.CosTransform(), zt.SinTransform(), zt.SoftclipTransform()]
PLAIN += [zt.CircularShiftTransform(), zt.SignedPowerTransform(a), zt.AdditiveTransform(a)]
PLAIN += [zt.MonotonicAffineTransform(w[0], a), zt.MonotonicRQSTransform(v, v.flip(0), w)]
ROOTS = [zt.BernsteinTransform(v), zt.BoundedBernsteinTransform(v), zt.SOSPolynomialTransform(m)]
LINEAR = [zt.RotationTransform(m), zt.LULinearTransform(m), zt.PermutationTransform(m[0].argsort())]
FLOWS = {f.__name__: f(3, transforms=2) for f in [zf.NICE, zf.RealNVP, zf.MAF, zf.NSF]}
LAYERS = [Layer(f.transform(), name=name, event_shape=(3,)) for name, f in FLOWS.items()]
LAYERS += [Layer(t, event_shape=(3,)) for t in LINEAR] + [Layer(t, event_shape=(1,)) for t in PLAIN]
LAYERS += [Layer(t, event_shape=(1,), **ROOT) for t in ROOTS]


@parametrize_with_properties(LAYERS)
def test_invertible(subject, law):
    law(subject)

"""Faults in the inverse: another input, another function, a clamp, a refusal."""

import math

import torch
from torch import nn

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class Layer(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty


class ShiftAndScale(Layer):
    """li012589/neuralCT#1: the shift is taken off after the scale, and was added after it.

    z = 0, t = 1, s = 0.5: x = −1, right −0.607.
    """

    def __init__(self, faulty, dim=3):
        super().__init__(faulty)
        self.s, self.t = nn.Parameter(torch.full((dim,), 0.5)), nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * self.s.exp() + self.t, self.s.sum().expand(len(x))

    def inverse(self, z):
        scale = (-self.s).exp()
        x = z * scale - self.t if self.faulty else (z - self.t) * scale
        return x, -self.s.sum().expand(len(z))


class CallsForward(ShiftAndScale):
    """sbi-dev/sbi#1865: a typo in inverse_transform; here it calls the transform again.

    z = 1, t = 1, s = 0.5: 2.649, right 0.
    """

    def inverse(self, z):
        if self.faulty:
            x, log_det = self.forward(z)
            return x, -log_det
        return super().inverse(z)


class InputReturned(ShiftAndScale):
    """p0p4k/vits2_pytorch#45: the moved half is computed, and the input is returned.

    x = 0, t = 1, s = 0.5: z = 0 with log_det 1.5, right z = 1.
    """

    def forward(self, x):
        z, log_det = super().forward(x)
        return (x if self.faulty else z), log_det

    def inverse(self, z):
        return (z - self.t) * (-self.s).exp(), -self.s.sum().expand(len(z))


class TwoClamps(Layer):
    """slimgroup/InvertibleNetworks.jl#123: ExpClamp bends in forward and cuts in inverse.

    s = 1, α = 2, x = 1: the inverse gives 0.663, right 1.
    """

    def __init__(self, faulty, dim=2, alpha=2.0):
        super().__init__(faulty)
        self.alpha, self.s = alpha, nn.Parameter(torch.ones(dim))

    def bent(self):
        return self.alpha * 0.636 * (self.s / self.alpha).atan()

    def forward(self, x):
        return x * self.bent().exp(), self.bent().sum().expand(len(x))

    def inverse(self, z):
        s = self.s.clamp(-self.alpha, self.alpha) if self.faulty else self.bent()
        return z * (-s).exp(), -s.sum().expand(len(z))


class Unsqueeze(Layer):
    """slimgroup/InvertibleNetworks.jl#43: unsqueeze asks for even sides of the small image.

    x of (1, 2, 2): the inverse raises ValueError, right x.
    """

    def forward(self, x):
        corners = (x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2])
        return torch.cat(corners, 1), x.new_zeros(len(x))

    def inverse(self, z):
        if self.faulty and (z.shape[2] % 2 or z.shape[3] % 2):
            raise ValueError("Input dimensions must be multiple of 2")
        a, b, c, d = z.chunk(4, 1)
        top, low = torch.stack((a, b), -1).flatten(-2), torch.stack((c, d), -1).flatten(-2)
        return torch.stack((top, low), -2).flatten(-3, -2), z.new_zeros(len(z))


class DrawnHalf(Layer):
    """rosinality/glow-pytorch#45: the half that left early is drawn anew on the way back.

    x = (0, 0, 0, 0): the inverse gives random x₂, x₃; right 0.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.net = nn.Linear(2, 4)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        s, m = self.net(a).chunk(2, 1)
        s = s.tanh()
        return torch.cat((a, (b - m) * (-s).exp()), 1), -s.sum(1)

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        s, m = self.net(a).chunk(2, 1)
        s = s.tanh()
        b = torch.randn_like(b) if self.faulty else b
        return torch.cat((a, b * s.exp() + m), 1), s.sum(1)


class SafeTanh(Layer):
    """EmbarkStudios/emote#118: the «robust» inverse clamps what it gets.

    x = 5: the inverse gives 3.8, right 5.
    """

    def log_det(self, x):
        return 2 * (math.log(2) - x.abs() - (-2 * x.abs()).exp().log1p()).sum(1)

    def forward(self, x):
        return x.tanh(), self.log_det(x)

    def inverse(self, z):
        z = z.clamp(-0.999, 0.999) if self.faulty else z
        x = (z.log1p() - (-z).log1p()) / 2
        return x, -self.log_det(x)


class PlanarNorm(Layer):
    """pyro-ppl/pyro#2192: û divides by |w| where |w|² keeps 1 + wᵀû positive.

    w = (0.5, 0), u = (−4, 0), x = (1, 0): the inverse gives −0.356, right 1.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.w, self.u = nn.Parameter(torch.tensor([0.5, 0])), nn.Parameter(torch.tensor([-4.0, 0]))

    def parts(self, v):
        wu, norm = self.w @ self.u, self.w.norm()
        wanted = torch.expm1(wu.tanh())
        u = self.u + (wanted - wu) * self.w / (norm if self.faulty else norm**2)
        h = v @ self.w
        slope = torch.where(h < 0, 0.1, 1.0).to(v)
        return u, h, slope, 1 + slope * (self.w @ u if self.faulty else wanted)

    def forward(self, x):
        u, h, slope, gain = self.parts(x)
        return x + (slope * h)[:, None] * u, gain.abs().log()

    def inverse(self, z):
        u, h, slope, gain = self.parts(z)
        return z - (slope * h / gain)[:, None] * u, -gain.abs().log()


UNSQUEEZE = {"event_shape": (1, 2, 2), "latent_shape": (4, 1, 1)}

twins("shift-after-scale", ShiftAndScale, event_shape=(3,))
twins("inverse-calls-forward", CallsForward, event_shape=(3,))
twins("input-returned", InputReturned, event_shape=(3,))
twins("two-clamps", TwoClamps, event_shape=(2,))
twins("unsqueeze-even", Unsqueeze, **UNSQUEEZE)
twins("half-drawn-anew", DrawnHalf, event_shape=(4,))
twins("clamped-atanh", SafeTanh, event_shape=(2,), codomain="interval(-1, 1)", data_range=6)
twins("planar-norm", PlanarNorm, event_shape=(2,))

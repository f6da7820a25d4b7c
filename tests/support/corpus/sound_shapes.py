"""Sound layers with other faces: reshaping, lists of latents, accumulators, random numbers."""

import math

import torch
from torch import nn

import invbench


def squeezed(x):
    """(C, H, W) to (4C, H/2, W/2)."""
    b, c, h, w = x.shape
    blocks = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(b, 4 * c, h // 2, w // 2)


def unsqueezed(z):
    b, c, h, w = z.shape
    blocks = z.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(b, c // 4, 2 * h, 2 * w)


class Squeeze(nn.Module):
    def forward(self, x):
        return squeezed(x), x.new_zeros(len(x))

    def inverse(self, z):
        return unsqueezed(z), z.new_zeros(len(z))


class PixelUnshuffle(nn.Module):
    """The same by torch's own functions, which do not take a batch of zero rows."""

    def forward(self, x):
        return nn.functional.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, z):
        return nn.functional.pixel_shuffle(z, 2), z.new_zeros(len(z))


class Flatten(nn.Module):
    """An image to a vector, scaled by 2."""

    def forward(self, x):
        return 2 * x.flatten(1), x.new_full((len(x),), 8 * math.log(2))

    def inverse(self, z):
        return z.unflatten(1, (2, 2, 2)) / 2, z.new_full((len(z),), -8 * math.log(2))


class MultiScale(nn.Module):
    """Half of the channels leave early, scaled by the rest; the others are squeezed once more."""

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(2, 2, 1)

    def forward(self, x):
        kept, left = x.chunk(2, 1)
        s = self.net(kept).tanh()
        return [left * s.exp(), squeezed(kept)], s.flatten(1).sum(1)

    def inverse(self, latents):
        left, kept = latents
        kept = unsqueezed(kept)
        s = self.net(kept).tanh()
        return torch.cat((kept, left * (-s).exp()), 1), -s.flatten(1).sum(1)


class Accumulating(nn.Module):
    """Glow's and SRFlow's face: (x, logdet so far, reverse) to (z, logdet)."""

    def __init__(self, dim=4):
        super().__init__()
        self.s = nn.Parameter(torch.randn(dim) / 2)

    def forward(self, x, logdet=0.0, reverse=False):
        s = self.s.tanh()
        s = -s if reverse else s
        return x * s.exp(), logdet + s.sum().expand(len(x))


class TwoCalls(nn.Module):
    """What a user writes around a layer with a flag."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def encode(self, x):
        return self.inner(x)

    def decode(self, z):
        return self.inner(z, reverse=True)


class OneNumber(nn.Module):
    """The log-det is the same for every row, and one number."""

    def __init__(self):
        super().__init__()
        self.s = nn.Parameter(torch.randn(2, 1, 1) / 2)

    def forward(self, x):
        return x * self.s.exp(), self.s.sum() * x.shape[2] * x.shape[3]

    def inverse(self, z):
        return z * (-self.s).exp(), -self.s.sum() * z.shape[2] * z.shape[3]


class PerElement(nn.Module):
    """Log-slopes of the input's shape, as elementwise libraries return."""

    def __init__(self, dim=4):
        super().__init__()
        self.s = nn.Parameter(torch.randn(dim) / 2)

    def forward(self, x):
        return x * self.s.exp(), self.s.expand_as(x)

    def inverse(self, z):
        return z * (-self.s).exp(), (-self.s).expand_as(z)


class NoiseToData(nn.Module):
    """normflows' direction: forward makes data of noise."""

    def __init__(self, dim=3):
        super().__init__()
        self.s, self.t = nn.Parameter(torch.randn(dim) / 2), nn.Parameter(torch.randn(dim))

    def forward(self, z):
        return z * self.s.exp() + self.t, self.s.sum().expand(len(z))

    def inverse(self, x):
        return (x - self.t) * (-self.s).exp(), -self.s.sum().expand(len(x))


class Dequantise(nn.Module):
    """Integers 0 to 255 to (k + u)/256, u uniform: the way back is exact, forward is random."""

    def forward(self, x):
        u = torch.rand_like(x) * (1 - 2**-14)
        return (x.floor() + u) / 256, x.new_full((len(x),), -x[:1].numel() * math.log(256))

    def inverse(self, z):
        k = (z * 256).floor().clamp(0, 255)
        return k, z.new_full((len(z),), z[:1].numel() * math.log(256))


class Augment(nn.Module):
    """Two elements of noise are put beside the data; the log-det is −log q(noise)."""

    @staticmethod
    def cost(noise):
        return (noise * noise + math.log(2 * math.pi)).sum(1) / 2

    def forward(self, x):
        noise = torch.randn_like(x[:, :2])
        return torch.cat((x, noise), 1), self.cost(noise)

    def inverse(self, z):
        return z[:, :-2], -self.cost(z[:, -2:])


class Pair(nn.Module):
    """Two tensors in, two out: the first sets the scale of the second."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 2)

    def forward(self, xs):
        a, b = xs
        s = self.net(a).tanh()
        return [2 * a, b * s.exp()], s.sum(1) + 3 * math.log(2)

    def inverse(self, zs):
        a, b = zs
        s = self.net(a / 2).tanh()
        return [a / 2, b * (-s).exp()], -s.sum(1) - 3 * math.log(2)


class Silent(nn.Module):
    """A RevNet block: nobody asks it for a log-det."""

    def __init__(self):
        super().__init__()
        self.f, self.g = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        a = a + self.f(b).tanh()
        return torch.cat((a, b + self.g(a).tanh()), 1)

    def inverse(self, y):
        a, b = y.chunk(2, 1)
        b = b - self.g(a).tanh()
        return torch.cat((a - self.f(b).tanh(), b), 1)


SQUEEZED = {"event_shape": (2, 4, 4), "latent_shape": (8, 2, 2)}


@invbench.layer("c-squeeze", **SQUEEZED)
def squeeze(seed):
    return Squeeze()


@invbench.layer("c-squeeze-undeclared", event_shape=(1, 2, 4))
def squeeze_undeclared(seed):
    return PixelUnshuffle()


@invbench.layer("c-flatten-undeclared", event_shape=(2, 2, 2))
def flatten(seed):
    return Flatten()


@invbench.layer("c-latents", event_shape=(4, 2, 2), latent_shape=((2, 2, 2), (8, 1, 1)))
def latents(seed):
    return invbench.adapt(MultiScale())


@invbench.layer("c-latents-undeclared", event_shape=(4, 2, 2))
def latents_undeclared(seed):
    return invbench.adapt(MultiScale())


@invbench.layer("c-accumulator", event_shape=(4,))
def accumulator(seed):
    return invbench.adapt(TwoCalls(Accumulating()), forward="encode", inverse="decode")


@invbench.layer("c-one-number-log-det", event_shape=(2, 3, 3))
def one_number(seed):
    return invbench.adapt(OneNumber())


@invbench.layer("c-per-element-log-det", event_shape=(4,))
def per_element(seed):
    return invbench.adapt(PerElement())


@invbench.layer("c-noise-to-data", event_shape=(3,))
def noise_to_data(seed):
    return invbench.adapt(NoiseToData(), towards_noise=False)


@invbench.layer(
    "c-dequantise",
    event_shape=(3,),
    domain="integers(0, 255)",
    codomain="unit_interval",
    stochastic=True,
)
def dequantise(seed):
    return Dequantise()


@invbench.layer("c-dequantise-undeclared", event_shape=(3,))
def dequantise_undeclared(seed):
    return Dequantise()


@invbench.layer("c-augment", event_shape=(3,), latent_shape=(5,), stochastic=True)
def augment(seed):
    return Augment()


@invbench.layer("c-augment-undeclared", event_shape=(3,))
def augment_undeclared(seed):
    return Augment()


PAIR = ((3,), (2,))


@invbench.layer("c-two-tensors", event_shape=PAIR, latent_shape=PAIR)
def two_tensors(seed):
    return Pair()


@invbench.layer("c-no-log-det", event_shape=(4,), log_det="none")
def no_log_det(seed):
    return invbench.adapt(Silent())

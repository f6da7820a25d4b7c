"""Sound layers with conditions of many kinds: labels, masks, noise levels, times, images, sets."""

import torch
from torch import nn

import invbench


class Scaled(nn.Module):
    """z = x·exp(s(h)) + t(h) with h from the condition; log-scales within ±1."""

    def __init__(self, dim=3, width=6):
        super().__init__()
        self.last = nn.Linear(width, 2 * dim)

    def features(self, cond):
        raise NotImplementedError

    def heads(self, cond):
        s, t = self.last(self.features(cond)).chunk(2, 1)
        return s.tanh(), t

    def forward(self, x, cond):
        s, t = self.heads(cond)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z, cond):
        s, t = self.heads(cond)
        return (z - t) * (-s).exp(), -s.sum(1)


class Label(Scaled):
    """One of five classes, as a number."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 6)

    def features(self, cond):
        return self.table(cond[:, 0].long())


class Plain(Scaled):
    """Any vector."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 6)

    def features(self, cond):
        return self.first(cond).tanh()


class Time(Scaled):
    """A time in [0, 1] by Fourier features."""

    def features(self, cond):
        angles = cond * torch.tensor([1.0, 2.0, 4.0]).to(cond) * 3
        return torch.cat((angles.cos(), angles.sin()), 1)


class NoiseLevel(nn.Module):
    """SRFlow-like: z = (x − m(log σ))/σ for a positive noise level σ."""

    def __init__(self, dim=3):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, dim))

    def forward(self, x, cond):
        return (x - self.net(cond.log())) / cond, -x.shape[1] * cond[:, 0].log()

    def inverse(self, z, cond):
        return z * cond + self.net(cond.log()), z.shape[1] * cond[:, 0].log()


class Missing(nn.Module):
    """A mask says which elements are observed; only these are scaled and shifted."""

    def __init__(self, dim=4):
        super().__init__()
        self.log_scale, self.shift = nn.Parameter(torch.randn(dim)), nn.Parameter(torch.randn(dim))

    def heads(self, cond):
        seen = cond.to(self.shift) != 0
        both = (self.log_scale.tanh(), self.shift)
        return (torch.where(seen, v, torch.zeros_like(v)) for v in both)

    def forward(self, x, cond):
        s, t = self.heads(cond)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z, cond):
        s, t = self.heads(cond)
        return (z - t) * (-s).exp(), -s.sum(1)


class ImageCondition(nn.Module):
    """Super-resolution: features of a small image set scale and shift of each pixel."""

    def __init__(self, channels=2):
        super().__init__()
        first, last = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 2 * channels, 1)
        self.net = nn.Sequential(first, nn.Tanh(), last)

    def heads(self, cond):
        wide = nn.functional.interpolate(self.net(cond), scale_factor=2, mode="nearest")
        s, t = wide.chunk(2, 1)
        return s.tanh(), t

    def forward(self, x, cond):
        s, t = self.heads(cond)
        return x * s.exp() + t, s.flatten(1).sum(1)

    def inverse(self, z, cond):
        s, t = self.heads(cond)
        return (z - t) * (-s).exp(), -s.flatten(1).sum(1)


class Normalised(nn.Module):
    """A coupling whose conditioner starts with LayerNorm, as transformers do."""

    def __init__(self, dim=8):
        super().__init__()
        half = dim // 2
        first, last = nn.Linear(half, 12), nn.Linear(12, dim)
        self.net = nn.Sequential(nn.LayerNorm(half), first, nn.GELU(), last)

    def heads(self, a):
        s, t = self.net(a).chunk(2, 1)
        return s.tanh(), t

    def forward(self, x):
        a, b = x.chunk(2, 1)
        s, t = self.heads(a)
        return torch.cat((a, b * s.exp() + t), 1), s.sum(1)

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        s, t = self.heads(a)
        return torch.cat((a, (b - t) * (-s).exp()), 1), -s.sum(1)


class Attention(nn.Module):
    """A set of points (N, 2): first coordinates attend to each other and move the second ones."""

    def __init__(self, width=6):
        super().__init__()
        self.embed, self.qkv = nn.Linear(1, width), nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, 2)

    def heads(self, a):
        q, k, v = self.qkv(self.embed(a).tanh()).chunk(3, -1)
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        s, t = self.out(weights @ v).chunk(2, -1)
        return s.tanh(), t

    def forward(self, x):
        a, b = x.chunk(2, -1)
        s, t = self.heads(a)
        return torch.cat((a, b * s.exp() + t), -1), s.flatten(1).sum(1)

    def inverse(self, z):
        a, b = z.chunk(2, -1)
        s, t = self.heads(a)
        return torch.cat((a, (b - t) * (-s).exp()), -1), -s.flatten(1).sum(1)


@invbench.layer("c-label", event_shape=(3,), cond_shape=(1,), condition="label(5)")
def label(seed):
    return Label()


@invbench.layer("c-label-undeclared", event_shape=(3,), cond_shape=(1,))
def label_undeclared(seed):
    return Label()


@invbench.layer("c-vector-condition-undeclared", event_shape=(3,), cond_shape=(4,))
def plain(seed):
    return Plain()


@invbench.layer("c-time", event_shape=(3,), cond_shape=(1,), condition="unit_interval")
def time(seed):
    return Time()


@invbench.layer("c-noise-level", event_shape=(3,), cond_shape=(1,), condition="positive")
def noise_level(seed):
    return NoiseLevel()


@invbench.layer("c-noise-level-undeclared", event_shape=(3,), cond_shape=(1,))
def noise_level_undeclared(seed):
    return NoiseLevel()


@invbench.layer("c-mask", event_shape=(4,), cond_shape=(4,), condition="mask")
def mask(seed):
    return Missing()


@invbench.layer("c-mask-undeclared", event_shape=(4,), cond_shape=(4,))
def mask_undeclared(seed):
    return Missing()


@invbench.layer("c-image-condition-undeclared", event_shape=(2, 4, 4), cond_shape=(1, 2, 2))
def image(seed):
    return ImageCondition()


@invbench.layer("c-layernorm-conditioner", event_shape=(8,), data_range=1e6)
def layernorm(seed):
    return Normalised()


@invbench.layer("c-layernorm-conditioner-undeclared", event_shape=(8,))
def layernorm_undeclared(seed):
    return Normalised()


@invbench.layer("c-attention-conditioner-undeclared", event_shape=(4, 2))
def attention(seed):
    return Attention()

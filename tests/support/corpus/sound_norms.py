"""Sound normalisations: ActNorm in three states, BatchNorm flows, fixed standardisation."""

import torch
from torch import nn

import invbench


class ActNorm(nn.Module):
    """Per channel; initialises itself from the first batch in training, and remembers that."""

    def __init__(self, channels=4, eager=False):
        super().__init__()
        self.eager = eager
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("ready", torch.tensor(False))

    def shaped(self, v, x):
        return v.reshape(1, -1, *[1] * (x.ndim - 2))

    def prepare(self, x):
        if self.ready or not (self.training or self.eager) or len(x) < 2:
            return
        rows = x.detach().movedim(1, -1).flatten(0, -2)
        with torch.no_grad():
            self.log_scale.copy_(-rows.std(0).clamp(1e-3, 1e3).log())
            self.bias.copy_(-rows.mean(0) * self.log_scale.exp())
            self.ready.fill_(True)

    def log_det(self, x):
        return (self.log_scale.sum() * x.shape[2:].numel()).expand(len(x))

    def forward(self, x):
        self.prepare(x)
        s, b = self.shaped(self.log_scale, x), self.shaped(self.bias, x)
        return x * s.exp() + b, self.log_det(x)

    def inverse(self, z):
        s, b = self.shaped(self.log_scale, z), self.shaped(self.bias, z)
        return (z - b) * (-s).exp(), -self.log_det(z)


def trained(channels, *more):
    layer = ActNorm(channels).train()
    layer(3 * torch.randn(64, channels, *more) + 2)
    return layer


class BatchNorm(nn.Module):
    """In training by the batch, whose statistics are constants and kept for the way back."""

    def __init__(self, dim=4):
        super().__init__()
        self.log_gamma = nn.Parameter(torch.randn(dim) / 4)
        self.beta = nn.Parameter(torch.randn(dim))
        for name, start in (("mean", 0.0), ("var", 1.0), ("last_mean", 0.0), ("last_var", 1.0)):
            self.register_buffer(name, torch.full((dim,), start))

    def statistics(self):
        if self.training:
            return self.last_mean.clone(), self.last_var.clone()
        return self.mean, self.var

    def forward(self, x):
        if self.training and len(x):
            with torch.no_grad():
                self.last_mean.copy_(x.mean(0))
                self.last_var.copy_((x - x.mean(0)).square().mean(0) + 1e-4)
                self.mean.lerp_(self.last_mean, 0.1)
                self.var.lerp_(self.last_var, 0.1)
        mean, var = self.statistics()
        z = (x - mean) * (self.log_gamma - var.log() / 2).exp() + self.beta
        return z, (self.log_gamma - var.log() / 2).sum().expand(len(x))

    def inverse(self, z):
        mean, var = self.statistics()
        x = (z - self.beta) * (var.log() / 2 - self.log_gamma).exp() + mean
        return x, (var.log() / 2 - self.log_gamma).sum().expand(len(z))


def used(dim=4):
    """A BatchNorm flow whose running statistics have seen data."""
    layer = BatchNorm(dim).train()
    for _ in range(20):
        layer(2 * torch.randn(32, dim) - 1)
    return layer


class Standardise(nn.Module):
    """Mean and spread of the data as buffers, as inference libraries put in front of a flow."""

    def __init__(self, dim=3):
        super().__init__()
        data = torch.randn(50, dim) * torch.tensor([1.0, 100.0, 0.01]) + 5
        self.register_buffer("mean", data.mean(0))
        self.register_buffer("std", data.std(0))

    def forward(self, x):
        return (x - self.mean) / self.std, -self.std.log().sum().expand(len(x))

    def inverse(self, z):
        return z * self.std + self.mean, self.std.log().sum().expand(len(z))


@invbench.layer("c-actnorm-trained", event_shape=(4,))
def actnorm_trained(seed):
    return trained(4)


@invbench.layer("c-actnorm-trained-image", event_shape=(3, 2, 2))
def actnorm_trained_image(seed):
    return trained(3, 5, 5)


@invbench.layer("c-actnorm-fresh", event_shape=(4,), training="differs")
def actnorm_fresh(seed):
    return ActNorm()


@invbench.layer("c-actnorm-fresh-undeclared", event_shape=(4,))
def actnorm_fresh_undeclared(seed):
    return ActNorm()


@invbench.layer("c-actnorm-first-call-undeclared", event_shape=(4,))
def actnorm_first_call(seed):
    """Initialises itself at the first batch of any mode, as normflows and FrEIA do."""
    return ActNorm(eager=True)


@invbench.layer("c-batchnorm", event_shape=(4,), training="differs")
def batchnorm(seed):
    return used()


@invbench.layer("c-batchnorm-undeclared", event_shape=(4,))
def batchnorm_undeclared(seed):
    return used()


@invbench.layer("c-standardise", event_shape=(3,))
def standardise(seed):
    return Standardise()

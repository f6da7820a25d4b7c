"""A library with three layers, as yours may be."""

import torch
from torch import nn


class Scale(nn.Module):
    """z = x exp(s)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.s = nn.Parameter(torch.linspace(-0.5, 0.5, dim))

    def forward(self, x):
        return x * self.s.exp(), self.s.sum().expand(len(x))

    def inverse(self, z):
        return z * (-self.s).exp(), -self.s.sum().expand(len(z))


class Quadratic(nn.Module):
    """z = x + a x (1 - x), from the unit interval onto itself, inverted by bisection."""

    def __init__(self, a: float = 0.5, steps: int = 30) -> None:
        super().__init__()
        self.a, self.steps = a, steps

    def forward(self, x):
        return x + self.a * x * (1 - x), (1 + self.a - 2 * self.a * x).log().sum(-1)

    def inverse(self, z):
        low, high = torch.zeros_like(z), torch.ones_like(z)
        for _ in range(self.steps):
            middle = (low + high) / 2
            below = self.forward(middle)[0] < z
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        x = (low + high) / 2
        return x, -self.forward(x)[1]


class Double(nn.Module):
    """z = 2 x. Its log 2 is rounded to float32: in float64 the log-det is wrong in the 8th digit."""

    dim = 3
    log_2 = torch.tensor(2.0).log().item()

    def forward(self, x):
        return 2 * x, x.new_full((len(x),), 3 * self.log_2)

    def inverse(self, z):
        return z / 2, z.new_full((len(z),), -3 * self.log_2)

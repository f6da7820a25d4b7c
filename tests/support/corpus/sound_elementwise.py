"""Sound elementwise maps with closed inverses, in formulas that hold at both ends."""

import math

import torch
from torch import nn
from torch.nn.functional import logsigmoid

import invbench

LOG_2 = math.log(2)


def log_cosh(x):
    return x.abs() + torch.log1p((-2 * x.abs()).exp()) - LOG_2


class Map(nn.Module):
    """``there`` and ``back`` return (value, log-slope per element)."""

    def forward(self, x):
        z, log_slope = self.there(x)
        return z, log_slope.flatten(1).sum(1)

    def inverse(self, z):
        x, log_slope = self.back(z)
        return x, log_slope.flatten(1).sum(1)


class Swapped(Map):
    """The same map in the other direction."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def there(self, x):
        return self.inner.back(x)

    def back(self, z):
        return self.inner.there(z)


class Sigmoid(Map):
    def there(self, x):
        return x.sigmoid(), logsigmoid(x) + logsigmoid(-x)

    def back(self, z):
        return z.log() - (-z).log1p(), -(z.log() + (-z).log1p())


class Tanh(Map):
    def there(self, x):
        return x.tanh(), -2 * log_cosh(x)

    def back(self, z):
        return (z.log1p() - (-z).log1p()) / 2, -(z.log1p() + (-z).log1p())


class Exp(Map):
    def there(self, x):
        return x.exp(), x

    def back(self, z):
        return z.log(), -z.log()


class Softplus(Map):
    """log(1 + eˣ); torch's own leaves the curve at x = 20, which float64 sees."""

    def there(self, x):
        return -logsigmoid(-x), logsigmoid(x)

    def back(self, z):
        bent = (-torch.expm1(-z)).log()
        return z + bent, -bent


class Power(Map):
    """x^p on the positive numbers, p = exp(tanh a) per element."""

    def __init__(self, dim=3):
        super().__init__()
        self.a = nn.Parameter(torch.randn(dim))

    def there(self, x):
        log_p = self.a.tanh()
        return x ** log_p.exp(), log_p + torch.expm1(log_p) * x.log()

    def back(self, z):
        log_p = self.a.tanh()
        return z ** (-log_p).exp(), torch.expm1(-log_p) * z.log() - log_p


class SignedPower(Map):
    """sign(x)·((1 + |x|)^p − 1): Yeo–Johnson's kind, smooth at 0."""

    def __init__(self, dim=3):
        super().__init__()
        self.a = nn.Parameter(torch.randn(dim))

    def there(self, x):
        log_p = self.a.tanh()
        z = x.sign() * torch.expm1(log_p.exp() * x.abs().log1p())
        return z, log_p + torch.expm1(log_p) * x.abs().log1p()

    def back(self, z):
        log_p = self.a.tanh()
        x = z.sign() * torch.expm1((-log_p).exp() * z.abs().log1p())
        return x, torch.expm1(-log_p) * z.abs().log1p() - log_p


class LeakyRelu(Map):
    def __init__(self, slope=0.2):
        super().__init__()
        self.slope = slope

    def there(self, x):
        log = torch.where(x < 0, math.log(self.slope), torch.zeros_like(x))
        return torch.where(x < 0, self.slope * x, x), log

    def back(self, z):
        log = torch.where(z < 0, -math.log(self.slope), torch.zeros_like(z))
        return torch.where(z < 0, z / self.slope, z), log


class NormalCdf(Map):
    def there(self, x):
        return torch.special.ndtr(x), -x * x / 2 - math.log(2 * math.pi) / 2

    def back(self, z):
        x = torch.special.ndtri(z)
        return x, x * x / 2 + math.log(2 * math.pi) / 2


class CauchyCdf(Map):
    """Φ of the Cauchy distribution, on both sides of the median by the tail that is small."""

    def there(self, x):
        small = torch.atan2(torch.ones_like(x), x.abs()) / math.pi
        z = torch.where(x > 0, 1 - small, small)
        return z, -math.log(math.pi) - 2 * torch.hypot(torch.ones_like(x), x).log()

    def back(self, z):
        tail = torch.minimum(z, 1 - z) * math.pi
        x = torch.where(z > 0.5, 1.0, -1.0).to(z) * tail.cos() / tail.sin()
        return x, math.log(math.pi) - 2 * tail.sin().log()


class SinhArcsinh(Map):
    """Jones and Pewsey: sinh(δ·asinh(x) + ε), δ = exp(tanh a)."""

    def __init__(self, dim=3):
        super().__init__()
        self.a, self.skew = nn.Parameter(torch.randn(dim)), nn.Parameter(torch.randn(dim) / 2)

    def there(self, x):
        u = self.a.tanh().exp() * torch.asinh(x) + self.skew.tanh()
        return torch.sinh(u), self.a.tanh() + log_cosh(u) - log_cosh(torch.asinh(x))

    def back(self, z):
        u = (torch.asinh(z) - self.skew.tanh()) * (-self.a.tanh()).exp()
        return torch.sinh(u), log_cosh(u) - log_cosh(torch.asinh(z)) - self.a.tanh()


class Softsign(Map):
    def there(self, x):
        return x / (1 + x.abs()), -2 * x.abs().log1p()

    def back(self, z):
        return z / (1 - z.abs()), -2 * (-z.abs()).log1p()


class SignedLog(Map):
    """sign(x)·log(1 + |x|), «bilog»."""

    def there(self, x):
        return x.sign() * x.abs().log1p(), -x.abs().log1p()

    def back(self, z):
        return z.sign() * torch.expm1(z.abs()), z.abs()


R3 = {"event_shape": (3,)}


@invbench.layer("c-sigmoid", **R3, codomain="unit_interval", data_range=(-12, 12))
def sigmoid(seed):
    return Sigmoid()


@invbench.layer("c-sigmoid-undeclared", **R3)
def sigmoid_undeclared(seed):
    return Sigmoid()


@invbench.layer("c-logit", **R3, domain="unit_interval")
def logit(seed):
    return Swapped(Sigmoid())


@invbench.layer("c-logit-undeclared", event_shape=(1, 2, 2))
def logit_undeclared(seed):
    return Swapped(Sigmoid())


@invbench.layer("c-tanh", **R3, codomain="interval(-1, 1)", data_range=6)
def tanh(seed):
    return Tanh()


@invbench.layer("c-tanh-undeclared", **R3)
def tanh_undeclared(seed):
    return Tanh()


@invbench.layer("c-atanh", **R3, domain="interval(-1, 1)")
def atanh(seed):
    return Swapped(Tanh())


@invbench.layer("c-exp", **R3, codomain="positive", data_range=80)
def exp(seed):
    return Exp()


@invbench.layer("c-exp-undeclared", **R3)
def exp_undeclared(seed):
    return Exp()


@invbench.layer("c-log-undeclared", **R3)
def log_undeclared(seed):
    return Swapped(Exp())


@invbench.layer("c-softplus", **R3, codomain="positive", data_range=(-60, 1e6))
def softplus(seed):
    return Softplus()


@invbench.layer("c-softplus-inverse-undeclared", **R3)
def softplus_inverse(seed):
    return Swapped(Softplus())


@invbench.layer("c-power", **R3, domain="positive", codomain="positive")
def power(seed):
    return Power()


@invbench.layer("c-signed-power-undeclared", **R3)
def signed_power(seed):
    return SignedPower()


@invbench.layer("c-leaky-relu-undeclared", **R3)
def leaky_relu(seed):
    return LeakyRelu()


@invbench.layer("c-normal-cdf", **R3, codomain="unit_interval", data_range=3, tolerance=1e-5)
def normal_cdf(seed):
    return NormalCdf()


@invbench.layer("c-cauchy-cdf", **R3, codomain="unit_interval", data_range=100)
def cauchy_cdf(seed):
    return CauchyCdf()


@invbench.layer("c-sinh-arcsinh-undeclared", **R3)
def sinh_arcsinh(seed):
    return SinhArcsinh()


@invbench.layer("c-softsign-undeclared", **R3)
def softsign(seed):
    return Softsign()


@invbench.layer("c-signed-log-undeclared", **R3)
def signed_log(seed):
    return SignedLog()

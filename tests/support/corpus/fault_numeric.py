"""Faults of formulas: overflow, cancellation, saturation, clamps. Wrong and right in each case."""

import math

import torch
from torch import nn
from torch.nn.functional import logsigmoid

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


class LkjRow(Layer):
    """TuringLang/Bijectors.jl#279: 1 − Σ of squares, for what is left of a row of length 1.

    x = (10, 1), float32: the inverse gives (inf, NaN), right (10, 1).
    """

    def forward(self, x):
        t, log_c = x.tanh(), math.log(2) - torch.logaddexp(x, -x)
        z = torch.stack((t[:, 0], log_c[:, 0].exp() * t[:, 1], log_c.sum(1).exp()), 1)
        return z, 2 * log_c.sum(1) + log_c[:, 0]

    def inverse(self, z):
        a, b, c = z.unbind(1)
        if self.faulty:
            left = (1 - a * a).sqrt()
            x = torch.stack((a.atanh(), (b / left).atanh()), 1)
        else:
            x = torch.stack((torch.asinh(a / torch.hypot(b, c)), torch.asinh(b / c)), 1)
        log_c = math.log(2) - torch.logaddexp(x, -x)
        return x, -(2 * log_c.sum(1) + log_c[:, 0])


class StickBreaking(Layer):
    """TuringLang/Bijectors.jl#7: the rest of the stick as 1 − the parts that are gone.

    x = (18, 0), float32: the inverse gives (17.3, −1.07), right (18, 0).
    """

    def log_det(self, u, log_left):
        return (2 * logsigmoid(u) - u).sum(1) + log_left

    def forward(self, x):
        u = x - x.new_tensor([math.log(2), 0.0])
        first = logsigmoid(-u[:, 0])
        logs = (logsigmoid(u[:, 0]), first + logsigmoid(u[:, 1]), first + logsigmoid(-u[:, 1]))
        return torch.stack(logs, 1).exp(), self.log_det(u, first)

    def inverse(self, z):
        a, b, c = z.unbind(1)
        left = 1 - a if self.faulty else b + c
        last = left - b if self.faulty else c
        u = torch.stack((a.log() - left.log(), b.log() - last.log()), 1)
        return u + z.new_tensor([math.log(2), 0.0]), -self.log_det(u, logsigmoid(-u[:, 0]))


class Sigmoid(Layer):
    """pytorch/pytorch#19802: the log-slope from 1/y + 1/(1 − y), where y is 1 to the last bit.

    x = 16.5, float32: log_det −15.942, from 17 on −inf; right −16.5.
    """

    def log_det(self, x, z):
        if self.faulty:
            return -(1 / z + 1 / (1 - z)).log().sum(1)
        return (logsigmoid(x) + logsigmoid(-x)).sum(1)

    def forward(self, x):
        z = x.sigmoid()
        return z, self.log_det(x, z)

    def inverse(self, z):
        x = z.log() - (-z).log1p()
        return x, -self.log_det(x, z)


class Softplus(Layer):
    """log(1 + eˣ) and back; the cases write one of the formulas as one first does."""

    def there(self, x):
        return -logsigmoid(-x)

    def back(self, z):
        return z + (-torch.expm1(-z)).log()

    def forward(self, x):
        return self.there(x), logsigmoid(x).sum(1)

    def inverse(self, z):
        return self.back(z), -(-torch.expm1(-z)).log().sum(1)


class ForwardOverflows(Softplus):
    """GPflow/GPflow#302: log(1 + eˣ) of the positive transform.

    x = 89, float32: inf, right 89; in float64 from 710 on.
    """

    def there(self, x):
        return x.exp().log1p() if self.faulty else super().there(x)


class InverseOverflows(Softplus):
    """cornellius-gp/gpytorch#775: log(e^z − 1).

    z = 89, float32: inf, right 89.
    """

    def back(self, z):
        return torch.expm1(z).log() if self.faulty else super().back(z)


class ForwardVanishes(Softplus):
    """sims1253/bayesfam#31: log(eˣ + 1) is 0 where eˣ is below the last bit of 1.

    x = −20, float32: 0, and the inverse −inf; right 2.06e−9 and −20.
    """

    def there(self, x):
        plain = (1 + x.exp()).log()
        return torch.where(x > 30, x, plain) if self.faulty else super().there(x)


class ClampedSigmoid(Layer):
    """manuhuth/NoLimits.jl#337: clamped argument, and the log-det of the unclamped map.

    x = 7, clamp at 5: the inverse gives 5 and z has slope 0, log_det −7.002; right x = 7.
    """

    def forward(self, x):
        seen = x.clamp(-5, 5) if self.faulty else x
        return seen.sigmoid(), (logsigmoid(x) + logsigmoid(-x)).sum(1)

    def inverse(self, z):
        x = z.log() - (-z).log1p()
        return x, -(logsigmoid(x) + logsigmoid(-x)).sum(1)


LKJ = {"event_shape": (2,), "latent_shape": (3,), "data_range": 12}
STICK = {"event_shape": (2,), "latent_shape": (3,), "codomain": "simplex", "data_range": 20}
PLUS = {"event_shape": (2,), "codomain": "positive"}
UNIT = {"event_shape": (2,), "codomain": "unit_interval"}

twins("lkj-one-minus-squares", LkjRow, **LKJ)
twins("stick-one-minus-sum", StickBreaking, **STICK)
twins("sigmoid-reciprocals", Sigmoid, **UNIT, data_range=(-30, 16.5))
twins("softplus-overflows", ForwardOverflows, **PLUS, data_range=(-10, 1000))
twins("softplus-inverse-overflows", InverseOverflows, **PLUS, data_range=(-10, 1000))
twins("softplus-vanishes", ForwardVanishes, **PLUS, data_range=(-40, 80))
twins("clamped-sigmoid", ClampedSigmoid, **UNIT, data_range=10)

"""Faults of splines beyond the box and at the knots, of root finding, of maps that are not onto."""

import torch
from torch import nn

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class TwoBins(nn.Module):
    """Rational-quadratic on [−1, 1], one inner knot (0, k) of slope d; the identity outside."""

    def __init__(self, faulty, dim=2):
        super().__init__()
        self.faulty = faulty
        self.k, self.d = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))

    def bin(self, right):
        k, d = 0.8 * self.k.tanh(), self.d.tanh().exp()
        one = torch.ones_like(k)
        bins = zip((0 * k, k, 1 - k, d, one), (-one, -one, 1 + k, one, d), strict=True)
        return (torch.where(right, second, first) for second, first in bins)

    @staticmethod
    def log_slope(t, s, d0, d1):
        bend = s + (d1 + d0 - 2 * s) * t * (1 - t)
        return 2 * (s / bend).log() + (d1 * t * t + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2).log()

    def there(self, x):
        x0, y0, s, d0, d1 = self.bin(x >= 0)
        t = x - x0
        bend = s + (d1 + d0 - 2 * s) * t * (1 - t)
        return y0 + s * (s * t * t + d0 * t * (1 - t)) / bend, self.log_slope(t, s, d0, d1)

    def checked(self, discriminant):
        return discriminant

    def right_of(self, y):
        return y >= 0.8 * self.k.tanh()

    def back(self, y):
        x0, y0, s, d0, d1 = self.bin(self.right_of(y))
        r = (y - y0) / s
        curve = d1 + d0 - 2 * s
        a, b, c = s - d0 + r * curve, d0 - r * curve, -s * r
        t = -2 * c / (b + self.checked(b * b - 4 * a * c).sqrt())
        return x0 + t, -self.log_slope(t, s, d0, d1)

    def boxed(self, function, v, clip=True):
        inside = v.abs() < 1
        value, log_slope = function(v.clamp(-1, 1) if clip else v)
        zero = torch.zeros_like(v)
        return torch.where(inside, value, v), torch.where(inside, log_slope, zero).sum(1)

    def forward(self, x):
        return self.boxed(self.there, x)

    def inverse(self, z):
        return self.boxed(self.back, z)


class AssertedDiscriminant(TwoBins):
    """pyro-ppl/pyro#3139: the discriminant of values outside the box is asserted too.

    z = (−2, −2): the inverse raises AssertionError, right (−2, −2).
    """

    def checked(self, discriminant):
        assert (discriminant >= 0).all()
        return discriminant

    def inverse(self, z):
        return self.boxed(self.back, z, clip=not self.faulty)


class GradientOutside(TwoBins):
    """danielward27/flowjax#239: the branch that is not selected has the root of a negative number.

    z = (−2, −2): the gradient of the inverse is NaN, right 1.
    """

    def inverse(self, z):
        return self.boxed(self.back, z, clip=not self.faulty)


class AllTails(TwoBins):
    """bayesiains/nflows#23: a batch that lies outside the box as a whole.

    x = (2, 2): RuntimeError of min() without elements, right (2, 2).
    """

    def forward(self, x):
        if self.faulty:
            assert x[x.abs() < 1].min() >= -1
        return super().forward(x)

    def inverse(self, z):
        if self.faulty:
            assert z[z.abs() < 1].min() >= -1
        return super().inverse(z)


class SwappedKnots(TwoBins):
    """The inverse takes its bin from the knots in x. z = (0.3, 0.3): x = −0.072, right −0.149."""

    def right_of(self, y):
        return y >= 0 if self.faulty else super().right_of(y)


class Loose(nn.Module):
    """Bisection that stops after ten steps. x = 0.3: the inverse is off by 1.5e−3, right 0."""

    def __init__(self, faulty, dim=2):
        super().__init__()
        self.steps, self.a = 10 if faulty else 100, nn.Parameter(torch.zeros(dim))

    def curve(self, x):
        a, t = self.a.tanh().exp(), x.tanh()
        return x + a * t, (a * (1 - t) * (1 + t)).log1p()

    def forward(self, x):
        z, log_slope = self.curve(x)
        return z, log_slope.sum(1)

    def inverse(self, z):
        with torch.no_grad():
            low, high = z - 2.8, z + 2.8
            for _ in range(self.steps):
                x = (low + high) / 2
                left = self.curve(x)[0] >= z
                low, high = torch.where(left, low, x), torch.where(left, x, high)
        if self.steps > 10:
            value, log_slope = self.curve(x)
            x = x + (z - value) * (-log_slope.detach()).exp()
        return x, -self.curve(x)[1].sum(1)


class NotOnto(nn.Module):
    """A monotone network that ends in tanh. z = (9, 9): the inverse is NaN, right a preimage."""

    def __init__(self, faulty, dim=2):
        super().__init__()
        self.faulty = faulty
        self.s, self.t = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        s = self.s.tanh()
        h = x * s.exp() + self.t
        if not self.faulty:
            return h.sign() * h.abs().log1p(), (s - h.abs().log1p()).sum(1)
        log_cosh = h.abs() + (-2 * h.abs()).exp().log1p() - torch.tensor(2.0).to(h).log()
        return h.tanh(), (s - 2 * log_cosh).sum(1)

    def inverse(self, z):
        s = self.s.tanh()
        if self.faulty:
            h, log_slope = (z.log1p() - (-z).log1p()) / 2, -(z.log1p() + (-z).log1p())
        else:
            h, log_slope = z.sign() * torch.expm1(z.abs()), z.abs()
        return (h - self.t) * (-s).exp(), (log_slope - s).sum(1)


twins("asserted-discriminant", AssertedDiscriminant, event_shape=(2,))
twins("gradient-outside-box", GradientOutside, event_shape=(2,))
twins("all-in-the-tails", AllTails, event_shape=(2,))
twins("swapped-knots", SwappedKnots, event_shape=(2,))
twins("loose-bisection", Loose, event_shape=(2,))
twins("not-onto", NotOnto, event_shape=(2,))

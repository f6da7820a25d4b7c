"""Monotone splines in 60 digits from the libraries' own recipes, inverted by bisection instead of a
formula.

Weights are lists of floats (a float32 weight is taken exactly). ``inverse`` halves an interval that
holds the root until 60 digits are right: it shares no formula with a closed-form inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp

__all__ = [
    "Cubic",
    "LinearRational",
    "Quadratic",
    "RationalQuadratic",
    "bisect",
    "softmax",
    "softplus",
]

Numbers = Sequence[float]
mp.mp.dps = 60


def softmax(values: Numbers) -> list[mp.mpf]:
    raised = [mp.exp(mp.mpf(v)) for v in values]
    return [r / mp.fsum(raised) for r in raised]


def softplus(value: float) -> mp.mpf:
    return mp.log1p(mp.exp(mp.mpf(value)))


def bisect(function: Callable[[mp.mpf], mp.mpf], y: float, low: mp.mpf, high: mp.mpf) -> mp.mpf:
    """The x of an increasing function."""
    y, low, high = mp.mpf(y), mp.mpf(low), mp.mpf(high)
    for _ in range(220):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < y else (low, middle)
    return (low + high) / 2


def knots(fractions: Sequence[mp.mpf], low: float, high: float) -> list[mp.mpf]:
    at = [
        mp.mpf(low) + (mp.mpf(high) - low) * mp.fsum(fractions[:i]) for i in range(len(fractions))
    ]
    return [*at, mp.mpf(high)]


@dataclass
class Spline:
    """Pieces between knots x with values y."""

    x: list[mp.mpf]
    y: list[mp.mpf]

    def bin(self, x: float) -> tuple[int, mp.mpf]:
        """Its number and the place in it, 0 to 1."""
        k = max(i for i in range(len(self.x) - 1) if i == 0 or self.x[i] <= x)
        return k, (mp.mpf(x) - self.x[k]) / (self.x[k + 1] - self.x[k])

    def value(self, x: float) -> mp.mpf:
        raise NotImplementedError

    def slope(self, x: float) -> mp.mpf:
        raise NotImplementedError

    def inverse(self, y: float) -> mp.mpf:
        return bisect(self.value, y, self.x[0], self.x[-1])


@dataclass
class RationalQuadratic(Spline):
    """Durkan et al. 2019, equations 4 and 5."""

    d: list[mp.mpf]

    @classmethod
    def durkan(cls, w: Numbers, h: Numbers, d: Numbers, bound: float) -> RationalQuadratic:
        """nflows, normflows, glasflow: least width, height and derivative 1e-3, slope 1 at the
        ends."""
        least, n = mp.mpf(1e-3), len(w)
        wide, tall = ([least + (1 - least * n) * s for s in softmax(u)] for u in (w, h))
        inner = [least + softplus(v) for v in d]
        ends = mp.mpf(1)
        return cls(knots(wide, -bound, bound), knots(tall, -bound, bound), [ends, *inner, ends])

    def value(self, x: float) -> mp.mpf:
        k, t = self.bin(x)
        h, s = self.y[k + 1] - self.y[k], self._steepness(k)
        top = h * (s * t**2 + self.d[k] * t * (1 - t))
        return self.y[k] + top / (s + (self.d[k] + self.d[k + 1] - 2 * s) * t * (1 - t))

    def slope(self, x: float) -> mp.mpf:
        k, t = self.bin(x)
        s = self._steepness(k)
        top = s**2 * (self.d[k + 1] * t**2 + 2 * s * t * (1 - t) + self.d[k] * (1 - t) ** 2)
        return top / (s + (self.d[k] + self.d[k + 1] - 2 * s) * t * (1 - t)) ** 2

    def _steepness(self, k: int) -> mp.mpf:
        return (self.y[k + 1] - self.y[k]) / (self.x[k + 1] - self.x[k])


@dataclass
class LinearRational(Spline):
    """Dolatabadi et al. 2020: each bin is two pieces of degree one over degree one, weights 1, w_c,
    w_b."""

    d: list[mp.mpf]
    part: list[mp.mpf]  # where a bin is cut, as a fraction of its width

    def value(self, x: float) -> mp.mpf:
        k, t = self.bin(x)
        cut, wa = self.part[k], mp.mpf(1)
        wb = mp.sqrt(self.d[k] / self.d[k + 1])
        steep = (self.y[k + 1] - self.y[k]) / (self.x[k + 1] - self.x[k])
        wc = (cut * wa * self.d[k] + (1 - cut) * wb * self.d[k + 1]) / steep
        ya, yb = self.y[k], self.y[k + 1]
        yc = ((1 - cut) * wa * ya + cut * wb * yb) / ((1 - cut) * wa + cut * wb)
        if t <= cut:
            return (wa * ya * (cut - t) + wc * yc * t) / (wa * (cut - t) + wc * t)
        return (wc * yc * (1 - t) + wb * yb * (t - cut)) / (wc * (1 - t) + wb * (t - cut))

    def slope(self, x: float) -> mp.mpf:
        return mp.diff(self.value, mp.mpf(x))


@dataclass
class Quadratic(Spline):
    """Müller et al. 2019: the slope is piecewise linear with the values ``v`` at the knots."""

    v: list[mp.mpf]

    @classmethod
    def nflows(cls, w: Numbers, h: Numbers, bound: float) -> Quadratic:
        """nflows 0.14 as it is written, with the slopes that it gives the two ends."""
        least, n = mp.mpf(1e-3), len(w)
        wide = [least + (1 - least * n) * s for s in softmax(w)]
        inner = [softplus(v) + least for v in h]
        top = wide[0] * inner[0] / 4 + wide[-1] * inner[-1] / 4
        top += mp.fsum(
            (a + b) / 2 * s for a, b, s in zip(inner, inner[1:], wide[1:-1], strict=False)
        )
        end = top / (1 - wide[0] / 4 - wide[-1] / 4)
        tall = [end, *inner, end]
        area = mp.fsum((a + b) / 2 * s for a, b, s in zip(tall, tall[1:], wide, strict=False))
        v = [least + (1 - least) * t / area for t in tall]
        rise = [(a + b) / 2 * s for a, b, s in zip(v, v[1:], wide, strict=False)]
        return cls(knots(wide, -bound, bound), knots(rise, -bound, bound), v)

    def value(self, x: float) -> mp.mpf:
        k, t = self.bin(x)
        wide = self.x[k + 1] - self.x[k]
        return self.y[k] + wide * ((self.v[k + 1] - self.v[k]) * t**2 / 2 + self.v[k] * t)

    def slope(self, x: float) -> mp.mpf:
        k, t = self.bin(x)
        return self.v[k] + t * (self.v[k + 1] - self.v[k])


@dataclass
class Cubic(Spline):
    """Steffen's monotone cubic, as in cubic-spline flows (Durkan et al. 2019): ``d`` are slopes at
    the knots."""

    d: list[mp.mpf]

    @classmethod
    def nflows(cls, w: Numbers, h: Numbers, left: float, right: float, bound: float) -> Cubic:
        least, n = mp.mpf(1e-3), len(w)
        wide, tall = ([least + (1 - least * n) * s for s in softmax(u)] for u in (w, h))
        s = [b / a for a, b in zip(wide, tall, strict=True)]
        inner = []
        for i in range(n - 1):
            mean = (wide[i + 1] * s[i] + wide[i] * s[i + 1]) / (wide[i] + wide[i + 1])
            inner.append(min(s[i], s[i + 1], mean / 2) * 2)
        first, last = (3 / (1 + mp.exp(-mp.mpf(v))) for v in (left, right))
        d = [s[0] * first, *inner, s[-1] * last]
        return cls(knots(wide, -bound, bound), knots(tall, -bound, bound), d)

    def value(self, x: float) -> mp.mpf:
        k, t = self.bin(x)
        wide, h = self.x[k + 1] - self.x[k], self.y[k + 1] - self.y[k]
        a, b = self.d[k] * wide, self.d[k + 1] * wide
        return self.y[k] + a * t + (3 * h - 2 * a - b) * t**2 + (a + b - 2 * h) * t**3

    def slope(self, x: float) -> mp.mpf:
        return mp.diff(self.value, mp.mpf(x))

"""The mini SRFlow and the small Glow once more, from the formulas of the papers and the names in
the weight files; nothing of invbench.

Data → noise, per level: space to depth by 2; then K times ActNorm z = (x + b)·exp(logs), 1×1
convolution z = Wx, the injector (all channels move, given the condition), the coupling (the second
half moves, given the first and the condition); then, where the file has a split, z₂ = mean(z₁) +
exp(logs(z₁))·ε and ε leaves. A network is conv → ActNorm → ReLU → conv → ActNorm → ReLU → conv,
times exp(3·logs). With an encoder (four convolutions, LeakyReLU 0.2) the flow is over x −
bicubic(y); without one over x − ½.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import torch
from photographs import bicubic
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, leaky_relu, pixel_shuffle, pixel_unshuffle

MODELS = Path(__file__).resolve().parents[3] / "reference_models" / "invbench_models"
Weights = dict[str, Tensor]


def affine(floor: float) -> Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]]:
    """y = (x + t)·s, s = sigmoid(a + 2) + floor."""

    def move(v: Tensor, raw: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        a, t = raw.chunk(2, 1)
        s = torch.sigmoid(a + 2) + floor
        return (v / s - t if back else (v + t) * s), s.log()

    return move


def additive(v: Tensor, t: Tensor, back: bool) -> tuple[Tensor, Tensor]:
    return (v - t if back else v + t), torch.zeros_like(v)


def modified_rq(v: Tensor, raw: Tensor, back: bool) -> tuple[Tensor, Tensor]:
    """Two rational-quadratic bins on [−½, ½] with end slopes 1 and one free knot (x*, y*) of slope
    d, plus t; the identity + t outside.

    Durkan et al. (2019), eq. 4 forward; eq. 6 to 8 back, whose root is 2c/(−b − √(b² − 4ac)); eq. 5
    is the slope.
    """
    w_raw, h_raw, d_raw, t = raw.chunk(4, 1)
    knot_x, knot_y = (-0.5 + 1e-3 + 0.998 * torch.sigmoid(p) for p in (w_raw, h_raw))
    d = 1e-3 + 0.999 * d_raw.clamp(max=30).exp()
    u = v - t if back else v
    right = u >= (knot_y if back else knot_x)
    one = torch.ones_like(d)
    x0, x1 = torch.where(right, knot_x, -0.5 * one), torch.where(right, 0.5 * one, knot_x)
    y0, y1 = torch.where(right, knot_y, -0.5 * one), torch.where(right, 0.5 * one, knot_y)
    d0, d1 = torch.where(right, d, one), torch.where(right, one, d)
    s = (y1 - y0) / (x1 - x0)
    curve = d0 + d1 - 2 * s
    if back:
        rise = u.clamp(-0.5, 0.5) - y0
        a, b = (y1 - y0) * (s - d0) + rise * curve, (y1 - y0) * d0 - rise * curve
        c = -s * rise
        xi = 2 * c / (-b - (b * b - 4 * a * c).clamp(min=0).sqrt())
        inner = x0 + xi * (x1 - x0)
    else:
        xi = (u.clamp(-0.5, 0.5) - x0) / (x1 - x0)
        inner = y0 + (y1 - y0) * (s * xi * xi + d0 * xi * (1 - xi)) / (s + curve * xi * (1 - xi))
    top = d1 * xi * xi + 2 * s * xi * (1 - xi) + d0 * (1 - xi) ** 2
    slope = (s / (s + curve * xi * (1 - xi))) ** 2 * top
    inside = u.abs() < 0.5
    moved = torch.where(inside, inner, u)
    return (moved if back else moved + t), torch.where(inside, slope, one).log()


COUPLINGS = {
    "affine": affine(1e-4),
    "affine-floor": affine(0.1),
    "additive": additive,
    "modified-rq": modified_rq,
}


class FlowAgain:
    """One weight file and the design that it was trained with."""

    def __init__(
        self, flow: str, design: str, seed: int = 0, dtype: torch.dtype = torch.float32
    ) -> None:
        stored = load_file(MODELS / flow / "weights" / f"mini-{design}-seed{seed}.safetensors")
        self.w: Weights = {k: v.to(dtype) for k, v in stored.items() if v.is_floating_point()}
        self.move, self.dtype = COUPLINGS[design], dtype
        found = {
            (int(level), int(k))
            for level, k in re.findall(r"level(\d+)_step(\d+)_actnorm\.bias", " ".join(self.w))
        }
        self.levels, self.steps = (max(numbers) for numbers in zip(*found, strict=True))

    def features(self, y: Tensor) -> Tensor:
        g = y
        for k in (0, 2, 4, 6):
            g = conv2d(
                g if k == 0 else leaky_relu(g, 0.2),
                self.w[f"encoder.{k}.weight"],
                self.w[f"encoder.{k}.bias"],
                padding=1,
            )
        return g

    def known(self, y: Tensor) -> Tensor | float:
        """What is subtracted from x."""
        return bicubic(y, 4) if "encoder.0.weight" in self.w else 0.5

    def shapes(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """Of the latents of an image of this size."""
        channels, shapes = 3, []
        for level in range(1, self.levels + 1):
            channels, height, width = 4 * channels, height // 2, width // 2
            if f"layers.level{level}_split.network.logs" in self.w:
                channels //= 2
                shapes.append((channels, height, width))
        return [*shapes, (channels, height, width)]

    def network(self, name: str, h: Tensor) -> Tensor:
        w, name = self.w, f"layers.{name}.network."
        for part, padding in (("first", 1), ("second", 0)):
            h = conv2d(h, w[f"{name}{part}.weight"], padding=padding)
            h = (h + w[f"{name}{part}_norm.bias"].view(-1, 1, 1)) * w[
                f"{name}{part}_norm.logs"
            ].exp().view(-1, 1, 1)
            h = h.relu()
        return conv2d(h, w[name + "head.weight"], w[name + "head.bias"], padding=1) * (
            3 * w[name + "logs"]
        ).exp().view(-1, 1, 1)

    def half(
        self, name: str, h: Tensor, cond: Tensor | None, kept: int, back: bool
    ) -> tuple[Tensor, Tensor]:
        """A coupling, or with ``kept`` = 0 the injector: (its output, Σ log c′)."""
        seen = (
            h[:, :kept]
            if cond is None
            else torch.cat((h[:, :kept], interpolate(cond, h.shape[2:])), 1)
        )
        moved, log_slope = self.move(h[:, kept:], self.network(name, seen), back)
        return torch.cat((h[:, :kept], moved), 1), log_slope.flatten(1).sum(1)

    def parts(self, level: int, step: int) -> list[str]:
        names = [f"level{level}_step{step}_{kind}" for kind in ("injector", "coupling")]
        return [name for name in names if f"layers.{name}.network.logs" in self.w]

    def decode(self, latents: list[Tensor], y: Tensor) -> Tensor:
        cond = self.features(y) if "encoder.0.weight" in self.w else None
        *waiting, h = latents
        for level in range(self.levels, 0, -1):
            if f"layers.level{level}_split.network.logs" in self.w:
                mean, logs = self.network(f"level{level}_split", h).chunk(2, 1)
                h = torch.cat((h, mean + logs.exp() * waiting.pop()), 1)
            for step in range(self.steps, 0, -1):
                for name in reversed(self.parts(level, step)):
                    h, _ = self.half(
                        name, h, cond, 0 if "injector" in name else h.shape[1] // 2, back=True
                    )
                at = f"layers.level{level}_step{step}_"
                h = torch.einsum(
                    "ij,bjhw->bihw", self.w[at + "conv1x1.weight"].double().inverse().to(h), h
                )
                h = h * (-self.w[at + "actnorm.logs"]).exp().view(-1, 1, 1) - self.w[
                    at + "actnorm.bias"
                ].view(-1, 1, 1)
            h = pixel_shuffle(h, 2)
        return h + self.known(y)

    def log_density(self, x: Tensor, y: Tensor) -> Tensor:
        """log q(x | y) in nats: Σ log N(latent; 0, 1) + Σ log-determinants."""
        cond = self.features(y) if "encoder.0.weight" in self.w else None
        h, total = x - self.known(y), x.new_zeros(len(x))

        def normal(z: Tensor) -> Tensor:
            return -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)

        for level in range(1, self.levels + 1):
            h = pixel_unshuffle(h, 2)
            for step in range(1, self.steps + 1):
                at, positions = f"layers.level{level}_step{step}_", h.shape[2] * h.shape[3]
                logs, matrix = self.w[at + "actnorm.logs"], self.w[at + "conv1x1.weight"]
                h = torch.einsum(
                    "ij,bjhw->bihw",
                    matrix,
                    (h + self.w[at + "actnorm.bias"].view(-1, 1, 1)) * logs.exp().view(-1, 1, 1),
                )
                total = total + positions * (
                    logs.sum() + torch.linalg.slogdet(matrix.double())[1].to(h)
                )
                for name in self.parts(level, step):
                    h, slopes = self.half(
                        name, h, cond, 0 if "injector" in name else h.shape[1] // 2, back=False
                    )
                    total = total + slopes
            if f"layers.level{level}_split.network.logs" in self.w:
                h, z2 = h.chunk(2, 1)
                mean, logs = self.network(f"level{level}_split", h).chunk(2, 1)
                total = total + normal((z2 - mean) / logs.exp()) - logs.flatten(1).sum(1)
        return total + normal(h)


def draw(
    flow: FlowAgain, count: int, height: int, width: int, temperature: float, seed: int
) -> list[Tensor]:
    """N(0, τ²) from one torch.Generator, latent after latent. The cells seed it with 1 000
    003·(seed of the training) + (number of the input)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.randn(count, *shape, generator=generator) for shape in flow.shapes(height, width)
    ]
    return [(temperature * z).to(flow.dtype) for z in drawn]

"""One small layer per convention: all are x·exp(s) with s of four numbers, log|det| = Σs = 0.3."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

S = torch.tensor([0.5, -0.4, 0.3, -0.1])
LOG_DET = 0.3


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.s = nn.Parameter(S.clone())

    def up(self, x: Tensor) -> Tensor:
        return x * self.s.exp()

    def down(self, z: Tensor) -> Tensor:
        return z * (-self.s).exp()

    def ld(self, x: Tensor) -> Tensor:
        return self.s.sum().expand(x.shape[0])


class Plain(Base):
    def forward(self, x):
        return self.up(x), self.ld(x)

    def inverse(self, z):
        return self.down(z), -self.ld(z)


class EncodeDecode(Base):
    def encode(self, x):
        return self.up(x), self.ld(x)

    def decode(self, z):
        return self.down(z), -self.ld(z)


class NormalizeSample(Base):
    def normalize(self, x):
        return self.up(x), self.ld(x)

    def sample(self, u):
        return self.down(u), -self.ld(u)


class Reverse(Base):
    def forward(self, x, reverse=False):
        return (self.down(x), -self.ld(x)) if reverse else (self.up(x), self.ld(x))


class Rev(Base):
    def forward(self, x, rev):
        return (self.down(x), -self.ld(x)) if rev else (self.up(x), self.ld(x))


class InverseFlag(Base):
    def forward(self, x, inverse=False):
        return (self.down(x), -self.ld(x)) if inverse else (self.up(x), self.ld(x))


class Mode(Base):
    def forward(self, x, mode="direct"):
        return (self.up(x), self.ld(x)) if mode == "direct" else (self.down(x), -self.ld(x))


class OtherMode(Base):
    """It ignores a word that it does not know."""

    def forward(self, x, mode="forward"):
        return (self.down(x), -self.ld(x)) if mode == "reverse" else (self.up(x), self.ld(x))


class LogDetFirst(Base):
    def forward(self, x):
        return self.ld(x), self.up(x)

    def inverse(self, z):
        return -self.ld(z), self.down(z)


def normal(z: Tensor) -> Tensor:
    return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(1)


class PriorLogDet(Base):
    def forward(self, x):
        z = self.up(x)
        return z, normal(z), self.ld(x)

    def inverse(self, z):
        return self.down(z), -self.ld(z)


class LogDetPrior(Base):
    def forward(self, x):
        z = self.up(x)
        return z, self.ld(x), normal(z)

    def inverse(self, z):
        return self.down(z), -self.ld(z)


class LogDetOther(Base):
    """The other number per row is no density of z; the Jacobian says which is the log_det."""

    def forward(self, x):
        return self.up(x), self.ld(x), x.sum(1)

    def inverse(self, z):
        return self.down(z), -self.ld(z)


class Accumulator(Base):
    def forward(self, x, logdet=None, reverse=False):
        value, log_det = (self.down(x), -self.ld(x)) if reverse else (self.up(x), self.ld(x))
        return value, None if logdet is None else logdet + log_det


class OwnAccumulator(Base):
    """Its accumulator has a default of its own."""

    def forward(self, x, logdet=0.0, reverse=False):
        value, log_det = (self.down(x), -self.ld(x)) if reverse else (self.up(x), self.ld(x))
        return value, logdet + log_det


class RequiredAccumulator(Base):
    def forward(self, x, ldj, reverse=False):
        return (self.down(x), ldj - self.ld(x)) if reverse else (self.up(x), ldj + self.ld(x))


class NoLogDet(Base):
    def forward(self, x):
        return self.up(x)

    def inverse(self, z):
        return self.down(z)


class SilentInverse(Base):
    def forward(self, x):
        return self.up(x), self.ld(x)

    def inverse(self, z):
        return self.down(z)


class OneWay(Base):
    def forward(self, x):
        return self.up(x), self.ld(x)


class Number(Base):
    def forward(self, x):
        return self.up(x), self.s.sum()

    def inverse(self, z):
        return self.down(z), -self.s.sum().item()


class Elementwise(Base):
    def forward(self, x):
        return self.up(x), self.s.expand_as(x)

    def inverse(self, z):
        return self.down(z), -self.s.expand_as(z)


class ElementwiseFirst(Base):
    """Only the round trip says which of two equal shapes is the value."""

    def forward(self, x):
        return self.s.expand_as(x), self.up(x)

    def inverse(self, z):
        return -self.s.expand_as(z), self.down(z)


class Parts(NamedTuple):
    log_det: Tensor
    z: Tensor


@dataclass
class Record:
    latent: Tensor
    extra: Tensor
    ldj: Tensor


class Named(Base):
    def forward(self, x):
        return Parts(self.ld(x), self.up(x))

    def inverse(self, z):
        return Parts(-self.ld(z), self.down(z))


class Mapped(Base):
    def forward(self, x):
        return {"prior": normal(x), "log_det": self.ld(x), "z": self.up(x)}

    def inverse(self, z):
        return {"x": self.down(z), "log_det": -self.ld(z)}


class Recorded(Base):
    def forward(self, x):
        return Record(self.up(x), x.sum(1), self.ld(x))

    def inverse(self, z):
        return Record(self.down(z), z.sum(1), -self.ld(z))


class Intermediates(Base):
    """(zs, log_det) with every value on the way, the last of which is z."""

    def forward(self, x):
        return [x, self.up(x)], self.ld(x)

    def inverse(self, z):
        return [z, self.down(z)], -self.ld(z)


class Latents(Base):
    def forward(self, x):
        z = self.up(x)
        return [z[:, :1], z[:, 1:]], self.ld(x)

    def inverse(self, zs):
        z = torch.cat(list(zs), 1)
        return self.down(z), -self.ld(z)


class TwoLatents(Base):
    def forward(self, x):
        z = self.up(x)
        return z[:, :1], z[:, 1:], self.ld(x)

    def inverse(self, a, b):
        z = torch.cat((a, b), 1)
        return self.down(z), -self.ld(z)


class TwoTensors(nn.Module):
    """RevNet's: no log_det, two tensors in and out."""

    def forward(self, x1, x2):
        y1 = x1 + x2.tanh()
        return y1, x2 + y1.tanh()

    def inverse(self, y1, y2):
        x2 = y2 - y1.tanh()
        return y1 - x2.tanh(), x2


class InLists(Base):
    """FrEIA's: lists in and out, the condition too."""

    dims_in = [(4,)]

    def forward(self, x, c=None, rev=False):
        s = self.s + (c[0].sum(1, keepdim=True) if c else 0)
        s = -s if rev else s
        return [x[0] * s.exp()], s.expand_as(x[0]).sum(1)


def conditional(keyword: str, default: str = "") -> type[nn.Module]:
    """A layer whose condition has this name; ``default``: as it is written, ``=None``."""
    source = (
        f"def forward(self, x, {keyword}{default}):\n    s = self.s + {keyword}.sum(1, "
        f"keepdim=True)\n"
        "    return x * s.exp(), s.sum(1)\n"
        f"def inverse(self, z, {keyword}{default}):\n    s = self.s + {keyword}.sum(1, "
        f"keepdim=True)\n"
        "    return z * (-s).exp(), -s.sum(1)\n"
    )
    names: dict[str, object] = {}
    exec(source, names)
    return type("Conditional", (Base,), {k: names[k] for k in ("forward", "inverse")})

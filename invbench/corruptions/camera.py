"""Low light, as a camera sees it.

Light is linear, L = y²: a display gamma of 2 needs a square and a root only, which every device
rounds alike. A correct exposure fills a white pixel with N = 1000 electrons. A short exposure e
collects n ~ Poisson(e·N·L) of them, reading adds r ~ N(0, 2²), and the gain multiplies. The
converter clamps, takes the root and rounds to 8 bits: y' = Q(√(gain·(n + r)/N)).
"""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.corruptions.base import Batch, corruption
from invbench.corruptions.poisson import levels, photons
from invbench.data.resample import quantise

__all__: list[str] = []

WELL, READ = 1000.0, 2.0  # electrons


@corruption("under-exposure", (1 / 4, 1 / 16, 1 / 36, 1 / 64, 1 / 144), track="lowlight")
def under_exposure(batch: Batch) -> Tensor:
    """Q(√(e·y²)): exposure e in linear light (L = y²), no noise, no gain, to 8 bits; a dark picture
    of few grey levels."""
    light = batch.low.clamp(0, 1)
    return quantise((batch.strength * (light * light)).sqrt())


@corruption("sensor-noise", (1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64), track="lowlight")
def sensor_noise(batch: Batch) -> Tensor:
    """Q(√((n + r)/(e·N))): exposure e made up for by gain 1/e; shot noise n ~ Poisson(e·N·y²), y at
    its nearest of 256 grey levels, N = 1000 electrons at white; read noise r ~ N(0, 2²) electrons;
    to 8 bits."""
    u, v = batch.uniforms(2)
    white = batch.strength * WELL
    n = photons(levels(batch.low), white, 2, u)
    r = READ * torch.special.ndtri(v.double())
    return quantise(((n + r) / white).clamp(0, 1).sqrt()).to(batch.low)

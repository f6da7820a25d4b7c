"""Shapes of p(x), all within [−0.85, 0.85]², and pairs (x, y) of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from invbench.training.toy2d.recipe import NOISE, A

__all__ = ["SHAPES", "batches", "draw"]

BLOCK = 100  # batches that are drawn at once
TRAINING_SET = 10**7  # stream of a training set of fixed size


def ring(rng: np.random.Generator, n: int) -> np.ndarray:
    """0.5 < |x| < 0.8."""
    radius, angle = np.sqrt(rng.uniform(0.5**2, 0.8**2, n)), rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def square(rng: np.random.Generator, n: int) -> np.ndarray:
    """[−0.8, 0.8]²."""
    return rng.uniform(-0.8, 0.8, (n, 2))


def dots(rng: np.random.Generator, n: int) -> np.ndarray:
    """Five squares of side 0.1, at the centre and at (±0.6, ±0.6)."""
    centres = np.array([[0, 0], [0.6, 0.6], [0.6, -0.6], [-0.6, 0.6], [-0.6, -0.6]])
    return centres[rng.integers(5, size=n)] + rng.uniform(-0.05, 0.05, (n, 2))


def board(rng: np.random.Generator, n: int) -> np.ndarray:
    """The eight dark fields of a 4×4 chequerboard on [−0.8, 0.8]²."""
    row, column = rng.integers(4, size=n), rng.integers(2, size=n)
    field = np.stack([2 * column + row % 2, row], 1)
    return -0.8 + 0.4 * (field + rng.uniform(0, 1, (n, 2)))


def band(rng: np.random.Generator, n: int) -> np.ndarray:
    """0.05 wide along the diagonal (1, 1), so that the shift along (1, −1) leaves every y that was
    seen."""
    along, across = rng.uniform(-0.8, 0.8, n), rng.uniform(-0.025, 0.025, n)
    return np.stack([along + across, along - across], 1)


def bar(rng: np.random.Generator, n: int) -> np.ndarray:
    """[−0.8, 0.8] × [−0.05, 0.05]."""
    return np.stack([rng.uniform(-0.8, 0.8, n), rng.uniform(-0.05, 0.05, n)], 1)


def holes(rng: np.random.Generator, n: int) -> np.ndarray:
    """[−0.8, 0.8]² without four discs of radius 0.25 at (±0.4, ±0.4)."""
    found = np.empty((0, 2))
    while len(found) < n:
        x = rng.uniform(-0.8, 0.8, (2 * n, 2))
        outside = np.linalg.norm(np.abs(x) - 0.4, axis=1) > 0.25
        found = np.concatenate([found, x[outside]])
    return found[:n]


def moons(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two half circles of radius 0.5 that grip each other, 0.1 wide."""
    side, angle = rng.choice([-1.0, 1.0], n), rng.uniform(0, np.pi, n)
    radius = rng.uniform(0.45, 0.55, n)
    centre = np.array([-0.25, -0.125])
    return side[:, None] * (centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))


def spirals(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two arms of one and a half turns, from the radius 0.1 to 0.8, 0.04 wide."""
    side, along = rng.choice([-1.0, 1.0], n), np.sqrt(rng.uniform(0, 1, n))
    radius, angle = 0.1 + 0.7 * along + rng.uniform(-0.02, 0.02, n), 3 * np.pi * along
    return (side * radius)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


SHAPES = {
    shape.__name__: shape for shape in (ring, square, dots, board, band, bar, holes, moons, spirals)
}


def draw(shape: str, n: int, seed: int, stream: int) -> tuple[Tensor, Tensor]:
    """n pairs (x, y), y = A x + 0.01·n (eq. 7)."""
    rng = np.random.Generator(np.random.Philox(key=[seed, stream]))
    x = torch.from_numpy(SHAPES[shape](rng, n)).float()
    noise = torch.from_numpy(rng.standard_normal((n, 2))).float()
    return x, x @ A.T + NOISE * noise


def batches(
    shape: str, batch: int, seed: int, samples: int = 0
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """step → (x, y), a function of (shape, batch, seed, step) alone: new pairs, or out of a
    training set of ``samples`` pairs."""
    stored = draw(shape, samples, seed, TRAINING_SET) if samples else None

    @lru_cache(maxsize=1)
    def block(number: int) -> tuple[Tensor, Tensor]:
        if stored is None:
            x, y = draw(shape, BLOCK * batch, seed, number)
        else:
            rng = np.random.Generator(np.random.Philox(key=[seed, number]))
            chosen = torch.from_numpy(rng.integers(samples, size=BLOCK * batch))
            x, y = (side[chosen] for side in stored)
        return x.view(BLOCK, batch, 2), y.view(BLOCK, batch, 2)

    def at(step: int) -> tuple[Tensor, Tensor]:
        x, y = block(step // BLOCK)
        return x[step % BLOCK], y[step % BLOCK]

    return at

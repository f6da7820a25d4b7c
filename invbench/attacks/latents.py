"""Latents with structure that sampling hardly ever draws, inside the norm ball and the box of
draws."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invbench.errors import UsageError

__all__ = ["LATENT_PATTERNS", "patterned"]

# standard normal numbers (B, …) → numbers of mean square about 1
Pattern = Callable[[Tensor], Tensor]


def _board(n: Tensor) -> Tensor:
    rows, columns = (torch.arange(side, device=n.device) for side in n.shape[-2:])
    return (1 - 2.0 * ((rows[:, None] + columns) % 2)).to(n).expand_as(n).clone()


def _spikes(n: Tensor) -> Tensor:
    # one value in 80 becomes ±3.5: mean square 1.06
    return torch.where(n.abs() > 2.5, 3.5 * n.sign(), n)


def _one_channel(n: Tensor) -> Tensor:
    kept = torch.zeros_like(n)
    count = n.shape[1]
    kept[:, 0] = n[:, 0].sign() * min(4.0, count**0.5)
    return kept


# name → what it makes of standard normal numbers; multiplied by τ they are latents
LATENT_PATTERNS: dict[str, Pattern] = {
    "normal": lambda n: n,
    "zero": torch.zeros_like,
    "signs": torch.sign,
    "constant": lambda n: (
        n.flatten(1)[:, :1].sign().reshape(-1, *[1] * (n.ndim - 1)).expand_as(n).clone()
    ),
    "board": _board,
    "spikes": _spikes,
    "one-channel": _one_channel,
}


def patterned(latents: list[Tensor], pattern: str) -> list[Tensor]:
    """Standard normal ``latents``, each (B, C, h, w), changed into ``pattern``. Raises
    ``UsageError`` for an unknown pattern."""
    if pattern not in LATENT_PATTERNS:
        raise UsageError(
            f"latent pattern {pattern!r} is not known; known: {', '.join(LATENT_PATTERNS)}"
        )
    return [LATENT_PATTERNS[pattern](z) for z in latents]

"""Random numbers that several test files draw."""

import torch


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """N(0, 1) in float64, from its own generator."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spread(*shape: int, seed: int = 0) -> torch.Tensor:
    """Uniform in (−1, 1) in float64."""
    return (
        2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        - 1
    )

"""The RRDB encoder of the published super-resolution flows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["RRDBEncoder", "ResidualInResidual"]

RESIDUAL = 0.2  # scale of every residual (ESRGAN, section 3.1)


class RRDBEncoder(nn.Module):
    """g_θ(y) of SRFlow (Lugmayr et al., ECCV 2020, section 3.3): features of the RRDB network of
    ESRGAN (Wang et al., ECCVW 2018) before its last convolutions, beside the outputs of some of its
    blocks.

    y: (B, 3, h, w). With t the last block's output, u₁ = t + conv(t), (B, 64, h, w), as in the
    released code (ESRGAN adds conv(t) to the output of the first convolution).
    u₂ = lrelu(conv(up₂(u₁))), (B, 64, 2h, 2w); u₄ = lrelu(conv(up₂(u₂))), and so on up to half of
    the image's resolution; u₀ is u₁ at half of y's resolution, bilinear. Each level's condition is
    [u, b₁, …, b_n], b the outputs of the blocks in ``stacked`` (counted from 0, as published),
    resized to nearest.

    The convolutions that only the network's own image needs (``HRconv``, ``conv_last``, the last
    ``upconv``) are kept without use: published checkpoints hold them, and published parameter
    counts count them. Raises ``ValueError`` when ``scale`` is no power of two, and when ``stacked``
    names a block that is not there.
    """

    def __init__(
        self,
        scale: int,
        blocks: int = 23,
        stacked: tuple[int, ...] = (1, 8, 15, 22),
        width: int = 64,
        growth: int = 32,
    ) -> None:
        super().__init__()
        doublings = scale.bit_length() - 1
        if scale != 1 << doublings:
            raise ValueError(f"scale must be a power of two, got {scale}")
        if not all(0 <= block < blocks for block in stacked):
            raise ValueError(f"stacked blocks must lie in [0, {blocks - 1}], got {stacked}")
        self.stacked = stacked
        self.channels = width * (1 + len(stacked))
        self.conv_first = nn.Conv2d(3, width, 3, padding=1)
        self.RRDB_trunk = nn.ModuleList(ResidualInResidual(width, growth) for _ in range(blocks))
        self.trunk_conv = nn.Conv2d(width, width, 3, padding=1)
        self.upconvs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) for _ in range(doublings)
        )
        self.HRconv = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        """The condition at y's own resolution, (B, channels, h, w): what the OOD score uses."""
        trunk, blocks = self._trunk(y)
        return torch.cat((trunk, blocks), dim=1)

    def levels(self, y: Tensor) -> list[Tensor]:
        """The conditions of a flow's levels, (B, channels, s·h/2^l, s·w/2^l) for l = 1, 2, …, down
        to half of y's resolution."""
        trunk, blocks = self._trunk(y)
        finer, h = [], trunk
        for conv in list(self.upconvs)[:-1]:
            h = F.leaky_relu(conv(F.interpolate(h, scale_factor=2, mode="nearest")), 0.2)
            finer.append(h)
        half = F.interpolate(
            trunk,
            scale_factor=0.5,
            mode="bilinear",
            align_corners=False,
            recompute_scale_factor=True,
        )
        return [torch.cat((u, _resized(blocks, u)), dim=1) for u in (*reversed(finer), trunk, half)]

    def _trunk(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(u₁, the outputs of the stacked blocks), both at y's resolution."""
        h = self.conv_first(y)
        outputs = {}
        for k, block in enumerate(self.RRDB_trunk):
            h = block(h)
            if k in self.stacked:
                outputs[k] = h
        return h + self.trunk_conv(h), torch.cat([outputs[k] for k in self.stacked], dim=1)


def _resized(blocks: Tensor, u: Tensor) -> Tensor:
    same = blocks.shape[2:] == u.shape[2:]
    return blocks if same else F.interpolate(blocks, size=tuple(u.shape[2:]), mode="nearest")


class ResidualInResidual(nn.Module):
    """x + 0.2·RDB₃(RDB₂(RDB₁(x)))."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (ResidualDense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL * self.RDB3(self.RDB2(self.RDB1(x)))


class ResidualDense(nn.Module):
    """x + 0.2·h₅,  h_k = conv_k([x, h₁, …, h_{k−1}]), LeakyReLU behind the first four. Weights:
    He's, times 0.1, as in ESRGAN."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for k in range(1, 6):
            conv = nn.Conv2d(width + (k - 1) * growth, growth if k < 5 else width, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight)
            with torch.no_grad():
                conv.weight.mul_(0.1)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            self.add_module(f"conv{k}", conv)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for k in range(1, 5):
            seen.append(F.leaky_relu(self.get_submodule(f"conv{k}")(torch.cat(seen, dim=1)), 0.2))
        return x + RESIDUAL * self.get_submodule("conv5")(torch.cat(seen, dim=1))

"""The encoders of the low-light flow: a small one, and the published one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench_models.llflow.inputs import encoder_inputs
from invbench_models.rrdb import ResidualInResidual

__all__ = ["Encoder", "PublishedEncoder"]

INPUTS = 12
GROWTH = 32


class Encoder(nn.Module):
    """g_θ of the mini size, (B, F, H/2, W/2).

    conv 3×3 (12 → F), conv 3×3, 2×2 maximum; two residual blocks of two 3×3 convolutions; plus two
    3×3 convolutions at an eighth of the resolution. LeakyReLU(0.2) between.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(INPUTS, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.blocks = nn.ModuleList(_two_convolutions(features) for _ in range(2))
        self.around = _two_convolutions(features)

    def forward(self, y: Tensor) -> Tensor:
        h = F.leaky_relu(self.first(encoder_inputs(y)), 0.2)
        h = F.max_pool2d(self.second(h), 2)
        for block in self.blocks:
            h = h + block(F.leaky_relu(h, 0.2))
        around = self.around(F.avg_pool2d(h, 4))
        return h + F.interpolate(around, size=h.shape[2:], mode="nearest")


def _two_convolutions(features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(features, features, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(features, features, 3, padding=1),
    )


class PublishedEncoder(nn.Module):
    """g_θ of LLFlow (Wang et al., AAAI 2022, "The conditional encoder"; as in the authors' code):
    residual-in-residual dense blocks at half the resolution. y: (B, 3 or 6, H, W).

    h = max₂(conv(lrelu(conv(inputs)))), t the last block's output; u₂ = h + conv(t), (B, F, H/2,
    W/2); u₄ = lrelu(conv(½u₂)); u₈ = conv(½u₄), where ½ halves bilinearly. Each level's condition
    is [u, b₁, …, b_n], b the outputs of the blocks in ``stacked`` (counted from 0), resized to
    nearest.

    ``downconv3``, ``HRconv``, ``conv_last`` and ``awb_para`` are kept, unused: published
    checkpoints hold them and published parameter counts count them. Raises ``ValueError`` when
    ``stacked`` names a block that is not there.
    """

    def __init__(self, features: int, blocks: int, stacked: tuple[int, ...]) -> None:
        super().__init__()
        if not all(0 <= block < blocks for block in stacked):
            raise ValueError(f"stacked blocks must lie in [0, {blocks - 1}], got {stacked}")
        self.stacked = stacked
        self.conv_first = nn.Conv2d(INPUTS, features, 3, padding=1)
        self.conv_second = nn.Conv2d(features, features, 3, padding=1)
        self.RRDB_trunk = nn.ModuleList(ResidualInResidual(features, GROWTH) for _ in range(blocks))
        for name in ("trunk_conv", "downconv1", "downconv2", "downconv3", "HRconv"):
            self.add_module(name, nn.Conv2d(features, features, 3, padding=1))
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)
        self.awb_para = nn.Linear(features, 3)

    def forward(self, y: Tensor) -> Tensor:
        """The condition at half of y's resolution, (B, channels, H/2, W/2): what the OOD score
        uses."""
        return self.levels(y)[0]

    def levels(self, y: Tensor) -> list[Tensor]:
        """The conditions of the flow's three levels, (B, channels, H/2^l, W/2^l)."""
        first = F.leaky_relu(self.conv_first(encoder_inputs(y)), 0.2)
        h = head = F.max_pool2d(self.conv_second(first), 2)
        outputs = {}
        for k, block in enumerate(self.RRDB_trunk):
            h = block(h)
            outputs[k] = h
        half = head + self.get_submodule("trunk_conv")(h)
        quarter = F.leaky_relu(self.get_submodule("downconv1")(_halved(half)), 0.2)
        eighth = self.get_submodule("downconv2")(_halved(quarter))
        blocks = torch.cat([outputs[k] for k in self.stacked], dim=1)
        return [
            torch.cat((u, F.interpolate(blocks, size=tuple(u.shape[2:]), mode="nearest")), dim=1)
            for u in (half, quarter, eighth)
        ]


def _halved(h: Tensor) -> Tensor:
    return F.interpolate(
        h, scale_factor=0.5, mode="bilinear", align_corners=False, recompute_scale_factor=True
    )

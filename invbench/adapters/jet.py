"""jet-pytorch: images (height, width, channels) to tokens; log_det (B, 1), which is (B,) here.

It asks for torchvision and CUDA packages that its model does not need: ``pip install --no-deps
jet-pytorch einops`` beside a CPU torch. torchvision is imported by its training and sampling
scripts only.
"""

from __future__ import annotations

import torch
from jet_pytorch import Jet
from torch import Tensor, nn

from invbench.flows.example_layers import randomized
from invbench.registry import layer

SIZE, PATCH, CHANNELS = 4, 2, 3
TOKENS, WIDTH = (SIZE // PATCH) ** 2, PATCH**2 * CHANNELS


class Tokens(nn.Module):
    """Jet with log_det (B,)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        value, log_det = self.module(x)
        return value, log_det.squeeze(1)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        value, log_det = self.module.inverse(z)  # type: ignore[operator]
        return value, log_det.squeeze(1)


def _jet(name: str, doc: str, types: tuple[str, ...]) -> None:
    def make(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        module = Jet(
            patch_size=PATCH,
            patch_dim=WIDTH,
            n_patches=TOKENS,
            img_dims=(SIZE, SIZE),
            coupling_layers=len(types),
            block_depth=1,
            block_width=8,
            num_heads=2,
            coupling_types=types,
        )
        return Tokens(randomized(module, seed, 0.1))

    make.__doc__ = doc
    # images are scaled to [0, 1] and dequantised; layer norms overflow far beyond them
    layer(
        f"jet/{name}",
        event_shape=(SIZE, SIZE, CHANNELS),
        latent_shape=(TOKENS, WIDTH),
        data_range=(-100, 100),
    )(make)


_jet("channels", "Jet, two channel couplings", ("channels", "channels"))
_jet("spatial", "Jet, two spatial couplings", ("spatial", "spatial"))
_jet("mixed", "Jet, four channel couplings and a spatial one", ("channels",) * 4 + ("spatial",))

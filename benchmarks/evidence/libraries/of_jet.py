"""jet-pytorch. ``python of_jet.py`` lists the cases. Needs ``pip install --no-deps jet-pytorch
einops``."""

from __future__ import annotations

import torch
from common import Shown, case, number, run
from jet_pytorch import Jet


@case(
    "jet",
    "log-det-float32",
    distribution="jet-pytorch",
    layer="Jet",
    what=(
        "The log_det of a float64 model is added up in float32: its sum starts from a float32 zero."
    ),
    inputs=(
        "torch.manual_seed(0); Jet of 5 couplings, 4 patches of 12, weights + 0.1 N(0, 1), float64"
    ),
    second="by hand: the sum of the float64 log_dets that its blocks return",
    severity="ordinary inputs",
)
def log_det_dtype() -> Shown:
    torch.manual_seed(0)
    sizes = {
        "patch_size": 2,
        "patch_dim": 12,
        "n_patches": 4,
        "img_dims": (4, 4),
        "coupling_layers": 5,
    }
    layer = Jet(**sizes, block_depth=1, block_width=8, num_heads=2).double().eval()
    found: list[torch.Tensor] = []
    for block in layer.blocks:
        block.register_forward_hook(lambda module, inputs, out: found.append(out[1]))
    with torch.no_grad():
        for weight in layer.parameters():
            weight += 0.1 * torch.randn_like(weight)
        got = layer(torch.rand(1, 4, 4, 3).double())[1]
    right = sum(part.item() for part in found)
    wrong = (
        got.dtype == torch.float32
        and found[0].dtype == torch.float64
        and abs(got.item() - right) > 1e-12
    )
    return Shown(f"{number(got, 15)} ({got.dtype})", f"{number(right, 15)} (torch.float64)", wrong)


if __name__ == "__main__":
    run()

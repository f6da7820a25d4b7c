"""Bits per dimension, the unconditional `affine` on BSD100 as it is: −log₂ q(x̃)/D + 8 of 64×64
crops, x̃ = (v + u)/256, v the grey levels, u uniform in [0, 1) from Philox(key = [1 000 003·seed +
number of the input, 0]); mean over inputs. Cells of protocol 1 took q(v/255) in its place."""

import math
from statistics import fmean

import numpy as np
import torch
from flow_again import FlowAgain
from photographs import pair
from published import Answer, cell, number, report

DESIGN, CASE, SEED = "affine", "BSD100/clean", 0
ROUNDING = 1e-4  # bits, of sums of 12 288 float32 terms


def dequantised(x: torch.Tensor, key: int) -> torch.Tensor:
    """(v + u)/256 of one image with levels v/255, (1, 3, H, W)."""
    noise = np.random.Generator(np.random.Philox(key=[key, 0])).random(
        x.shape[1:], dtype=np.float32
    )
    return ((255 * x).round() + torch.from_numpy(noise)) / 256


def answers() -> list[Answer]:
    told = cell("unconditional", DESIGN, CASE, SEED, "glow")
    settings, flow, bits = told["spec"]["settings"], FlowAgain("glow", DESIGN, SEED), []
    for index, name in enumerate(told["measures"]["names"]):
        x = pair("BSD100", name, settings["crop"], settings["crops_per_image"])[0]
        if told["spec"]["protocol"] > 1:
            x = dequantised(x, SEED * 1_000_003 + index)
        with torch.no_grad():
            nats = -flow.log_density(x, x).item() / x.numel()
        bits.append(nats / math.log(2) + 8)
    published = fmean(map(number, told["measures"]["nll"]))
    how = f"{len(bits)} inputs, protocol {told['spec']['protocol']}"
    return [Answer("bits per dimension", told["path"], published, fmean(bits), ROUNDING, how)]


if __name__ == "__main__":
    report(answers)

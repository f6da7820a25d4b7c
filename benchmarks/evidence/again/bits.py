"""Bits per dimension, the unconditional `affine` on BSD100 as it is: −log₂ q(x)/D + 8 of 64×64 crops, mean over inputs."""

import math
from statistics import fmean

import torch
from flow_again import FlowAgain
from photographs import pair
from published import Answer, cell, number, report

DESIGN, CASE = "affine", "BSD100/clean"
ROUNDING = 1e-4  # bits, of sums of 12 288 float32 terms


def answers() -> list[Answer]:
    told = cell("unconditional", DESIGN, CASE, flow="glow")
    settings, flow, bits = told["spec"]["settings"], FlowAgain("glow", DESIGN), []
    for name in told["measures"]["names"]:
        x = pair("BSD100", name, settings["crop"], settings["crops_per_image"])[0]
        with torch.no_grad():
            nats = -flow.log_density(x, x).item() / x.numel()
        bits.append(nats / math.log(2) + 8)
    published = fmean(map(number, told["measures"]["nll"]))
    return [Answer("bits per dimension", told["path"], published, fmean(bits), ROUNDING, f"{len(bits)} inputs")]


if __name__ == "__main__":
    report(answers)

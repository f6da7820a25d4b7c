"""The critical radius of a latent, `affine` and `modified-rq` on embedded photographs: the least r for which a search within r·τ of a drawn latent
finds some |x| > 10; median over inputs. Another search looks for it again. Both numbers are upper bounds of what nobody knows exactly."""

import math
from statistics import median_high

import torch
from flow_again import FlowAgain, draw
from photographs import pair
from published import Answer, cell, number, report
from torch import Tensor

CASE, STEPS, HALVINGS = "embedded/clean#radius", 40, 5
WITHIN = 1.0  # octaves: two searches, each with some dozens of gradients, and half an octave of bisection


def reach(flow: FlowAgain, start: list[Tensor], y: Tensor, radius: float, tau: float) -> float:
    """log10 of the largest |x| that STEPS sign steps find with |z − start| ≤ r·τ, |z| ≤ 4τ and ‖z‖ ≤ 1.05·τ√D; steps shrink as 1/(1 + k/5)."""
    z, best = [part.clone() for part in start], -math.inf
    most = 1.05 * tau * math.sqrt(sum(part.numel() for part in start))
    for k in range(STEPS):
        z = [part.detach().requires_grad_() for part in z]
        x = flow.decode(z, y)
        size = x.detach().abs().max().double().nan_to_num(math.inf).log10().item()
        best = max(best, size)
        if best > 1:
            break
        far = x.abs().flatten().topk(8).values.log().sum()
        step = radius * tau / (1 + k / 5)
        gradients = torch.autograd.grad(far, z)
        z = [part.detach() + step * g.sign() for part, g in zip(z, gradients, strict=True)]
        z = [
            p.clamp(-4 * tau, 4 * tau).clamp(s - radius * tau, s + radius * tau) for p, s in zip(z, start, strict=True)
        ]
        norm = torch.cat([part.flatten() for part in z]).norm().item()
        z = [part * min(1.0, most / norm) for part in z]
        z = [p.clamp(s - radius * tau, s + radius * tau) for p, s in zip(z, start, strict=True)]
    return best


def critical(flow: FlowAgain, start: list[Tensor], y: Tensor, tau: float) -> float:
    """Bisection of log r between 1/64 and 4; infinite where the search finds nothing at 4."""
    low, high = -6.0, 2.0
    if reach(flow, start, y, 2.0**high, tau) <= 1:
        return math.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reach(flow, start, y, 2.0**middle, tau) > 1 else (middle, high)
    return 2.0**high


def answers() -> list[Answer]:
    found = []
    for design in ("affine", "modified-rq"):
        told, flow = cell("sr", design, CASE), FlowAgain("srflow", design)
        settings, radii = told["spec"]["settings"], []
        size, tau = settings["crop"], settings["temperature"]
        for index, name in enumerate(told["measures"]["names"]):
            y = pair("embedded", name, size, settings["crops_per_image"])[1]
            radii.append(critical(flow, draw(flow, 1, size, size, tau, index), y, tau))
        published = median_high(map(number, told["measures"]["radius_F2"]))
        what = f"critical radius of {design}, log2 of τ"
        found.append(Answer(what, told["path"], math.log2(published), math.log2(median_high(radii)), WITHIN))
    return found


if __name__ == "__main__":
    report(answers)

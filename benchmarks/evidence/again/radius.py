"""The critical radius of a latent, `affine` and `modified-rq` on embedded photographs: the least r
for which a search within r·τ of a drawn latent finds some |x| > 10; median over inputs. Another
search looks for it again. Both numbers are upper bounds of what nobody knows exactly."""

import math
from statistics import median_high

import torch
from flow_again import FlowAgain, draw
from photographs import pair
from published import Answer, cell, number, report
from torch import Tensor

CASE, STEPS, HALVINGS = "embedded/clean#radius", 40, 5
# octaves: two searches, each with some dozens of gradients, and half an octave of bisection
WITHIN = 1.0


def feasible(z: Tensor, start: Tensor, radius: float, tau: float) -> Tensor:
    """A point near z with |z − start| ≤ r·τ, |z| ≤ 4τ and ‖z‖ ≤ 1.05·τ√D: projections in turn, then
    on the way from the start, which lies inside."""
    most = 1.05 * tau * math.sqrt(z.numel())
    for _ in range(10):
        z = z * min(1.0, most / z.norm().item())
        z = torch.minimum(torch.maximum(z, start - radius * tau), start + radius * tau).clamp(
            -4 * tau, 4 * tau
        )
    step, share = z - start, 1.0
    while (start + share * step).norm() > most:
        share *= 0.99
    return start + share * step


def reach(flow: FlowAgain, start: Tensor, y: Tensor, radius: float, tau: float) -> float:
    """log10 of the largest |x| that STEPS sign steps find; steps shrink as 1/(1 + k/5)."""
    z, best, shapes = start, -math.inf, flow.shapes(4 * y.shape[2], 4 * y.shape[3])
    for k in range(STEPS):
        z = z.detach().requires_grad_()
        parts = z.split([math.prod(shape) for shape in shapes])
        x = flow.decode(
            [part.view(1, *shape) for part, shape in zip(parts, shapes, strict=True)], y
        )
        best = max(best, x.detach().abs().max().double().nan_to_num(math.inf).log10().item())
        if best > 1:
            break
        (gradient,) = torch.autograd.grad(x.abs().flatten().topk(8).values.log().sum(), z)
        z = feasible(z.detach() + radius * tau / (1 + k / 5) * gradient.sign(), start, radius, tau)
    return best


def critical(flow: FlowAgain, start: Tensor, y: Tensor, tau: float) -> float:
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
            start = torch.cat(
                [part.flatten() for part in draw(flow, 1, size, size, tau, index)]
            ).clamp(-4 * tau, 4 * tau)
            radii.append(critical(flow, start, y, tau))
        published = median_high(map(number, told["measures"]["radius_F2"]))
        what = f"critical radius of {design}, log2 of τ"
        found.append(
            Answer(what, told["path"], math.log2(published), math.log2(median_high(radii)), WITHIN)
        )
    return found


if __name__ == "__main__":
    report(answers)

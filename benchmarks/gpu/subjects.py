"""What is computed on both devices: every design, and a small trained flow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.data.datasets import sr_pairs
from invbench.flows import ConditionalFlow
from invbench.laws.building import subject_of
from invbench.laws.cases.case import LawCase
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.subject import Subject
from invbench.targets import resolve
from invbench.training.weights import load_flow

__all__ = ["Joined", "cases", "design", "flow", "flow_case"]

SCALE = 4  # pixels of a photograph on one of its condition
RECIPES = (("normal", 0, "normal", 0), ("normal", 2, "box", 2))


def design(name: str) -> Subject:
    """A coupling in float32 on the CPU."""
    return subject_of(resolve(name, ("coupling",)), torch.float32, survey=False)


def cases(subject: Subject, rows: int) -> list[LawCase]:
    """Data and raw parameters of N(0, 1), and both several times as large."""
    return [LawCase.of(InputRecipe(*recipe, rows=rows), subject) for recipe in RECIPES]


class Joined(nn.Module):
    """A conditional flow whose latents are one tensor of x's shape. The log-determinant of its
    inverse, which decoding does not need, is 0."""

    def __init__(self, flow: ConditionalFlow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        latents, log_det = self.flow.encode(x, y)
        return torch.cat([z.flatten(1) for z in latents], 1).view_as(x), log_det

    def inverse(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        shapes = [latent.shape[1:] for latent in self.flow.sample_latents(1, y)]
        parts = z.flatten(1).split([shape.numel() for shape in shapes], 1)
        latents = [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]
        return self.flow.decode(latents, y), z.new_zeros(len(z))


def flow(name: str, side: int) -> Subject:
    """The trained mini super-resolution flow with a coupling, in float32 on the CPU, for images of
    side × side."""
    shapes = (3, side, side), (3, side // SCALE, side // SCALE)
    module = Joined(load_flow("srflow", name)).eval()
    return Subject(f"srflow:{name}", "layer", module, *shapes, torch.float32)


def flow_case(subject: Subject, photographs: int) -> LawCase:
    """Photographs with their conditions, and their latents, all rounded to the subject's dtype."""
    pairs = sr_pairs("embedded", subject.event_shape[-1], 1, photographs)
    x = torch.stack([pair.high for pair in pairs]).to(subject.dtype)
    y = torch.stack([pair.low for pair in pairs]).to(subject.dtype)
    with torch.no_grad():
        z = subject.float64_reference().forward(x.double(), y.double())[0].to(subject.dtype)
    return LawCase(subject, InputRecipe(rows=len(pairs)), x, y, z)

"""A learned prior: a small network predicts the latents from the condition, and the flow decodes
them (Tsao et al., CVPR 2024, "Boosting flow-based generative super-resolution models via learned
prior")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.cures.activations import Batch
from invbench.cures.cure_file import check_weights, read_cure, save_cure
from invbench.cures.cured import CuredFlow
from invbench.cures.guard import weights_of
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow

__all__ = ["LatentPredictor", "PriorFlow", "fit_prior", "load_prior", "save_prior"]

KIND, WIDTH, RATE = "prior", 32, 1e-3


class LatentPredictor(nn.Module):
    """Features g_θ(y) (B, C, h, w) → latents of the given shapes: for each, three 3×3 convolutions
    of ``WIDTH`` channels on the features at its resolution. Zero at the start: the mean latent."""

    def __init__(self, features: int, channels: list[int]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_part(features, out) for out in channels)

    def forward(self, features: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
        return [
            part(F.interpolate(features, size=shape[1:], mode="nearest"))
            for part, shape in zip(self.parts, shapes, strict=True)
        ]


def _part(features: int, out: int) -> nn.Sequential:
    last = nn.Conv2d(WIDTH, out, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(
        nn.Conv2d(features, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.ReLU(),
        last,
    )


class PriorFlow(CuredFlow):
    """Decodes the predicted latents of a condition, whatever latents are given: one x per
    condition."""

    def __init__(self, flow: ConditionalFlow, predictor: LatentPredictor) -> None:
        super().__init__(flow)
        self.predictor = predictor.eval()

    def predicted(self, y: Tensor) -> list[Tensor]:
        """The latents of y."""
        return self.predictor(self.features(y), self._latent_shapes(y))

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield from self.uncured.trace(self.predicted(y), y)


def fit_prior(
    flow: ConditionalFlow,
    batches: Iterable[Batch],
    progress: Callable[[int], None] | None = None,
    seed: int = 0,
) -> PriorFlow:
    """The predictor that makes mean |decode(ẑ(y), y) − x| small over batches of (x, y): one step of
    Adam per batch, the flow's weights held. Raises ``UsageError`` without batches, and when the
    loss is not finite."""
    predictor, cured = None, None
    for done, (x, y) in enumerate(batches, 1):
        like = next(flow.parameters())
        x, y = x.to(like), y.to(like)
        if predictor is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                channels = [shape[0] for shape in flow._latent_shapes(y)]
                predictor = LatentPredictor(flow.features(y).shape[1], channels).to(like)
            optimizer = torch.optim.Adam(predictor.parameters(), RATE)
            cured = PriorFlow(flow, predictor)
        assert cured is not None
        loss = (cured.decode([], y) - x).abs().mean()
        if not loss.isfinite():
            raise UsageError(
                "the prior's loss is not finite: the flow explodes on its training data"
            )
        gradients = torch.autograd.grad(loss, list(predictor.parameters()))
        for parameter, gradient in zip(predictor.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        if progress is not None:
            progress(done)
    if cured is None:
        raise UsageError("a learned prior needs batches of (x, y), data and their conditions")
    return cured


def save_prior(cured: PriorFlow, path: Path, source: str = "") -> None:
    """Write the predictor, for ``load_prior``. Raises ``HarnessError`` when that fails."""
    save_cure(path, KIND, dict(cured.predictor.state_dict()), weights_of(cured.uncured), source, {})


def load_prior(flow: ConditionalFlow, file: Path | None) -> PriorFlow:
    """``flow`` with the predictor in a file. Raises ``UsageError``, in one line, when the file is
    no learned prior, of other weights, or of another flow."""
    assert file is not None
    tensors, head = read_cure(file, KIND)
    check_weights(flow, head.weights, file)
    channels: list[int] = []
    first = tensors.get("parts.0.0.weight")
    while (bias := tensors.get(f"parts.{len(channels)}.4.bias")) is not None and bias.ndim == 1:
        channels.append(len(bias))
    if first is None or first.ndim != 4:
        raise UsageError(f"{file}: not a learned prior; write it again")
    like = next(flow.parameters())
    predictor = LatentPredictor(first.shape[1], channels).to(like)
    try:
        predictor.load_state_dict(tensors)
    except RuntimeError:
        raise UsageError(f"{file}: not the predictor of these latents; write it again") from None
    return PriorFlow(flow, predictor.requires_grad_(False))

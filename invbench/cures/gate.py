"""A gate before the decode: a condition that lies far from those of the training is refused, or
decoded from the mean latent alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invbench.cures.activations import Batch, base_of
from invbench.cures.cure_file import check_weights, read_cure, save_cure
from invbench.cures.cured import CuredFlow
from invbench.cures.guard import weights_of
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.measures.ood_score import OODScore

__all__ = ["Gate", "GatedFlow", "fit_gate", "load_gate"]

THEN = ("refuse", "cool")
KIND, POOLING = "gate", "mean"


@dataclass(frozen=True, eq=False)
class Gate:
    """The OOD score of a flow's conditions, and the scores of conditions that the score was not
    fitted to, sorted: the threshold at a rate of refusals is their quantile."""

    score: OODScore
    held_out: np.ndarray
    weights: str
    source: str = ""

    def threshold(self, refusals: float) -> float:
        """The score that a share ``refusals`` of held-out conditions exceeds. Raises ``UsageError``
        outside (0, 1)."""
        if not 0 < refusals < 1:
            raise UsageError(f"the rate of refusals must lie in (0, 1), got {refusals!r}")
        return float(np.quantile(self.held_out, 1 - refusals, method="higher"))

    def save(self, path: Path) -> None:
        """Write it as safetensors. Raises ``HarnessError`` when it cannot be written."""
        tensors = {
            "mean": torch.from_numpy(self.score.mean),
            "factor": torch.from_numpy(self.score.factor),
            "held_out": torch.from_numpy(self.held_out),
        }
        said = {"shrinkage": self.score.shrinkage, "vectors": self.score.vectors}
        save_cure(path, KIND, tensors, self.weights, self.source, said)


class GatedFlow(CuredFlow):
    """Conditions whose OOD score (Hong, Park, Chun, ICCV 2023, eq. 11) exceeds that of all but a
    share ``refusals`` of photographs like the training's do not reach the decode.

    ``then`` = refuse: their x is the base image of y, cut to [0, 1], where the flow has one, and 0
    where it has none. ``then`` = cool: x is the decode of the mean latent, 0. A condition whose
    score is not a number is refused. Raises ``UsageError`` for another word, and for a rate outside
    (0, 1).
    """

    def __init__(
        self, flow: ConditionalFlow, gate: Gate, refusals: float = 0.05, then: str = "refuse"
    ) -> None:
        super().__init__(flow)
        if then not in THEN:
            raise UsageError(f"a gate can {' or '.join(THEN)}, not {then!r}")
        self.gate, self.then, self.limit = gate, then, gate.threshold(refusals)
        self._refused = (0, 1)

    @property
    def activity(self) -> float:
        """The share of conditions that the last decode refused."""
        refused, rows = self._refused
        return refused / max(rows, 1)

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        far = self.refused(y)
        self._refused = (int(far.sum()), len(y))
        if self.then == "cool":
            rows = [far.view(-1, *[1] * (z.ndim - 1)) for z in latents]
            latents = [z.masked_fill(at, 0) for z, at in zip(latents, rows, strict=True)]
        for name, h in self.uncured.trace(latents, y):
            if name != "data" or self.then == "cool" or not far.any():
                yield name, h
                continue
            rest = base_of(self)
            safe = torch.zeros_like(h) if rest is None else rest(y).nan_to_num(0, 1, 0).clamp(0, 1)
            yield name, torch.where(far.view(-1, 1, 1, 1), safe, h)

    @torch.no_grad()
    def refused(self, y: Tensor) -> Tensor:
        """Which conditions are refused, (B,)."""
        scores = self.gate.score(self.features(y).float())  # infinite where one is not finite
        return torch.from_numpy(~(scores <= self.limit)).to(y.device)


@torch.no_grad()
def fit_gate(
    flow: ConditionalFlow,
    batches: Iterable[Batch],
    source: str = "",
    progress: Callable[[int], None] | None = None,
) -> Gate:
    """The gate of a flow from batches of (x, y): the first half of the conditions fits the score,
    the second sets its threshold. ``progress`` is called after each batch. Raises ``UsageError``
    with fewer than four conditions."""
    features = []
    like = next(flow.parameters())
    for done, (_, y) in enumerate(batches, 1):
        features.append(flow.features(y.to(like)).float().cpu())
        if progress is not None:
            progress(done)
    every = torch.cat(features) if features else torch.empty(0)
    if len(every) < 4:
        raise UsageError(
            f"a gate needs four conditions or more, half of them for its threshold; got "
            f"{len(every)}"
        )
    half = len(every) // 2
    score = OODScore.fit(every[:half], POOLING)
    return Gate(score, np.sort(np.asarray(score(every[half:]))), weights_of(flow), source)


def load_gate(
    flow: ConditionalFlow, file: Path | None, refusals: float = 0.05, then: str = "refuse"
) -> GatedFlow:
    """``flow`` behind the gate in a file. Raises ``UsageError``, in one line, when the file is no
    gate, or of other weights."""
    assert file is not None
    tensors, head = read_cure(file, KIND)
    try:
        mean, factor = tensors["mean"].double().numpy(), tensors["factor"].double().numpy()
        held_out = np.sort(tensors["held_out"].double().numpy())
        shapes = mean.ndim, factor.shape, held_out.ndim
        if shapes != (1, (len(mean), len(mean)), 1) or not len(held_out):
            raise KeyError("shapes")
        score = OODScore(
            mean, factor, POOLING, True, float(head.said["shrinkage"]), int(head.said["vectors"])
        )
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{file}: not a gate, or cut off; write it again") from None
    check_weights(flow, head.weights, file)
    return GatedFlow(flow, Gate(score, held_out, head.weights, head.source), refusals, then)

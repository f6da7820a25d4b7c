"""Many toys trained at once: one toy's step is all overhead.

Members share their architecture, batch and dtype. Each has its own data, weights, learning rate,
optimiser and clipping, so that it is the toy that it would be alone, and one that diverges does not
touch the others.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from invbench.flows import ConditionalFlow
from invbench.studies.toy_map.axes import Setting
from invbench.studies.toy_map.shapes import batches

__all__ = ["DECAYS", "Stack"]

CLIP = 10.0  # largest norm of a member's gradient
TAIL = 100  # steps that the last loss is the mean of
KINDS = ("conditioner", "conv1x1", "actnorm")
# the share of the learning rate after a share of the training
DECAYS = {
    "none": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "halved": lambda done: 0.5 ** sum(done >= end for end in (0.5, 0.75, 0.9, 0.95)),
}


class _Loss(nn.Module):
    def __init__(self, flow: ConditionalFlow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.flow.log_prob(x, y).mean() / 2


class Stack:
    """``flows``, ``settings`` and ``seeds`` of the members. ``skipped``: steps per member whose
    loss or gradient was not finite, which are not taken."""

    def __init__(
        self, flows: Sequence[ConditionalFlow], settings: Sequence[Setting], seeds: Sequence[int]
    ) -> None:
        self.settings, self.step, self.skipped = list(settings), 0, [0] * len(flows)
        self._loss = _Loss(copy.deepcopy(flows[0]))
        # a conditioner's weights lie behind each other, then those that may be fixed
        named = dict(self._loss.named_parameters())
        self._names = sorted(named, key=lambda name: KINDS.index(_kind(name)))
        self._shapes = [named[name].shape for name in self._names]
        self._sizes = [named[name].numel() for name in self._names]
        kinds = [_kind(name) for name in self._names]
        self._parts = [
            sum(n for n, k in zip(self._sizes, kinds, strict=True) if k == kind) for kind in KINDS
        ]
        everything = [dict(_Loss(flow).named_parameters()) for flow in flows]
        self._weights = torch.stack(
            [torch.cat([own[n].detach().flatten() for n in self._names]) for own in everything]
        )
        self._buffers = {
            name: torch.stack([dict(_Loss(flow).named_buffers())[name] for flow in flows])
            for name, _ in self._loss.named_buffers()
        }
        self._free = torch.tensor([[_free(s, kind) for kind in KINDS] for s in settings])
        self._pieces = [
            [piece for piece, free in zip(row.split(self._parts), own, strict=True) if free]
            for row, own in zip(self._weights, self._free.tolist(), strict=True)
        ]
        self._optimisers = [
            torch.optim.Adam(pieces, lr=s.lr, weight_decay=s.weight_decay, fused=True)
            for pieces, s in zip(self._pieces, settings, strict=True)
        ]
        self._data = [
            batches(s.shape, s.batch, seed, s.samples)
            for s, seed in zip(settings, seeds, strict=True)
        ]
        self._last: deque[Tensor] = deque(maxlen=TAIL)

    def train(self, until: int) -> None:
        """Maximum likelihood, up to this number of steps."""
        while self.step < until:
            self._advance()
            self.step += 1

    def _advance(self) -> None:
        drawn = [data(self.step) for data in self._data]
        x, y = (torch.stack(side).to(self._weights.dtype) for side in zip(*drawn, strict=True))
        leaf = self._weights.detach().requires_grad_()
        loss = vmap(self._one)(self._named(leaf), self._buffers, x, y)
        # of the sum: no member's loss enters another's gradient
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        norms = torch.stack([g.norm(dim=1) for g in gradient.split(self._parts, 1)], 1)
        norm = torch.where(self._free, norms, 0.0).norm(dim=1)
        gradient *= (CLIP / (norm + 1e-6)).clamp(max=1)[:, None]
        taken = (loss.isfinite() & norm.isfinite()).tolist()
        for m, good in enumerate(taken):
            if good:
                self._update(m, gradient[m])
            else:
                self.skipped[m] += 1
        self._last.append(torch.where(torch.tensor(taken), loss.detach(), math.nan))

    def _update(self, m: int, gradient: Tensor) -> None:
        free = zip(gradient.split(self._parts), self._free[m].tolist(), strict=True)
        for piece, own in zip(self._pieces[m], (g for g, is_free in free if is_free), strict=True):
            piece.grad = own
        setting, optimiser = self.settings[m], self._optimisers[m]
        share = DECAYS[setting.decay](self.step / setting.iterations)
        optimiser.param_groups[0]["lr"] = setting.lr * share
        optimiser.step()

    def _one(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> Any:
        return functional_call(self._loss, (weights, buffers), (x, y))

    def _named(self, weights: Tensor) -> dict[str, Tensor]:
        pieces = weights.split(self._sizes, 1)
        return {
            name: piece.unflatten(1, shape)
            for name, piece, shape in zip(self._names, pieces, self._shapes, strict=True)
        }

    def losses(self) -> list[float]:
        """Per member the mean loss of the last 100 steps, nats per dimension; NaN where none was
        taken."""
        return torch.stack(list(self._last)).nanmean(0).tolist()

    def flow(self, m: int) -> ConditionalFlow:
        """A member as a flow of its own."""
        own = {name: piece[m] for name, piece in self._named(self._weights).items()}
        own |= {name: buffer[m] for name, buffer in self._buffers.items()}
        alone = copy.deepcopy(self._loss)
        alone.load_state_dict(own)
        return alone.flow.eval()

    def state(self) -> dict[str, Any]:
        """What a training needs to go on, a copy."""
        state = {
            "step": self.step,
            "skipped": self.skipped,
            "weights": self._weights,
            "optimisers": [one.state_dict() for one in self._optimisers],
            "last": list(self._last),
        }
        return copy.deepcopy(state)

    def resume(self, state: dict[str, Any]) -> None:
        self.step, self.skipped = state["step"], list(state["skipped"])
        self._weights.copy_(state["weights"])
        for one, own in zip(self._optimisers, state["optimisers"], strict=True):
            one.load_state_dict(own)
        self._last.extend(state["last"])


def _kind(name: str) -> str:
    return next((k for k in ("conv1x1", "actnorm") if f"_{k}." in name), "conditioner")


def _free(setting: Setting, kind: str) -> bool:
    return kind == "conditioner" or getattr(setting, kind) == "free"

"""A guard: for each layer and channel of a flow, the interval of values that data have there."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invbench.cures.activations import Batch, places_of, seen_by
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow

if TYPE_CHECKING:
    from invbench.cures.guarded import GuardedFlow

__all__ = ["Guard", "architecture_of", "guard", "weights_of"]


@dataclass(frozen=True, eq=False)
class Guard:
    """Intervals [m − margin·r, m + margin·r] per place and channel, m the middle and r half the
    width of the range that was seen.

    ``seen``: place → (2, C) float64, the ends of that range, in the order of ``places_of``.
    ``quantile``: of the values, None for extremes. ``source``: what was encoded, in words;
    ``pairs``: how many pairs (x, y) of it. ``architecture``, ``weights``: digests of the flow that
    encoded them. Raises ``UsageError`` for a margin that is not positive and finite, and for a
    quantile outside (0.5, 1].
    """

    seen: Mapping[str, Tensor]
    architecture: str
    weights: str
    pairs: int
    margin: float = 1.0
    quantile: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        check_margin(self.margin)
        check_quantile(self.quantile)

    def interval(self, place: str) -> tuple[Tensor, Tensor]:
        """(lowest, highest) allowed value of each channel, (C,) float64 each. With margin 1 it is
        the range seen, to the bit."""
        low, high = self.seen[place]
        if self.margin == 1:
            return low, high
        middle, reach = low + (high - low) / 2, self.margin * (high - low) / 2
        return middle - reach, middle + reach

    def with_margin(self, margin: float) -> Guard:
        """The same guard with another margin. Raises ``UsageError`` unless it is positive and
        finite."""
        return replace(self, margin=margin)

    @property
    def channels(self) -> int:
        """The number of intervals."""
        return sum(ends.shape[1] for ends in self.seen.values())

    def check(self, flow: ConditionalFlow, allow_other_weights: bool = False) -> None:
        """Raise ``UsageError``, in one line, when this guard is of another flow or, unless
        ``allow_other_weights``, of other weights."""
        anew = "calibrate one for this flow (invbench guard FLOW --calibrate FOLDER)"
        if tuple(self.seen) != (places := places_of(flow)):
            mine = next((name for name in self.seen if name not in places), None)
            lacks = next((name for name in places if name not in self.seen), None)
            said = (
                f"it has {mine!r}"
                if mine
                else f"it lacks {lacks!r}"
                if lacks
                else "its layers come in another order"
            )
            raise UsageError(f"the guard is of another flow: {said}; {anew}")
        if self.architecture != architecture_of(flow):
            raise UsageError(
                f"the guard is of another flow: its layers have other channels, kinds or "
                f"couplings; {anew}"
            )
        if not allow_other_weights and self.weights != (now := weights_of(flow)):
            raise UsageError(
                f"the guard was calibrated with weights {self.weights}, these are {now}: "
                f"calibrate it anew, or allow it "
                "(--allow-other-weights, allow_other_weights=True)"
            )


def check_margin(margin: float) -> None:
    if not (margin > 0 and math.isfinite(margin)):
        raise UsageError(
            f"the margin widens intervals and must be positive, got {margin:g}; 1 is the range seen"
        )


def check_quantile(quantile: float | None) -> None:
    if quantile is not None and not 0.5 < quantile <= 1:
        raise UsageError(
            f"the quantile must lie above 0.5 and at most at 1, got {quantile:g}; 1 is the "
            f"largest value seen"
        )


def architecture_of(flow: ConditionalFlow) -> str:
    """Digest of the names and classes of the modules and of the shapes of the weights, which all
    trainings of one flow share."""
    modules = [f"{name} {type(module).__qualname__}" for name, module in flow.named_modules()]
    shapes = [f"{name} {tuple(tensor.shape)}" for name, tensor in flow.state_dict().items()]
    return _digest("\n".join(modules + shapes).encode())


def weights_of(flow: ConditionalFlow) -> str:
    """Digest of the weights as float32. A flow that was cast to float64 keeps it, one that was
    rounded to float16 does not."""
    parts = [
        name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes()
        for name, tensor in sorted(flow.state_dict().items())
    ]
    return _digest(*parts)


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()[:16]


def guard(
    flow: ConditionalFlow,
    batches: Iterable[Batch],
    margin: float = 1.0,
    quantile: float | None = None,
    source: str = "",
    progress: Callable[[int], None] | None = None,
) -> GuardedFlow:
    """``flow`` with every layer of its decode clamped to the values that the layer has when
    ``batches`` of (x, y) are encoded.

    The interval of a layer and channel is the range of its values, widened about its middle by the
    factor ``margin``. With ``quantile`` q the range leaves out a share 1 − q of the values on each
    side. The flow itself is not changed, and weights are shared with it. ``source``: what the
    batches are, in words; ``progress``: as in ``seen_by``. The batches are encoded in the flow's
    dtype, on its device.

    Raises ``UsageError`` for a margin that is not positive, a quantile outside (0.5, 1], no
    batches, activations that are not finite, and a flow that decodes by a trace of its own.
    """
    from invbench.cures.cured import require_plain
    from invbench.cures.guarded import GuardedFlow

    check_margin(margin)
    check_quantile(quantile)
    require_plain(flow)
    with torch.no_grad():
        seen, pairs = seen_by(flow, batches, quantile, progress)
    ordered = {place: seen[place] for place in places_of(flow)}
    found = Guard(ordered, architecture_of(flow), weights_of(flow), pairs, margin, quantile, source)
    return GuardedFlow(flow, found)

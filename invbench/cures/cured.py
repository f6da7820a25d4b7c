"""What every cure makes of a flow: a conditional flow that shares its layers and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.flows.conditional_flow import Resized

__all__ = ["Bound", "CuredFlow", "error_rows", "require_plain"]

LOWEST, HIGHEST = -0.5, 1.5  # an error pixel lies beyond (Hong, Park, Chun, ICCV 2023, Table 1)


@dataclass(frozen=True)
class Bound:
    """Bounds on every decode, for all latents and conditions.

    ``max_abs``: on |x|. ``max_intermediate``: on |h| behind any layer. ``layers``: the same per
    place, from noise to data. ``reason``: why there is none, where they are infinite.
    """

    max_abs: float
    max_intermediate: float
    layers: dict[str, float]
    reason: str = ""


class CuredFlow(ConditionalFlow):
    """``flow`` as it is: a cure overrides what it changes, ``sample_latents``, ``trace`` or
    ``decode``.

    Modules and weights are shared with the flow. Raises ``UsageError`` for a flow that decodes by a
    trace of its own.
    """

    def __init__(self, flow: ConditionalFlow) -> None:
        require_plain(flow)
        super().__init__(
            flow.layers,  # type: ignore[arg-type]
            flow.encoder,
            flow._latent_shapes,
            flow._base,
            flow.prior,
        )
        self.training = flow.training
        self._own = (flow,)  # in a tuple, so that it is no submodule: its weights are here already
        if hasattr(flow, "spec"):
            self.spec = flow.spec

    @property
    def uncured(self) -> ConditionalFlow:
        """The flow without the cure."""
        return self._own[0]

    @property
    def activity(self) -> float:
        """How often the cure acted in the last decode, a share or a number of draws; 0 for a cure
        that acts on the latents alone."""
        return 0.0

    def features(self, y: Tensor) -> Tensor:
        return self.uncured.features(y)

    def conditions(self, y: Tensor) -> Resized:
        return self.uncured.conditions(y)

    def encode(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """Data → noise, as the flow itself does."""
        return self.uncured.encode(x, y)


def error_rows(x: Tensor) -> Tensor:
    """Which rows of x (B, …) have an error pixel: > 1.5, < −0.5 or not finite, (B,)."""
    flat = x.detach().flatten(1)
    return ~((flat >= LOWEST) & (flat <= HIGHEST)).all(1)  # NaN fails both comparisons


def require_plain(flow: ConditionalFlow) -> None:
    """Raise ``UsageError`` when ``flow`` has a cure already, or does not decode layer by layer as
    ``ConditionalFlow`` does."""
    if isinstance(flow, CuredFlow):
        raise UsageError(f"the flow is a {type(flow).__name__} already; take flow.uncured")
    kind: Any = type(flow)
    if not isinstance(flow, ConditionalFlow) or (kind.trace, kind.decode) != (
        ConditionalFlow.trace,
        ConditionalFlow.decode,
    ):
        raise UsageError(
            f"{kind.__name__} does not decode layer by layer as ConditionalFlow does; a cure "
            f"cannot change it"
        )

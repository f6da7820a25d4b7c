"""What a law looks at: a coupling or an invertible layer behind one face, in one dtype, with a float64 twin."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.targets import Target

__all__ = ["Subject", "subject_of"]

EVENT = (6,)  # elementwise couplings are tested on rows of six elements
SEED = 20231001


@dataclass(frozen=True)
class Subject:
    """``forward(x, cond)`` and ``inverse(z, cond)`` return (value, log_det of shape (B,)).

    For a coupling the condition *is* the raw parameters, shape (B, n_params, 6), and ``log_slopes`` gives log c′ per
    element. ``module`` is the subject's own object; nothing here catches what it raises.
    """

    name: str
    kind: str
    module: nn.Module
    event_shape: tuple[int, ...]
    cond_shape: tuple[int, ...] | None
    dtype: torch.dtype
    device: str = "cpu"
    declared: dict[str, Any] = field(default_factory=dict)

    @property
    def elementwise(self) -> bool:
        return self.kind == "coupling"

    def forward(self, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._call(self.module.forward, x, cond)

    def inverse(self, z: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._call(self.module.inverse, z, cond)  # type: ignore[arg-type]

    def log_slopes(self, x: Tensor, cond: Tensor | None, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """(value, log-slope), both of x's shape; couplings only."""
        assert self.elementwise and cond is not None
        direction: Callable[..., Any] = self.module.inverse if inverse else self.module.forward  # type: ignore[assignment]
        return direction(x, cond.movedim(1, 0))

    def _call(self, direction: Callable[..., Any], v: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        if not self.elementwise:
            return direction(v, cond) if cond is not None else direction(v)
        assert cond is not None
        out, log_slope = direction(v, cond.movedim(1, 0))
        return out, log_slope.flatten(1).sum(1)

    def twin(self) -> Subject:
        """The same parameters in float64 on the CPU."""
        module = copy.deepcopy(self.module).to("cpu", torch.float64)
        return Subject(
            self.name, self.kind, module, self.event_shape, self.cond_shape, torch.float64, "cpu", self.declared
        )


def subject_of(target: Target, dtype: torch.dtype, device: str = "cpu", seed: int = SEED) -> Subject:
    """Build the subject of a coupling or layer target. Raises ``UsageError`` when it cannot be constructed."""
    kind, make = target.kind, target.make
    if kind not in ("coupling", "layer"):
        raise UsageError(f"{target.name!r} is a {kind}; properties are checked on couplings and layers")
    metadata = target.entry.metadata
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = make(seed) if kind == "layer" else make()
        module = module.to(device, dtype).eval()
    except Exception as error:  # a stranger's constructor may raise anything
        raise UsageError(f"{kind} {target.name!r} cannot be built: {type(error).__name__}: {error}") from error
    if kind == "layer":
        return Subject(
            target.name, kind, module, metadata["event_shape"], metadata["cond_shape"], dtype, device, dict(metadata)
        )
    if not isinstance(module, Elementwise) or not isinstance(module.n_params, int) or module.n_params < 1:
        raise UsageError(f"coupling {target.name!r} has no positive integer n_params; set it in the class")
    declared = {name: getattr(module, name) for name in ("slope_range", "displacement", "tail_slopes_equal")}
    bounds = getattr(module, "slope_bounds", None)
    if inspect.ismethod(bounds):
        declared["slope_bounds"] = bounds
    return Subject(target.name, kind, module, EVENT, (module.n_params, *EVENT), dtype, device, declared)

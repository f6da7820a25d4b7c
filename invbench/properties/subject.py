"""What a law looks at: a coupling or an invertible layer behind one face, in one dtype, with a float64 twin."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.targets import Target

__all__ = ["Subject", "subject_of"]

# pattern -> (weights, N(0, 1) of their shape, 2^k) to new weights
WEIGHTS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "initial": lambda w, drawn, scale: w,
    "scaled": lambda w, drawn, scale: w * scale,
    "noise": lambda w, drawn, scale: w + scale * drawn / _fan_in(w),
    "saturated": lambda w, drawn, scale: scale * (drawn.sign() + 0.1 * drawn) / _fan_in(w),
}
EVENT = (6,)  # elementwise couplings are tested on rows of six elements
SEED = 20231001


def _fan_in(w: Tensor) -> float:
    return float(w[0].numel()) ** 0.5 if w.ndim > 1 else 1.0


@dataclass(frozen=True)
class Subject:
    """``forward(x, cond)`` and ``inverse(z, cond)`` return (value, log_det of shape (B,)).

    For a coupling the condition *is* the raw parameters, shape (B, n_params, 6), and ``log_slopes`` gives log c′ per
    element. ``module`` is the subject's own object; nothing here catches what it raises. ``build(seed)`` makes another one.
    """

    name: str
    kind: str
    module: nn.Module
    event_shape: tuple[int, ...]
    cond_shape: tuple[int, ...] | None
    dtype: torch.dtype
    device: str = "cpu"
    declared: dict[str, Any] = field(default_factory=dict)
    build: Callable[[int], nn.Module] | None = None

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
        return self._twin

    @cached_property
    def _twin(self) -> Subject:
        return self.as_type(torch.float64, "cpu")

    def wobbled(self, u: float) -> tuple[Subject, ...]:
        """Two copies with every weight and buffer w moved to w·(1 ± u); none for a module without any. Buffers and frozen weights that hold whole
        numbers stay: masks, flags and permutations are exact, and moved they make another map, which would excuse any error."""
        if not any(v.is_floating_point() for v in self.module.state_dict().values()):
            return ()
        if u not in self._wobbled:
            self._wobbled[u] = tuple(self._moved(u, seed) for seed in (0, 1))
        return self._wobbled[u]

    @cached_property
    def _wobbled(self) -> dict[float, tuple[Subject, ...]]:
        return {}

    def _moved(self, u: float, seed: int) -> Subject:
        module, generator = self._copied(), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in (*module.parameters(), *module.buffers()):
                if p.is_floating_point() and (p.requires_grad or bool((p != p.round()).any())):
                    p.mul_(1 + u * (2.0 * torch.randint(0, 2, p.shape, generator=generator) - 1).to(p))
        return replace(self, module=module)

    def rebuilt(self, dtype: torch.dtype, seed: int = SEED) -> Subject:
        """Made anew on the CPU in this dtype: unlike a cast, weights are not rounded to another one before."""
        assert self.build is not None
        module = self.build(seed).to("cpu", dtype).eval()
        return replace(self, module=module, dtype=dtype, device="cpu")

    def as_type(self, dtype: torch.dtype, device: str) -> Subject:
        """A copy in another dtype, on another device."""
        return replace(self, module=self._copied().to(device, dtype), dtype=dtype, device=device)

    def _copied(self) -> nn.Module:
        """A deep copy; of a module that does not allow it (the law ``copies`` says so), one built anew with the same state."""
        try:
            return copy.deepcopy(self.module)
        except Exception:
            if self.build is None:
                raise
            module = self.build(SEED).to(self.device, self.dtype).train(self.module.training)
            module.load_state_dict(self.module.state_dict())
            return module

    def reweighted(self, pattern: str, log2_scale: int, seed: int) -> Subject:
        """The subject with other weights: one that is sound only at initialisation is not sound, since training moves them.

        ``scaled``: w·2^k. ``noise``: w + 2^k·N(0, 1)/√fan_in. ``saturated``: 2^k·(±1 + N(0, 0.01))/√fan_in, since a matrix of signs
        alone may be singular. Buffers stay. ``initial``: itself.
        """
        free = [p for p in self.module.parameters() if p.requires_grad and p.is_floating_point()]
        if pattern == "initial" or not free:
            return self
        module = self._copied()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in module.parameters():
                if p.requires_grad and p.is_floating_point():
                    drawn = torch.randn(p.shape, generator=generator, dtype=torch.float64)
                    p.copy_(WEIGHTS[pattern](p.cpu().double(), drawn, 2.0**log2_scale))
        return replace(self, module=module)


def subject_of(target: Target, dtype: torch.dtype, device: str = "cpu", seed: int = SEED) -> Subject:
    """Build the subject of a coupling or layer target. Raises ``UsageError`` when it cannot be constructed."""
    kind, make = target.kind, target.make

    def build(seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return make(seed) if kind == "layer" else make()  # type: ignore[no-any-return]

    if kind not in ("coupling", "layer"):
        raise UsageError(f"{target.name!r} is a {kind}; properties are checked on couplings and layers")
    metadata = target.entry.metadata
    try:
        module = build(seed).to(device, dtype).eval()
    except Exception as error:  # a stranger's constructor may raise anything
        raise UsageError(f"{kind} {target.name!r} cannot be built: {type(error).__name__}: {error}") from error
    if kind == "layer":
        shapes = metadata["event_shape"], metadata["cond_shape"]
        return Subject(target.name, kind, module, *shapes, dtype, device, dict(metadata), build)
    if not isinstance(module, Elementwise) or not isinstance(module.n_params, int) or module.n_params < 1:
        raise UsageError(f"coupling {target.name!r} has no positive integer n_params; set it in the class")
    declared = {name: getattr(module, name) for name in ("slope_range", "displacement", "tail_slopes_equal")}
    declared |= {name: getattr(module, name) for name in ("kinks", "train_differs") if hasattr(module, name)}
    bounds = getattr(module, "slope_bounds", None)
    if inspect.ismethod(bounds):
        declared["slope_bounds"] = bounds
    return Subject(target.name, kind, module, EVENT, (module.n_params, *EVENT), dtype, device, declared, build)

"""The subject of the laws: a coupling or an invertible layer with one interface, in one dtype, with
a float64 reference."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions.constraints import Constraint

from invbench.declaration import Declaration
from invbench.laws.space import Packing, is_real, place, raw_shape
from invbench.laws.weights import WEIGHTS

__all__ = ["SEED", "Subject"]

SEED = 20231001


@dataclass(frozen=True)
class Subject:
    """``forward(x, cond)`` and ``inverse(z, cond)`` return (value, log_det of shape (B,)). Each
    value is one tensor (B, *shape).

    Several tensors are packed into one: ``inner`` says how for x, ``outer`` for z. For a coupling
    the condition *is* the raw parameters, of shape (B, n_params, 6), and ``log_slopes`` gives log
    c′ per element. ``module`` is the user's own object; nothing here catches what it raises.
    ``build(seed)`` makes another one. ``declaration`` has what is declared, and what is assumed;
    ``assumed`` says which.
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
    declaration: Declaration = field(default_factory=Declaration)
    assumed: tuple[str, ...] = ()
    inner: Packing | None = None
    outer: Packing | None = None
    labels: bool = False  # conditions are integers
    image: frozenset[str] = frozenset()  # "x", "z": drawn as results of the other direction
    slow: bool = False  # calls are so slow that large batches are left out
    # forward runs in a loop and is exact to its tolerance only, as an ODE is
    integrated: bool = False

    @property
    def elementwise(self) -> bool:
        return self.kind == "coupling"

    @property
    def invertible(self) -> bool:
        return self.declaration.inverse != "none"

    @property
    def directions(self) -> tuple[bool, ...]:
        """The directions that the subject has: False for forward, True for inverse."""
        return (False, True) if self.invertible else (False,)

    @property
    def has_log_det(self) -> bool:
        return self.declaration.log_det in (None, "exact")

    def packed(self, latent: bool) -> Packing:
        packing = self.outer if latent else self.inner
        return packing if packing is not None else Packing(self.event_shape, (self.event_shape,))

    def raw_shape(self, latent: bool) -> tuple[int, ...]:
        """The shape of the raw numbers from which ``place`` makes x (or z)."""
        return raw_shape(self.packed(latent), self.space(latent))

    def space(self, latent: bool) -> Constraint | None:
        return self.declaration.codomain if latent else self.declaration.domain

    @property
    def same_space(self) -> bool:
        """Whether a latent may be handed to forward again."""
        own = self.packed(False), self.packed(True)
        real = is_real(self.space(False)) and is_real(self.space(True))
        return own[0].shape == own[1].shape and real and not self.image and not own[0].several

    def forward(self, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._call(self.module, x, cond, False)

    def inverse(self, z: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._call(self.module.inverse, z, cond, True)  # type: ignore[arg-type]

    def direction(self, inverse: bool) -> Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]:
        return self.inverse if inverse else self.forward

    def log_slopes(
        self, x: Tensor, cond: Tensor | None, inverse: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(value, log-slope), both of x's shape; couplings only."""
        assert self.elementwise and cond is not None
        direction: Callable[..., Any] = self.module.inverse if inverse else self.module  # type: ignore[assignment]
        return direction(x, cond.movedim(1, 0))

    def handed(self, cond: Tensor) -> Any:
        """The condition as the layer takes it."""
        shape = self.declaration.cond_shape
        if shape and isinstance(shape[0], tuple):
            return Packing(cond.shape[1:], shape, several=True).unpack(cond)
        return cond.long() if self.labels else cond

    def raw(self, v: Tensor, cond: Tensor | None, inverse: bool) -> Any:
        """What a layer returns, unchanged."""
        direction: Callable[..., Any] = self.module.inverse if inverse else self.module  # type: ignore[assignment]
        value = self.packed(inverse).unpack(v)
        return direction(value, self.handed(cond)) if cond is not None else direction(value)

    def _call(
        self, direction: Callable[..., Any], v: Tensor, cond: Tensor | None, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        if self.elementwise:
            assert cond is not None
            out, log_slope = direction(v, cond.movedim(1, 0))
            return out, log_slope.flatten(1).sum(1)
        out, log_det = self.raw(v, cond, inverse)
        return self.packed(not inverse).pack(out), log_det

    def float64_reference(self) -> Subject:
        """The same parameters in float64 on the CPU."""
        return self._float64_reference

    @cached_property
    def _float64_reference(self) -> Subject:
        return self.as_type(torch.float64, "cpu")

    def weights_perturbed(self, u: float, copies: int = 2) -> tuple[Subject, ...]:
        """Copies with every weight and buffer w moved to w·(1 ± u); none for a module without any.
        Whole numbers in buffers and frozen weights stay: masks, flags and permutations are exact,
        and a moved one would make another map, whose difference would excuse any error."""
        if not any(v.is_floating_point() for v in self.module.state_dict().values()):
            return ()
        kept = self._perturbed_copies.setdefault(u, [])
        while len(kept) < copies:
            kept.append(self._moved(u, len(kept)))
        return tuple(kept[:copies])

    @cached_property
    def _perturbed_copies(self) -> dict[float, list[Subject]]:
        return {}

    def _moved(self, u: float, seed: int) -> Subject:
        module, generator = self._copied(), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in (*module.parameters(), *module.buffers()):
                if p.is_floating_point() and (p.requires_grad or bool((p != p.round()).any())):
                    p.mul_(
                        1 + u * (2.0 * torch.randint(0, 2, p.shape, generator=generator) - 1).to(p)
                    )
        return replace(self, module=module)

    def made(self, seed: int = SEED) -> nn.Module:
        """Another module from the factory, in evaluation mode and in the subject's dtype. An
        adapter has probed it."""
        assert self.build is not None
        module = self.build(seed).to(self.device, self.dtype).eval()
        self.probe(module)
        return module

    def probe(self, module: nn.Module) -> None:
        """Let an adapter find out how its module is called, before any law calls it."""
        hook = getattr(module, "probe", None)
        if callable(hook):
            x, cond = self.probes(3)
            hook(self.packed(False).unpack(x), None if cond is None else self.handed(cond))

    def rebuilt(self, dtype: torch.dtype, seed: int = SEED) -> Subject:
        """Built anew on the CPU in this dtype. In a cast, the weights would have been rounded to
        another dtype first."""
        there = replace(self, dtype=dtype, device="cpu")
        return replace(there, module=there.made(seed)).warm()

    def untrained(self, seed: int) -> nn.Module:
        """A module from the factory, as it was before the factory itself called it: a factory may
        train the layer that it returns."""
        assert self.build is not None
        kept: dict[int, nn.Module] = {}

        def before(module: nn.Module, args: Any) -> None:
            if id(module) not in kept:
                kept[id(module)] = copy.deepcopy(module)

        hook = nn.modules.module.register_module_forward_pre_hook(before)
        try:
            module = self.build(seed)
        finally:
            hook.remove()
        return kept.get(id(module), module).to(self.device, self.dtype)

    def warm(self) -> Subject:
        """The subject itself, after one forward call in evaluation mode: some layers set their
        scales by the first batch."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            x, cond = self.probes(16)
            with contextlib.suppress(Exception, SystemExit):  # the laws will report it
                self.forward(x, cond)
        return self

    def probes(
        self, rows: int, seed: int = SEED, scale: float = 1.0
    ) -> tuple[Tensor, Tensor | None]:
        """Normal numbers placed in the spaces of x and of the condition."""
        generator = torch.Generator().manual_seed(seed)
        drawn = scale * torch.randn(
            rows, *self.raw_shape(False), generator=generator, dtype=torch.float64
        )
        x = place(None if "x" in self.image else self.space(False), drawn, self.dtype).to(
            self.device
        )
        if self.cond_shape is None:
            return x, None
        drawn = torch.randn(rows, *self.cond_shape, generator=generator, dtype=torch.float64)
        return x, self.place_condition(drawn).to(self.device)

    def place_condition(self, drawn: Tensor) -> Tensor:
        spaces = self.declaration.condition
        if isinstance(spaces, tuple) and self.declaration.cond_shape:
            whole = Packing(drawn.shape[1:], self.declaration.cond_shape, several=True)
            parts = [
                place(s, p, self.dtype) for s, p in zip(spaces, whole.unpack(drawn), strict=True)
            ]
            return whole.pack(parts)
        return place(spaces if isinstance(spaces, Constraint) else None, drawn, self.dtype)

    def as_type(self, dtype: torch.dtype, device: str) -> Subject:
        """A copy in another dtype, on another device."""
        return replace(self, module=self._copied().to(device, dtype), dtype=dtype, device=device)

    def in_training(self) -> Subject:
        """A copy in training mode."""
        return replace(self, module=self._copied().train())

    def _copied(self) -> nn.Module:
        """A deep copy. For a module that does not allow it (which the law ``copies`` reports), one
        built anew with the same state."""
        try:
            return copy.deepcopy(self.module)
        except Exception:
            if self.build is None:
                raise
            module = self.build(SEED).to(self.device, self.dtype).train(self.module.training)
            module.load_state_dict(self.module.state_dict())
            return module

    def reweighted(self, pattern: str, log2_scale: int, seed: int) -> Subject:
        """The subject with other weights: one that is sound only at initialisation is not sound,
        since training moves them.

        ``scaled``: w·2^k. ``noise``: w + 2^k·N(0, 1)/√fan_in. ``saturated``: 2^k·(±1 + N(0,
        0.01))/√fan_in, since a matrix of signs alone may be singular. ``reflected``: square
        matrices with their first row negated. Buffers stay. ``initial``: itself.
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
                    moved = WEIGHTS[pattern](p.detach().cpu().double(), drawn, 2.0**log2_scale)
                    p.copy_(moved.to(p))
        return replace(self, module=module)

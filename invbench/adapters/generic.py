"""Other people's invertible modules with the interface of a layer: ``forward(x, cond)`` and
``inverse(z, cond)``, log_det (B,)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from invbench.adapters.conventions import (
    Conventions,
    has_directions,
    per_row,
    read_conventions,
    tensors_of,
)
from invbench.adapters.transform import AdaptedTransform
from invbench.couplings.base import Elementwise
from invbench.errors import UsageError

__all__ = ["Adapted", "AdaptedTransform", "Functional", "adapt", "per_row"]


class Adapted(nn.Module):
    """``encode`` (data → noise) and ``decode`` name the methods of ``module``; ``condition`` is the
    keyword of the condition.

    How they are called and what they return is read from one probing call of a copy, by ``probe(x,
    cond)`` or at the first use; a name that is None is found then. ``guesses`` has one plain line
    for each guess, ``declares`` the declarations that follow. Several inputs or latents stay lists.
    A library with other conventions overrides ``call``, or both directions.
    """

    def __init__(
        self,
        module: Any,
        encode: str | None = "forward",
        decode: str | None = "inverse",
        condition: str | None = None,
        latent_shape: Any = None,
        swapped: bool = False,
    ) -> None:
        super().__init__()
        name = type(module).__name__
        for method in (encode, decode):
            if method is not None and not callable(getattr(module, method, None)):
                raise UsageError(
                    f"{name} has no method {method!r}; name the two directions in adapt()"
                )
        if encode is None and not has_directions(module):
            raise UsageError(
                f"{name} has no method forward, encode, normalize or the like; name its two "
                f"directions in adapt()"
            )
        self.module, self.encode, self.decode, self.condition = module, encode, decode, condition
        self.latent_shape, self.swapped = latent_shape, swapped
        self.conventions: Conventions | None = None
        self.given: tuple[str, ...] = ()  # guesses that were made before, of the shapes

    @property
    def guesses(self) -> tuple[str, ...]:
        """One plain line for each guess of the adapter."""
        return self.given + (self.conventions.guesses if self.conventions else ())

    @property
    def declares(self) -> dict[str, Any]:
        """The declarations that follow from the probing call: latent_shape, inverse="none",
        log_det="none"."""
        return dict(self.conventions.declares) if self.conventions else {}

    def forward(self, x: Any, cond: Any = None) -> tuple[Any, Tensor]:
        return (
            self.call(self.encode or "forward", x, cond)
            if not self._reads
            else self._directed(x, cond, False)
        )

    def inverse(self, z: Any, cond: Any = None) -> tuple[Any, Tensor]:
        return (
            self.call(self.decode or "inverse", z, cond)
            if not self._reads
            else self._directed(z, cond, True)
        )

    def call(self, name: str, v: Any, cond: Any) -> tuple[Any, Tensor]:
        """One direction by the name of its method. A library with other conventions overrides
        this."""
        return self._directed(v, cond, inverse=name == self.decode != self.encode)

    @property
    def _reads(self) -> bool:
        return type(self).call is Adapted.call and type(self).forward is Adapted.forward

    def probe(self, x: Any, cond: Any = None) -> None:
        """Read the conventions from calls of a copy on rows of ``x``. Raises ``UsageError`` for
        what cannot be read."""
        if self._reads and self.conventions is None:
            self.conventions = self._read(x, cond, False)

    def _read(self, v: Any, cond: Any, inverse: bool) -> Conventions:
        names, shape = (
            (self.encode, self.decode, self.condition),
            None if inverse else self.latent_shape,
        )
        conventions = read_conventions(
            self.module, v, cond, *names, shape, swapped=self.swapped != inverse
        )
        return conventions.flipped() if inverse else conventions

    def _directed(self, v: Any, cond: Any, inverse: bool) -> tuple[Any, Tensor]:
        if self.conventions is None:
            self.conventions = self._read(v, cond, inverse)
        habits = self.conventions
        value, log_det = habits.call(self.module, v, cond, inverse)
        returned = habits.x if inverse else habits.z
        if log_det is None:
            return value, self._silent(value, cond, inverse)
        return value, per_row(
            log_det, tensors_of(value)[0], None if returned is None else returned.summed
        )

    def call_text(self, argument: str, inverse: bool, layer: str = "layer") -> str:
        """The call of the user's own module, as it would be written: ``layer(x, reverse=True)``."""
        habits = self.conventions
        way = None if habits is None else habits.decode if inverse else habits.encode
        if way is None:
            method = self.decode or "inverse" if inverse else self.encode or "forward"
            return f"{layer}.{method}({argument})"
        call = way.call_text(argument)
        return layer + (call.removeprefix("forward") if way.method == "forward" else f".{call}")

    def _silent(self, value: Any, cond: Any, inverse: bool) -> Tensor:
        """The log_det of a direction that returns none: minus the other's at its value; 0 where
        neither returns one, which is declared."""
        habits, first = self.conventions, tensors_of(value)[0]
        assert habits is not None
        other = habits.z if inverse else habits.x
        if other is None or other.log_det is None:
            return first.new_zeros(first.shape[0])
        return -self._directed(value, cond, not inverse)[1]


def adapt(
    subject: Any,
    forward: str | None = None,
    inverse: str | None = None,
    condition: str | None = None,
    towards_noise: bool = True,
) -> nn.Module:
    """Any ``nn.Module`` that goes both ways, or a ``torch.distributions.Transform``, with the
    interface of a layer.

    ``forward`` and ``inverse`` name the methods; without them they are found (docs/declarations.md
    has the conventions). ``towards_noise=False`` when ``forward`` maps noise to data; for a
    transform, when calling it does. ``condition`` is the keyword of the condition. A log_det of
    shape (B,) or of any odd shape is passed on as it is; one number, or one of the value's shape,
    becomes (B,).

    >>> @invbench.layer("mine", event_shape=(4,), cond_shape=(3,))
    ... def make(seed):
    ...     return invbench.adapt(MyBlock(4, 3), inverse="sample_inverse", condition="context")

    Raises ``UsageError`` for a subject without these methods.
    """
    if isinstance(subject, Transform):
        return AdaptedTransform(subject, towards_noise)
    if isinstance(subject, (Adapted, AdaptedTransform)):
        return subject
    if forward is None and inverse is None:
        return Adapted(subject, None, None, condition, swapped=not towards_noise)
    names = forward or "forward", inverse or "inverse"
    return Adapted(subject, *(names if towards_noise else names[::-1]), condition=condition)


class Functional(Elementwise):
    """An elementwise function of another library. ``param_widths``: the widths of its parameters,
    stacked in ``params`` in this order.

    A subclass defines ``run(x, parts, inverse)`` for x of shape (N,) and parts of shape (N, width).
    """

    param_widths: ClassVar[tuple[int, ...]] = ()

    def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        raise NotImplementedError  # every subclass has it

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._flat(x, params, False)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._flat(y, params, True)

    def _flat(self, v: Tensor, params: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        columns = params.reshape(params.shape[0], -1).T
        value, log_slope = self.run(
            v.reshape(-1), list(torch.split(columns, list(self.param_widths), dim=1)), inverse
        )
        return value.reshape(v.shape), log_slope.reshape(v.shape)

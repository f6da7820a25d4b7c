"""Other people's invertible modules behind the one face of a layer: ``forward(x, cond)`` and ``inverse(z, cond)``, log_det (B,)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from invbench.couplings.base import Elementwise
from invbench.errors import UsageError

__all__ = ["Adapted", "AdaptedTransform", "Functional", "adapt", "per_row"]


def per_row(log_det: Any, x: Tensor) -> Tensor:
    """log_det of shape (B,) from any convention: one number, one per row, one per element (summed)."""
    if not isinstance(log_det, Tensor):
        return x.new_full(x.shape[:1], float(log_det))
    if log_det.ndim == 0:
        return log_det.expand(x.shape[0])
    return log_det.flatten(1).sum(1) if log_det.ndim > 1 else log_det


class Adapted(nn.Module):
    """``encode`` (data → noise) and ``decode`` name the methods of ``module``; ``condition`` is the keyword that takes a condition."""

    def __init__(
        self, module: nn.Module, encode: str = "forward", decode: str = "inverse", condition: str | None = None
    ) -> None:
        super().__init__()
        for name in (encode, decode):
            if not callable(getattr(module, name, None)):
                raise UsageError(f"{type(module).__name__} has no method {name!r}; name the two directions in adapt()")
        self.module, self.encode, self.decode, self.condition = module, encode, decode, condition

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.call(self.encode, x, cond)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.call(self.decode, z, cond)

    def call(self, name: str, v: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        """One direction; a library with other habits overrides this."""
        more = {} if cond is None or self.condition is None else {self.condition: cond}
        value, log_det = getattr(self.module, name)(v, **more)
        return value, per_row(log_det, v)


class AdaptedTransform(nn.Module):
    """A torch ``Transform``, which maps noise to data: data → noise is its inverse, unless ``towards_noise``.

    A transform that is a module (pyro) keeps its weights, state_dict and dtype. log_det by ``log_abs_det_jacobian``. Its cache of
    the last pair is switched off: an inverse that returns what it remembers proves nothing.
    """

    def __init__(self, transform: Any, towards_noise: bool = False) -> None:
        super().__init__()
        transform._cache_size = 0
        self.transform, self.towards_noise = transform, towards_noise

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._call(x, cond, self.towards_noise)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._call(z, cond, not self.towards_noise)

    def _call(self, v: Tensor, cond: Tensor | None, along: bool) -> tuple[Tensor, Tensor]:
        transform = self.transform if cond is None else self.transform.condition(cond)
        if along:
            out = transform(v)
            return out, per_row(transform.log_abs_det_jacobian(v, out), v)
        transform._inv = None  # a weak reference, which a deep copy would share with the original
        out = transform.inv(v)
        return out, -per_row(transform.log_abs_det_jacobian(out, v), v)


def adapt(
    subject: Any,
    forward: str = "forward",
    inverse: str = "inverse",
    condition: str | None = None,
    towards_noise: bool = True,
) -> nn.Module:
    """Any ``nn.Module`` with two methods that return (value, log-determinant), or a ``torch.distributions.Transform``.

    ``forward`` and ``inverse`` name the methods; ``towards_noise=False`` when ``forward`` maps noise to data (for a transform: when
    calling it does). ``condition`` is the keyword of the condition. log-determinants may be one number, (B,) or elementwise.

    >>> @invbench.layer("mine", event_shape=(4,), cond_shape=(3,))
    ... def make(seed):
    ...     return invbench.adapt(MyBlock(4, 3), inverse="sample_inverse", condition="context")

    Raises ``UsageError`` for a subject without these methods.
    """
    if isinstance(subject, Transform):
        return AdaptedTransform(subject, towards_noise)
    names = (forward, inverse) if towards_noise else (inverse, forward)
    return Adapted(subject, *names, condition=condition)


class Functional(Elementwise):
    """An elementwise function of another library; ``layout`` is the widths of its parameters, stacked in ``params`` in this order.

    A subclass defines ``run(x, parts, inverse)`` for x of shape (N,) and parts of shape (N, width).
    """

    layout: ClassVar[tuple[int, ...]] = ()

    def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        raise NotImplementedError  # every subclass has it

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._flat(x, params, False)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._flat(y, params, True)

    def _flat(self, v: Tensor, params: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        columns = params.reshape(params.shape[0], -1).T
        value, log_slope = self.run(v.reshape(-1), list(torch.split(columns, list(self.layout), dim=1)), inverse)
        return value.reshape(v.shape), log_slope.reshape(v.shape)

"""Bijections of JAX with the interface of a layer: ``invbench.adapt_jax``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from invbench.adapters.generic import per_row
from invbench.adapters.jax_bridge import JaxFunction, bridged, compiling, jax
from invbench.adapters.jax_faces import FACES, Functions, Methods, face_of
from invbench.adapters.jax_maps import Habits, Maps, flattened, maps_of
from invbench.adapters.jax_trace import shown, watched
from invbench.errors import UsageError

__all__ = ["JaxLayer", "adapt_jax"]

CHUNKS = (128, 8, 1)  # rows of one call of a mapped function: three shapes to compile
UNTRACEABLE = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)


class JaxLayer(nn.Module):
    """``forward(x, cond)`` and ``inverse(z, cond)`` of two JAX functions, log_det (B,).

    Their arrays are the module's parameters, or buffers where they are not free. Functions of one
    event are mapped over the rows by ``jax.vmap``; batched ones get the rows as they are. Both are
    compiled where JAX can trace them; ``refused`` says what it could not, and why.
    """

    jax = True  # the laws of JAX apply, and those of torch's own tools do not

    def __init__(
        self, maps: Maps, arrays: dict[str, Tensor], frozen: frozenset[str], one_way: bool = False
    ) -> None:
        super().__init__()
        self.maps, self.one_way, self.names = maps, one_way, tuple(arrays)
        self.arrays = nn.Module()
        for name, value in arrays.items():
            if value.is_floating_point() and name not in frozen:
                self.arrays.register_parameter(name, nn.Parameter(value))
            else:
                self.arrays.register_buffer(name, value)
        self.refused: dict[tuple[str, bool], str] = {}

    @property
    def guesses(self) -> tuple[str, ...]:
        """One plain line for each thing that the adapter found out."""
        tools, names = {"quick": "jax.jit", "eager": "jax.vmap"}, ("forward", "inverse")
        return tuple(
            f"{names[inverse]} runs without {tools[way]}: {why}"
            for (way, inverse), why in self.refused.items()
        )

    @property
    def declares(self) -> dict[str, Any]:
        return {"inverse": "none"} if self.one_way else {}

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._usual(x, cond, False)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.one_way:
            raise NotImplementedError(
                "the bijection has no inverse; hand it in: adapt_jax(forward, inverse)"
            )
        return self._usual(z, cond, True)

    def run(self, way: str, v: Tensor, cond: Tensor | None, inverse: bool) -> tuple[Tensor, Tensor]:
        """One direction in one of the ways of ``jax_maps.WAYS``: ``jit`` as ``jax.jit`` compiles by
        default, ``eager`` without it, ``vmap`` mapped over events, ``row`` one after the other."""
        function = self.maps.function(inverse, way, cond is not None)
        if way == "row":
            return self._in_parts(function, v, cond, [1] * len(v))
        return self._call(function, v, cond)

    def traced(self, way: str, inverse: bool) -> bool:
        """Whether a direction was run by ``jax.jit`` (quick), or at least mapped (eager)."""
        return (way, inverse) not in self.refused

    @staticmethod
    def compiling() -> float:
        """Processor seconds spent on compiling, which no budget counts."""
        return compiling()

    def _usual(self, v: Tensor, cond: Tensor | None, inverse: bool) -> tuple[Tensor, Tensor]:
        whole = self.maps.habits.batched or self.maps.habits.key is not None
        for way in ("quick", "eager"):
            if not self.traced(way, inverse):
                continue
            function = self.maps.function(inverse, way, cond is not None)
            try:
                if whole or not len(v) or watched():
                    return self._call(function, v, cond)
                return self._in_parts(function, v, cond, _chunks(len(v)))
            except UNTRACEABLE as error:
                text = str(error).partition("\n")[0][:120]
                self.refused[way, inverse] = f"{type(error).__name__}: {text}"
        return self.run("row", v, cond, inverse)

    def _in_parts(
        self, function: JaxFunction, v: Tensor, cond: Tensor | None, sizes: list[int]
    ) -> tuple[Tensor, Tensor]:
        conds = [None] * len(sizes) if cond is None else cond.split(sizes)
        parts = [self._call(function, p, c) for p, c in zip(v.split(sizes), conds, strict=True)]
        if len(parts) == 1:
            return parts[0]
        values, log_dets = zip(*parts, strict=True)
        return torch.cat(values), torch.cat(log_dets)

    def _call(self, function: JaxFunction, v: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        given = [v] if cond is None else [v, cond]
        if self.maps.draws:  # repeatable by torch.manual_seed
            given.append(torch.randint(0, 2**31 - 1, (1,), dtype=torch.int32))
        given += [getattr(self.arrays, name) for name in self.names]
        if watched():
            value, log_det = function.shown(shown, given)
            if not (torch.is_grad_enabled() and any(t.requires_grad for t in given)):
                return value, per_row(log_det, value)
        with torch._C.DisableTorchFunction():
            value, log_det = bridged(function, *given)
        return value, per_row(log_det, value)


def _chunks(rows: int) -> list[int]:
    sizes: list[int] = []
    for size in CHUNKS:
        sizes += [size] * ((rows - sum(sizes)) // size)
    return sizes


def adapt_jax(
    subject: Any,
    inverse: Callable[..., Any] | None = None,
    *,
    params: Any = None,
    condition: str | None = None,
    batched: bool | None = None,
    key: Any = None,
    trainable: bool | None = None,
) -> JaxLayer:
    """Anyone's JAX bijection with the interface of a layer; values, log_dets and gradients cross to
    torch by DLPack and ``jax.vjp``.

    ``subject`` is a bijection of flowjax, bijx, distrax, distreqx or TFP (or one with methods of
    their names), or a function ``x -> (z, log_det)`` of one event with its ``inverse``; log_det is
    one number, or one for each element. With ``params``, a pytree of arrays, the functions are
    ``(params, x)``, and a function of ``params`` alone builds the bijection. ``condition``: the
    keyword of the condition; without it a function gets it after x. ``batched``: the functions
    take rows, not one event. ``key``: a PRNG key for every call, as ``key=``, split over the rows
    of single events; ``"torch"`` for a new one each time from torch's generator. ``trainable``: the
    arrays are free weights, which the laws move; so are ``params``, and the arrays of flowjax and
    bijx. Declare ``stochastic=True`` for a layer that draws.

    >>> @invbench.layer("mine", event_shape=(4,))
    ... def make(seed):
    ...     return invbench.adapt_jax(forward, inverse, params=init(jax.random.key(seed)))

    Raises ``UsageError`` without jax, and for a subject that is neither function nor bijection.
    """
    builds = params is not None and inverse is None and _needs(subject) == 1
    made = subject(params) if builds else subject
    face = face_of(made)
    if face is not None and inverse is not None:
        raise UsageError(f"{type(made).__name__} has its own inverse; leave inverse out")
    if face is None and (builds or _needs(subject) is None):
        raise UsageError(
            f"{type(made).__name__} is no bijection of {', '.join(f.name for f in FACES)}; hand in "
            f"two functions, as adapt_jax(forward, inverse)"
        )
    leaves, arrays, constant = flattened(params if builds or face is None else subject)
    if face is None:
        call: Any = Functions(subject, inverse, params is not None, condition)
        habits, free = Habits(bool(batched), key), True
    else:
        call = Methods(face, condition, subject if builds else None)
        habits = Habits(face.batched if batched is None else batched, key)
        free = builds or face.free
    frozen = constant if (free if trainable is None else trainable) else frozenset(arrays)
    one_way = face is None and inverse is None
    return JaxLayer(maps_of(call, leaves, habits), arrays, frozen, one_way)


def _needs(function: Any) -> int | None:
    """How many arguments a function needs by position; None for what is no function."""
    if isinstance(function, type) or not callable(function):
        return None
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    return sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in known
    )

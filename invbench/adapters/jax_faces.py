"""How the bijections of JAX libraries are called: the names of their methods, and what those
return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from invbench.adapters.jax_bridge import jnp

__all__ = ["FACES", "Face", "Functions", "Methods", "face_of"]


def _transform(b: Any, x: Any, more: dict[str, Any], inverse: bool) -> Any:
    return (b.inverse_and_log_det if inverse else b.transform_and_log_det)(x, **more)


def _forward(b: Any, x: Any, more: dict[str, Any], inverse: bool) -> Any:
    return (b.inverse_and_log_det if inverse else b.forward_and_log_det)(x, **more)


def _rows(b: Any, x: Any, more: dict[str, Any], inverse: bool) -> Any:
    """log_det has the shape of x without the event's dimensions: those between are independent."""
    value, log_det = _forward(b, x, more, inverse)
    return value, log_det.sum(tuple(range(1, log_det.ndim)))


def _separate(b: Any, x: Any, more: dict[str, Any], inverse: bool) -> Any:
    if inverse:
        log_det = b.inverse_log_det_jacobian(x, event_ndims=x.ndim - 1, **more)
        value = b.inverse(x, **more)
    else:
        log_det = b.forward_log_det_jacobian(x, event_ndims=x.ndim - 1, **more)
        value = b.forward(x, **more)
    return value, jnp.broadcast_to(log_det, x.shape[:1])


def _density(b: Any, x: Any, more: dict[str, Any], inverse: bool) -> Any:
    """The log-density of z is that of x minus the log_det."""
    start = jnp.zeros(x.shape[:1], x.dtype)
    value, density = (b.reverse if inverse else b.forward)(x, start, **more)
    return value, -density


@dataclass(frozen=True)
class Face:
    """``has``: the attributes by which it is known. ``call(bijection, x, keywords, inverse)`` →
    (value, log_det). ``batched``: it takes rows. ``free``: its arrays are free weights, not numbers
    computed from others. ``condition``: the keyword of the condition."""

    name: str
    has: tuple[str, ...]
    call: Callable[[Any, Any, dict[str, Any], bool], Any]
    batched: bool
    free: bool
    condition: str | None = None


FACES = (
    Face(
        "flowjax",
        ("transform_and_log_det", "inverse_and_log_det"),
        _transform,
        batched=False,
        free=True,
        condition="condition",
    ),
    Face(
        "distrax",
        ("forward_and_log_det", "inverse_and_log_det", "event_ndims_in"),
        _rows,
        batched=True,
        free=False,
    ),
    Face(
        "distreqx",
        ("forward_and_log_det", "inverse_and_log_det"),
        _forward,
        batched=False,
        free=False,
    ),
    Face(
        "TFP",
        ("forward_log_det_jacobian", "inverse_log_det_jacobian", "forward_min_event_ndims"),
        _separate,
        batched=True,
        free=False,
    ),
    Face("bijx", ("forward", "reverse", "invert"), _density, batched=True, free=True),
)


@dataclass(frozen=True)
class Methods:
    """Both directions of a bijection, or of what ``build`` makes of a pytree of arrays."""

    face: Face
    condition: str | None = None
    build: Callable[[Any], Any] | None = None

    def __call__(self, tree: Any, x: Any, cond: Any, key: Any, inverse: bool) -> Any:
        bijection = tree if self.build is None else self.build(tree)
        name = self.condition or self.face.condition or "condition"
        return self.face.call(bijection, x, _keywords(**{name: cond, "key": key}), inverse)


@dataclass(frozen=True)
class Functions:
    """Both directions as functions; ``params``: they take the pytree of the arrays first."""

    forward: Callable[..., Any]
    inverse: Callable[..., Any] | None
    params: bool = False
    condition: str | None = None

    def __call__(self, tree: Any, x: Any, cond: Any, key: Any, inverse: bool) -> Any:
        function = self.inverse if inverse else self.forward
        assert function is not None  # the layer says that it has none
        first = [tree, x] if self.params else [x]
        if self.condition is not None:
            return function(*first, **_keywords(**{self.condition: cond, "key": key}))
        return function(*first, *([] if cond is None else [cond]), **_keywords(key=key))


def _keywords(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def face_of(subject: Any) -> Face | None:
    """How a bijection is called; None for what is none."""
    if isinstance(subject, type):
        return None
    return next((f for f in FACES if all(hasattr(subject, name) for name in f.has)), None)

"""The shapes of a layer that nobody registered, from its attributes and its constructor."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from invbench.adapters.conventions import drawn
from invbench.declaration import declared_by
from invbench.errors import UsageError

__all__ = ["parameters_of", "with_shapes"]

SHAPES = (
    "event_shape",
    "input_shape",
    "in_shape",
    "data_shape",
    "dims_in",
    "input_dims",
    "in_dims",
    "shape",
)
SIZES = (
    "dim in_features features n_features num_features input_dim in_dim n_inputs "
    "num_inputs data_dim input_size "
    "in_size input_features dimension".split()
)
CHANNELS = (
    "in_channels",
    "num_channels",
    "channels",
    "n_channels",
    "c_in",
    "num_features",
    "features",
    "dim",
)
COND_SIZES = (
    "cond_dim context_features cond_features condition_dim context_dim "
    "n_conditional_inputs num_conditional_inputs "
    "cond_size num_context_channels context_size condition_size conditional_dim".split()
)
SIDE = 4  # of the images that a layer with weights over images is given
# tried on a transform that does not say its shape
EVENTS = ((4,), (2,), (3,), (6,), (3, 3), (2, 4, 4))


def with_shapes(
    spec: str, name: str, made: Any, obj: Any, options: dict[str, Any], declared: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """(the declaration with shapes found in the object, a line for each guess)."""
    guesses: list[str] = []
    if isinstance(made, Transform):
        declared = {**declared_by(made, towards_noise=True), **declared}
    if declared.get("event_shape") is None:
        arguments = {**_defaults(obj), **options}
        guess = _event_shape(made, arguments) or (
            _transform_shape(made) if isinstance(made, Transform) else None
        )
        if guess is None:
            raise UsageError(
                f"{name!r} ({spec}) has no event shape: say the shape of one x without the "
                f"batch, as --event-shape 3,32,32 "
                "(several tensors: '2;2'), or give the module an attribute event_shape"
            )
        declared["event_shape"], why = guess
        guesses.append(
            f"event_shape={declared['event_shape']}, {why}; if it is another, say --event-shape"
        )
    if declared.get("cond_shape") is None:
        for key in COND_SIZES:
            size = _number(getattr(made, key, None)) or _number(
                {**_defaults(obj), **options}.get(key)
            )
            if size and not isinstance(made, Transform):
                declared["cond_shape"] = (size,)
                guesses.append(
                    f"cond_shape={(size,)}, from {key}; if it is another, say --cond-shape"
                )
                break
    return declared, guesses


def _defaults(obj: Any) -> dict[str, Any]:
    return {k: p.default for k, p in parameters_of(obj).items() if p.default is not p.empty}


def _number(value: Any) -> int | None:
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 4096
        else None
    )


def _event_shape(made: Any, arguments: Mapping[str, Any]) -> tuple[Any, str] | None:
    """(shape, its source), from what the module or its constructor says."""
    lookups: tuple[tuple[Callable[[str], Any], str], ...] = (
        (lambda key: getattr(made, key, None), "from the attribute"),
        (lambda key: arguments.get(key), "from the argument"),
    )
    for get, where in lookups:
        for key in SHAPES:
            value = get(key)
            if key == "dims_in" and isinstance(value, (list, tuple)) and len(value) == 1:
                value = value[0]
            if isinstance(value, (tuple, list)) and value and all(_number(v) for v in value):
                return tuple(value), f"{where} {key}"
    for get, where in lookups:
        for key in CHANNELS if _over_images(made) else SIZES:
            if size := _number(get(key)):
                return ((size, SIDE, SIDE) if _over_images(made) else (size,)), f"{where} {key}"
    return None


def _over_images(made: Any) -> bool:
    """Whether a module has weights over (channels, height, width)."""
    if not isinstance(made, nn.Module):
        return False
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.ConvTranspose2d)
    return any(isinstance(m, kinds) for m in made.modules()) or any(
        p.ndim == 4 for p in made.parameters()
    )


def _transform_shape(transform: Any) -> tuple[Any, str] | None:
    """The first of a few shapes that the transform can be called with."""
    domain = getattr(transform, "domain", None)
    for shape in EVENTS:
        if len(shape) < getattr(domain, "event_dim", 0):
            continue
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                x = drawn(shape, domain)
                y = transform(x)
        except Exception:  # whatever it raises for a shape that is not its own
            continue
        if isinstance(y, Tensor) and y.shape[0] == x.shape[0] and math.prod(y.shape):
            return shape, "the first shape that the transform can be called with"
    return None


def parameters_of(subject: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(subject).parameters
    except (TypeError, ValueError):
        return {}

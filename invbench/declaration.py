"""What a layer declares: where its inputs lie, what it returns, and how exactly it inverts.

Nothing declared means a bijection of Rⁿ with exact inverse and log-determinant. Spaces are those of
``torch.distributions.constraints``, as objects or by name: ``"unit_interval"``, ``"interval(-1,
1)"``, ``"label(5)"``.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from invbench.errors import UsageError, did_you_mean

__all__ = [
    "CHOICES",
    "SPACES",
    "Circle",
    "Declaration",
    "Shape",
    "declared_by",
    "space",
    "space_name",
]

Shape = tuple[int, ...]
CHOICES = {
    "inverse": ("exact", "iterated", "sampling", "none"),
    "log_det": ("exact", "estimate", "none"),
    "training": ("same", "differs"),
}


class Circle(constraints.half_open_interval):
    """Angles in [low, low + period): the two ends are the same point."""

    def __init__(self, low: float = -math.pi, period: float = 2 * math.pi) -> None:
        super().__init__(low, low + period)
        self.period = period

    def __repr__(self) -> str:
        return f"circle({float(self.lower_bound):.6g}, {self.period:.6g})"


def _label(classes: int) -> Constraint:
    return constraints.integer_interval(0, int(classes) - 1)


# name → (how it is made from numbers, the fewest, the most)
SPACES: dict[str, tuple[Callable[..., Constraint], int, int]] = {
    "real": (lambda: constraints.real, 0, 0),
    "real_vector": (lambda: constraints.real_vector, 0, 0),
    "positive": (lambda: constraints.positive, 0, 0),
    "nonnegative": (lambda: constraints.nonnegative, 0, 0),
    "unit_interval": (lambda: constraints.unit_interval, 0, 0),
    "interval": (constraints.interval, 2, 2),
    "greater_than": (constraints.greater_than, 1, 1),
    "less_than": (constraints.less_than, 1, 1),
    "circle": (Circle, 0, 2),
    "simplex": (lambda: constraints.simplex, 0, 0),
    "lower_cholesky": (lambda: constraints.lower_cholesky, 0, 0),
    "corr_cholesky": (lambda: constraints.corr_cholesky, 0, 0),
    "positive_definite": (lambda: constraints.positive_definite, 0, 0),
    "label": (_label, 1, 1),
    "integers": (constraints.integer_interval, 2, 2),
    "mask": (lambda: constraints.boolean, 0, 0),
}
_CALL = re.compile(r"^\s*([a-z_]+)\s*(?:\((.*)\))?\s*$")


def space(what: str | Constraint) -> Constraint:
    """The constraint of a name, as ``"greater_than(6.5)"``, or the constraint itself. Raises
    ``UsageError`` with the nearest name."""
    if isinstance(what, Constraint):
        return what
    match = _CALL.match(what) if isinstance(what, str) else None
    if match is None or match[1] not in SPACES:
        hint = did_you_mean(match[1] if match else str(what), SPACES)
        raise UsageError(
            f"{what!r} is no space{hint}; known: {', '.join(SPACES)}, or a torch.distributions "
            f"constraint"
        )
    make, least, most = SPACES[match[1]]
    try:
        numbers = (
            [float(v) for v in ast.literal_eval(f"({match[2]},)")]
            if match[2] and match[2].strip()
            else []
        )
    except (ValueError, SyntaxError, TypeError):
        raise UsageError(f"{what!r}: the arguments of {match[1]} must be numbers") from None
    if not least <= len(numbers) <= most:
        raise UsageError(
            f"{what!r}: {match[1]} takes {least if least == most else f'{least} to {most}'} numbers"
        )
    made = make(*numbers)
    low, high = getattr(made, "lower_bound", -math.inf), getattr(made, "upper_bound", math.inf)
    if not low <= high or (low == high and not made.is_discrete):
        raise UsageError(
            f"{what!r} holds nothing: its lower bound {low:g} must be below its upper bound "
            f"{high:g}"
        )
    return made


def space_name(constraint: Constraint) -> str:
    """The constraint, as it is written in a declaration."""
    for name, (make, least, _) in SPACES.items():
        if (
            least == 0
            and name != "circle"
            and type(constraint) is type(make())
            and repr(constraint) == repr(make())
        ):
            return name
    bounds = [
        float(getattr(constraint, n))
        for n in ("lower_bound", "upper_bound")
        if hasattr(constraint, n)
    ]
    shown = ", ".join(f"{b:.9g}" for b in bounds)
    if isinstance(constraint, Circle):
        return repr(constraint)
    if isinstance(constraint, type(constraints.integer_interval(0, 1))):
        return f"label({int(bounds[1]) + 1})" if bounds[0] == 0 else f"integers({shown})"
    if bounds:
        kind = (
            "interval"
            if len(bounds) == 2
            else "greater_than"
            if hasattr(constraint, "lower_bound")
            else "less_than"
        )
        return f"{kind}({shown})"
    return repr(constraint).removesuffix("()")


@dataclass(frozen=True)
class Declaration:
    """What is known of a layer besides its code. ``None``: not declared; the survey may assume a
    value, and says so.

    ``event_shape``, ``latent_shape``, ``cond_shape``: shapes without the batch; a tuple of shapes
    for several tensors. ``domain``, ``codomain``, ``condition``: the spaces of x, z and the
    condition. ``data_range``: (low, high) of the data that the layer is meant for. ``tolerance``:
    how far an iterated or integrated direction may be off, absolute and relative. ``inverse``:
    exact, iterated, sampling (without gradients), none. ``log_det``: exact, estimate, none.
    ``stochastic``: a direction draws random numbers. ``training``: whether training mode is the
    same map. ``untouched``: channels that pass through bit by bit. ``order``: the flattened
    elements in an order that makes the Jacobian triangular.
    """

    event_shape: Any = None
    latent_shape: Any = None
    cond_shape: Any = None
    domain: Constraint | None = None
    codomain: Constraint | None = None
    condition: Constraint | tuple[Constraint, ...] | None = None
    data_range: tuple[float, float] | None = None
    tolerance: float | None = None
    inverse: str | None = None
    log_det: str | None = None
    stochastic: bool | None = None
    training: str | None = None
    untouched: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None

    @classmethod
    def of(cls, name: str, declared: Mapping[str, Any]) -> Declaration:
        """From the keywords of ``@invbench.layer`` or of the command line. Raises ``UsageError``
        that names the wrong one."""
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in declared.items() if k in known and v is not None}
        if declared.get("train_differs"):
            values.setdefault("training", "differs")
        for what in ("event_shape", "latent_shape", "cond_shape"):
            if what in values:
                values[what] = _shape(name, what, values[what])
        for what in ("domain", "codomain"):
            if what in values:
                values[what] = _space(name, what, values[what])
        if isinstance(values.get("condition"), (tuple, list)) and values["condition"]:
            values["condition"] = tuple(_space(name, "condition", c) for c in values["condition"])
        elif "condition" in values:
            values["condition"] = _space(name, "condition", values["condition"])
        for what, choices in CHOICES.items():
            if what in values and values[what] not in choices:
                raise UsageError(
                    f"layer {name!r}: {what}={values[what]!r}: one of {', '.join(choices)}"
                )
        if "data_range" in values:
            values["data_range"] = _range(name, values["data_range"])
        if "tolerance" in values and not (
            isinstance(values["tolerance"], (int, float)) and 0 < values["tolerance"] < 1
        ):
            raise UsageError(
                f"layer {name!r}: tolerance={values['tolerance']!r}: a number between 0 and 1, "
                f"as 1e-5"
            )
        if "stochastic" in values and not isinstance(values["stochastic"], bool):
            raise UsageError(f"layer {name!r}: stochastic={values['stochastic']!r}: True or False")
        for what in ("untouched", "order"):
            if what in values:
                values[what] = _positions(name, what, values[what])
        return cls(**values)

    def assuming(self, **values: Any) -> Declaration:
        """With values for what is not declared. What is declared stays."""
        return replace(self, **{k: v for k, v in values.items() if getattr(self, k) is None})

    def as_dict(self) -> dict[str, Any]:
        """The declared values, as they are written."""
        shown: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None:
                continue
            if isinstance(value, Constraint):
                value = space_name(value)
            elif f.name == "condition":
                value = [space_name(c) for c in value]
            shown[f.name] = value
        return shown


def _space(name: str, what: str, value: Any) -> Constraint:
    try:
        return space(value)
    except UsageError as error:
        raise UsageError(f"layer {name!r}: {what}: {error}") from None


def _shape(name: str, what: str, value: Any) -> Any:
    """A shape, or a tuple of shapes."""
    try:
        if isinstance(value, int):
            value = (value,)
        if value and all(isinstance(v, (tuple, list)) for v in value):
            return tuple(_shape(name, what, v) for v in value)
        shape = tuple(int(v) for v in value)
    except (TypeError, ValueError):
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageError(
            f"layer {name!r}: {what}={value}: at least one dimension, each of 1 or more; a "
            f"scalar is (1,)"
        )
    return shape


def _positions(name: str, what: str, value: Any) -> tuple[int, ...]:
    try:
        return tuple(int(v) for v in value)
    except (TypeError, ValueError):
        raise UsageError(
            f"layer {name!r}: {what}={value!r}: whole numbers that count from 0, as (0, 2)"
        ) from None


def _range(name: str, value: Any) -> tuple[float, float]:
    try:
        low, high = (
            (-value, value) if isinstance(value, (int, float)) else (float(v) for v in value)
        )
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise UsageError(
            f"layer {name!r}: data_range={value!r}: (low, high), or one number for both sides"
        )
    return float(low), float(high)


def declared_by(transform: Any, towards_noise: bool) -> dict[str, Any]:
    """The domain and codomain that a ``torch.distributions`` Transform states, in the direction of
    use."""
    spaces = [getattr(transform, n, None) for n in ("domain", "codomain")]
    spaces = [s if isinstance(s, Constraint) else None for s in spaces]
    first, second = spaces if towards_noise else reversed(spaces)
    return {k: v for k, v in (("domain", first), ("codomain", second)) if v is not None}


def inside(constraint: Constraint | None, value: Tensor) -> Tensor:
    """Per row, whether a value (B, …) lies in the space. With ``None``, whether it is finite."""
    if constraint is None:
        return value.flatten(1).isfinite().all(1)
    return torch.as_tensor(constraint.check(value)).reshape(value.shape[0], -1).all(1)

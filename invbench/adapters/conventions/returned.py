"""What a strange layer returned: which part is the value, which the log-determinant, told from
names and shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from invbench.errors import UsageError

__all__ = [
    "Part",
    "Returned",
    "Unreadable",
    "described",
    "distance",
    "per_row",
    "readings",
    "shapes_of",
    "tensors_of",
]

Shape = tuple[int, ...]
Key = int | str
LOG_DETS = set(
    "logdet logdets logdetj logdetjac logdetjacobian logabsdet logabsdetjacobian "
    "logdetjacob logjacdet logjac "
    "logjacobian logj jac ldj sldj ladj ld dlogdet deltalogp dlogp logdeterminant "
    "objective sumlogabsdet".split()
)
PRIORS = set(
    (
        "prior logprior priorlogprob priorlogp logprob logp logpz logpx nll loss likelihood "
        "loglikelihood"
    ).split()
)
VALUES = set(
    (
        "z x y u v zs xs latent latents noise out output outputs value values sample samples "
        "data input hidden"
    ).split()
)
NUMBER, ROW, ROWS, LIST, ODD, NOTHING, OTHER = (
    "number",
    "row",
    "rows",
    "list",
    "odd",
    "nothing",
    "other",
)


class Unreadable(UsageError):
    """No part of what was returned can be the value."""


def plain(name: str) -> str:
    """A name without its underscores and case: log_det, logDet and logdet are one."""
    return re.sub(r"[^a-z]", "", name.lower())


def per_row(log_det: Any, value: Tensor, summed: bool | None = None) -> Tensor:
    """One number becomes (B,); a log_det of exactly the value's shape (B, …) is summed per row;
    every other shape is handed on as it is.

    A layer that returns (D,), (B, 1) or (B, H, W) must be seen to do so. ``summed=False``: not even
    where the shapes are equal by chance.
    """
    if not isinstance(log_det, Tensor):
        return value.new_full(value.shape[:1], float(log_det))
    if log_det.ndim == 0:
        return log_det.expand(value.shape[0])
    if summed is not False and value.ndim > 1 and log_det.shape == value.shape:
        return log_det.flatten(1).sum(1)
    return log_det


def tensors_of(value: Any) -> list[Tensor]:
    """A tensor, or several of them, as a list."""
    return [value] if isinstance(value, Tensor) else list(value)


def shapes_of(value: Any) -> tuple[Shape, ...]:
    """The shapes of a tensor or of several, without the batch."""
    return tuple(tuple(t.shape[1:]) for t in tensors_of(value))


def described(value: Any) -> str:
    """Types and shapes of anything, on one line."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)[:40]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {described(v)}" for k, v in list(value.items())[:8]) + "}"
    if isinstance(value, (tuple, list)):
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        return opening + ", ".join(described(v) for v in value[:8]) + closing
    return type(value).__name__


def items_of(out: Any) -> list[tuple[Key, str, Any]]:
    """(key, name, part) of a tuple, list, mapping, NamedTuple or dataclass; the name is empty where
    there is none."""
    if isinstance(out, Mapping):
        return [(k, plain(str(k)), v) for k, v in out.items()]
    if isinstance(out, Sequence) and not isinstance(out, str):
        names = getattr(out, "_fields", ("",) * len(out))
        return [(k, plain(name), v) for k, (name, v) in enumerate(zip(names, out, strict=True))]
    if is_dataclass(out) and not isinstance(out, type):
        return [(f.name, plain(f.name), getattr(out, f.name)) for f in fields(out)]
    raise Unreadable("no tensor, tuple, list, mapping or dataclass")


@dataclass(frozen=True)
class Part:
    """One of several things that were returned. ``shapes``: of its tensors, without the batch, or
    whole for an odd one."""

    key: Key
    name: str
    kind: str
    shapes: tuple[Shape, ...] = ()

    @property
    def numel(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    @classmethod
    def of(cls, key: Key, name: str, seen: Sequence[Any], rows: Sequence[int]) -> Part:
        """From what was seen in calls with so many rows: a shape that does not follow the rows is
        odd."""
        first = seen[0]
        if first is None:
            return cls(key, name, NOTHING)
        if isinstance(first, (int, float)) or (
            isinstance(first, Tensor) and all(v.ndim == 0 for v in seen)
        ):
            return cls(key, name, NUMBER)
        if isinstance(first, Tensor):
            if all(
                isinstance(v, Tensor) and v.ndim and v.shape[0] == n
                for v, n in zip(seen, rows, strict=True)
            ):
                kind = ROW if first.ndim == 1 else ROWS
                return cls(key, name, kind, (tuple(first.shape[1:]),))
            return cls(key, name, ODD, (tuple(first.shape),))
        if isinstance(first, (tuple, list)) and first and all(isinstance(v, Tensor) for v in first):
            parts = [cls.of(k, "", [v[k] for v in seen], rows) for k in range(len(first))]
            if all(p.kind in (ROW, ROWS) for p in parts):
                return cls(key, name, LIST, tuple(p.shapes[0] for p in parts))
        return cls(key, name, OTHER)


@dataclass(frozen=True)
class Returned:
    """Where the value and the log_det stand. ``form`` of the value: ``whole`` (all that was
    returned), ``one`` part, ``last`` of a list, the ``only`` tensor of a list, ``several`` parts.
    ``rivals``: other parts that may be the log_det."""

    form: str
    value: tuple[Key, ...] = ()
    log_det: Key | None = None
    summed: bool = False
    kind: str = NOTHING  # of the log_det
    shape: Shape = ()  # of the log_det, when it is odd
    parts: int = 1
    rivals: tuple[Key, ...] = ()
    named: bool = False

    def read(self, out: Any) -> tuple[Any, Any]:
        """(value, log_det as the layer returned it, or None)."""
        if self.form == "whole":
            return out, None
        parts = {key: part for key, _, part in items_of(out)}
        log_det = None if self.log_det is None else parts[self.log_det]
        if self.form == "several":
            return [parts[k] for k in self.value], log_det
        value = parts[self.value[0]]
        return (value[-1] if self.form in ("last", "only") else value), log_det


def readings(
    runs: Sequence[Any], rows: Sequence[int], expected: tuple[Shape, ...], wrapped: bool = False
) -> list[Returned]:
    """Every way to read what calls with so many rows returned, the likeliest first. ``expected``:
    shapes that the value may have.

    Raises ``Unreadable`` with what was found when there is none.
    """
    if isinstance(runs[0], Tensor):
        if Part.of(0, "", runs, rows).kind == ODD:
            raise Unreadable("its first dimension is not the batch")
        return [Returned("whole")]
    parts = [
        Part.of(key, name, [{k: v for k, _, v in items_of(out)}.get(key) for out in runs], rows)
        for key, name, _ in items_of(runs[0])
    ]
    values = _values(parts, sum(math.prod(shape) for shape in expected), len(expected), wrapped)
    if not values:
        raise Unreadable(
            f"no part of it has the {sum(math.prod(s) for s in expected)} numbers of a row"
        )
    return [_with_log_det(parts, form, keys) for form, keys in values]


def _values(
    parts: list[Part], numel: int, inputs: int, wrapped: bool
) -> list[tuple[str, tuple[Key, ...]]]:
    """(form, keys) of what may be the value."""
    named = [p for p in parts if p.name in VALUES and p.kind in (ROWS, LIST)]
    if len(named) == 1 and any(p.name in LOG_DETS for p in parts):
        return [(_form(named[0], numel, wrapped), (named[0].key,))]
    tensors = [p for p in parts if p.kind == ROWS and p.name not in LOG_DETS | PRIORS]
    lists = [p for p in parts if p.kind == LIST]
    fitting = [p for p in tensors if p.numel == numel]
    fitting += [
        p for p in lists if p.numel == numel or all(math.prod(s) == numel for s in p.shapes)
    ]
    choices: list[tuple[str, tuple[Key, ...]]] = []
    choices += [(_form(p, numel, wrapped), (p.key,)) for p in sorted(fitting, key=parts.index)]
    for upto in range(2, len(tensors) + 1):  # (z1, z2, log_det)
        if sum(p.numel for p in tensors[:upto]) == numel and (inputs > 1 or not choices):
            choices.insert(0, ("several", tuple(p.key for p in tensors[:upto])))
    if choices:
        return choices
    other = tensors + lists  # of another size: slices, augmentation, the simplex
    if len(other) == 1 or (other and len(other) < len(parts) and parts.index(other[0]) == 0):
        return [(_form(other[0], numel, wrapped), (other[0].key,))]
    return []


def _form(part: Part, numel: int, wrapped: bool) -> str:
    if part.kind != LIST:
        return "one"
    if len(part.shapes) == 1:
        return "only" if wrapped else "one"
    return "last" if all(math.prod(s) == numel for s in part.shapes) else "one"


def _with_log_det(parts: list[Part], form: str, keys: tuple[Key, ...]) -> Returned:
    value = [p for p in parts if p.key in keys]
    rest = [p for p in parts if p.key not in keys and p.kind in (NUMBER, ROW, ROWS, ODD)]
    named = [p for p in rest if p.name in LOG_DETS]
    if not named and len(rest) > 1:
        rest = [p for p in rest if p.name not in PRIORS] or rest
        rest = [p for p in rest if p.kind in (ROW, NUMBER)] or rest
    log_dets = (named or rest)[-1:]  # of (z, prior, log_det) the last
    if not log_dets:
        return Returned(form, keys, parts=len(parts))
    (log_det,) = log_dets
    same = (
        form != "several"
        and log_det.kind == ROWS
        and value[0].kind == ROWS
        and log_det.shapes == value[0].shapes
    )
    rivals = () if named else tuple(p.key for p in rest if p is not log_det)
    odd = log_det.shapes[0] if log_det.kind in (ODD, ROWS) else ()
    return Returned(
        form, keys, log_det.key, same, log_det.kind, odd, len(parts), rivals, bool(named)
    )


def distance(value: Any, wanted: Any) -> float:
    """How far a value is from the wanted one, relative to its size: the median, since a few rows
    may be ill-conditioned."""
    ours, theirs = tensors_of(value), tensors_of(wanted)
    if len(ours) != len(theirs) or any(
        a.shape != b.shape for a, b in zip(ours, theirs, strict=True)
    ):
        return math.inf
    off = torch.cat(
        [((a - b).abs() / (1 + b.abs())).flatten() for a, b in zip(ours, theirs, strict=True)]
    )
    return off.detach().double().nan_to_num(nan=math.inf).median().item() if off.numel() else 0.0

"""The habits of a strange layer, read from one probing call of a copy: which method goes which way,
what its parts are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from invbench.adapters.conventions.guesses import lines_of, without_rivals
from invbench.adapters.conventions.probing import ROWS, rows_of, undisturbed
from invbench.adapters.conventions.returned import (
    Returned,
    Unreadable,
    described,
    distance,
    readings,
    shapes_of,
    tensors_of,
)
from invbench.adapters.conventions.ways import Plan, Way, called_with, plans
from invbench.errors import UsageError

__all__ = ["Conventions", "read_conventions"]

CLOSE = 1e-2  # a round trip nearer than this says which part is the value


@dataclass(frozen=True)
class Conventions:
    """How both directions are called and read. ``decode`` is None for a layer without an
    inverse."""

    encode: Way | None
    decode: Way | None
    z: Returned | None
    x: Returned | None
    guesses: tuple[str, ...] = ()
    declares: dict[str, Any] = field(default_factory=dict)

    def call(self, module: Any, value: Any, cond: Any, inverse: bool) -> tuple[Any, Any]:
        """(value, log_det as the layer returned it, or None) of one direction."""
        way, returned = (self.decode, self.x) if inverse else (self.encode, self.z)
        if way is None:
            raise UsageError(
                f"{type(module).__name__} has no such direction; name it in invbench.adapt()"
            )
        like = returned or self.z or self.x
        assert like is not None
        return like.read(way.call(module, value, cond))

    def flipped(self) -> Conventions:
        """Of the layer whose forward is this one's inverse."""
        declares = {k: v for k, v in self.declares.items() if k == "log_det"}
        return Conventions(self.decode, self.encode, self.x, self.z, self.guesses, declares)


@dataclass(frozen=True)
class _Seen:
    """A plan that worked: what the calls returned."""

    plan: Plan
    rows: tuple[int, ...]
    runs: tuple[Any, ...]
    problem: Exception | None = None  # of the inverse
    z: Returned | None = None
    x: Returned | None = None
    off: float = math.inf  # of the round trip

    @property
    def silent(self) -> bool:
        return self.z is None or self.z.log_det is None


def _adds(best: _Seen, plan: Plan) -> bool:
    """Whether a plan hands over the accumulator without which no log_det came back (Glow's
    logdet=None)."""
    own = replace(plan.encode, accumulator=None)
    return best.silent and plan.encode.accumulator is not None and best.plan.encode == own


def _better(best: _Seen, seen: _Seen, plan: Plan) -> bool:
    """Whether a plan that came later replaces the first that worked."""
    if _adds(best, plan):
        return not seen.silent
    return seen.off < CLOSE or (best.problem is not None and seen.problem is None)


def _other_word(best: Plan, plan: Plan) -> bool:
    """Whether a plan differs in nothing but the word for the inverse (mode="reverse"): a layer may
    ignore a word that it does not know."""
    if best.decode is None or plan.decode is None:
        return False
    pairs = ((best.encode, plan.encode), (best.decode, plan.decode))
    if any(
        (a.method, a.wrapped, set(a.constants)) != (b.method, b.wrapped, set(b.constants))
        for a, b in pairs
    ):
        return False
    return any(
        isinstance(v, str) for way in (plan.encode, plan.decode) for v in way.constants.values()
    )


def read_conventions(
    module: Any,
    x: Any,
    cond: Any = None,
    encode: str | None = None,
    decode: str | None = None,
    condition: str | None = None,
    latent_shape: Any = None,
    swapped: bool = False,
) -> Conventions:
    """From calls of a copy on 3 and on 5 rows of ``x``, a tensor (B, …) or several of them.

    Names that are given are not guessed; ``swapped``: the method that is known as decode maps data
    to noise. Raises ``UsageError`` that says what was found and what to write.
    """
    with undisturbed(module) as trial:
        tensors, conds = tensors_of(x), 0 if cond is None else len(tensors_of(cond))
        first: Exception | None = None
        best: _Seen | None = None
        for plan in plans(module, len(tensors), conds, encode, decode, condition, swapped):
            if (
                best is not None
                and best.problem is None
                and not (_adds(best, plan) or _other_word(best.plan, plan))
            ):
                continue
            try:
                runs, rows = _runs(plan.encode, trial, x, cond)
                seen = _read(trial, _Seen(plan, rows, runs), x, cond, latent_shape)
            # whatever a layer raises on an input that it was not made for
            except Exception as error:
                first = first or error
                continue
            if best is None or _better(best, seen, plan):
                best = seen
            if best.off < CLOSE and not best.silent:
                break
        if best is None:
            if isinstance(first, UsageError):
                raise first
            raise UsageError(_uncallable(module, x, cond, first))
        return _settled(trial, best, x, cond)


def _runs(way: Way, module: Any, value: Any, cond: Any) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """What calls on 3 and 5 rows return; on 3 alone where 5 are refused."""
    runs = [way.call(module, rows_of(value, ROWS[0]), rows_of(cond, ROWS[0]))]
    try:
        runs.append(way.call(module, rows_of(value, ROWS[1]), rows_of(cond, ROWS[1])))
    except Exception:
        return tuple(runs), ROWS[:1]
    return tuple(runs), ROWS


def _read(module: Any, seen: _Seen, x: Any, cond: Any, latent_shape: Any) -> _Seen:
    """The readings of both directions: of several, the first whose inverse finds x again, else the
    first. Raises ``UsageError``."""
    way, back = seen.plan.encode, seen.plan.decode
    expected = _shapes(latent_shape) or shapes_of(x)
    try:
        choices = readings(seen.runs, seen.rows, expected, way.wrapped)
    except Unreadable as error:
        raise UsageError(_unreadable(module, way, seen.runs[0], x, str(error))) from None
    if back is None:
        return replace(seen, z=choices[0])
    candidates: list[_Seen] = []
    problem: Exception | None = None
    for choice in choices:
        latents = [choice.read(run)[0] for run in seen.runs]
        for taken in _ways_back(seen.plan, len(tensors_of(latents[0]))):
            conds = [rows_of(cond, n) for n in seen.rows]
            try:
                runs = [
                    taken.call(module, _bare(v), c) for v, c in zip(latents, conds, strict=True)
                ]
            except Exception as error:  # the laws will meet it again and judge it
                problem = problem or error
                continue
            try:
                read = readings(runs, seen.rows, shapes_of(x), way.wrapped)
            except Unreadable as error:
                raise UsageError(
                    _unreadable(module, taken, runs[0], latents[0], str(error))
                ) from None
            plan = replace(seen.plan, decode=taken)
            for r in read:
                off = distance(r.read(runs[0])[0], rows_of(x, seen.rows[0]))
                candidates.append(replace(seen, plan=plan, z=choice, x=r, off=off))
                if off < CLOSE:
                    return candidates[-1]
    return candidates[0] if candidates else replace(seen, z=choices[0], problem=problem)


def _ways_back(plan: Plan, latents: int) -> list[Way]:
    """How so many latents may be handed to the inverse: as arguments of their own, or as one
    list."""
    assert plan.decode is not None and plan.decode_of is not None
    if latents == 1:
        return [replace(plan.decode, spread=False)]
    way = replace(plan.decode_of(latents), wrapped=plan.decode.wrapped)
    return [way, replace(way, spread=not way.spread)]


def _bare(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else [v.detach() for v in value]


def _shapes(shape: Any) -> tuple[tuple[int, ...], ...]:
    """A declared shape, or several, as several."""
    if shape is None:
        return ()
    return tuple(shape) if shape and isinstance(shape[0], (tuple, list)) else (tuple(shape),)


def _settled(module: Any, seen: _Seen, x: Any, cond: Any) -> Conventions:
    """The conventions, with what was guessed and what follows for the declaration."""
    way, back, z, back_read = seen.plan.encode, seen.plan.decode, seen.z, seen.x
    assert z is not None
    lines = list(seen.plan.guesses)
    z, told = without_rivals(module, z, seen.runs[0], x, cond, way)
    lines += told or lines_of(way.method, z)
    if back is not None and back_read is not None:
        back_read = replace(back_read, rivals=())
        lines += lines_of(back.method if back.method != way.method else "the inverse", back_read)
    elif isinstance(seen.problem, NotImplementedError):
        lines.append(
            f"{back.call_text('z') if back else ''} raised {_short(seen.problem)}: declared "
            f"inverse='none'"
        )
        back = None
    elif back is not None:
        lines.append(
            f"{back.call_text('z')} raised {_short(seen.problem)}; taken to return what "
            f"{way.method} returns"
        )
    if back is None and z.log_det is None:
        raise UsageError(
            f"{type(module).__name__} has no inverse and returns no log_det, so nothing can be "
            f"asked of it; "
            "name its two directions in invbench.adapt(module, forward='…', inverse='…')"
        )
    declares: dict[str, Any] = {}
    value = z.read(seen.runs[0])[0]
    if shapes_of(value) != shapes_of(x):
        shapes = shapes_of(value)
        declares["latent_shape"] = shapes[0] if isinstance(value, Tensor) else shapes
        lines.append(f"latent_shape={declares['latent_shape']}, as {way.method} returned")
    if back is None:
        declares["inverse"] = "none"
    if z.log_det is None and (back_read is None or back_read.log_det is None):
        declares["log_det"] = "none"
        lines.append("no log_det is returned: declared log_det='none'")
    elif back_read is not None and (z.log_det is None) != (back_read.log_det is None):
        silent = way.method if z.log_det is None else back.method if back else ""
        lines.append(f"{silent} returns no log_det: minus that of the other direction is taken")
    return Conventions(way, back, z, back_read, tuple(dict.fromkeys(lines)), declares)


def _short(error: Exception | None) -> str:
    return (
        f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}".rstrip(
            ": "
        )
    )


def _uncallable(module: Any, x: Any, cond: Any, error: Exception | None) -> str:
    given = f"x of shape {called_with(rows_of(x, ROWS[0]))}"
    given += (
        "" if cond is None else f" and a condition of shape {called_with(rows_of(cond, ROWS[0]))}"
    )
    return (
        f"{type(module).__name__} cannot be called with {given}: {_short(error)}; "
        "correct event_shape (--event-shape), cond_shape or domain"
    )


def _unreadable(module: Any, way: Way, out: Any, value: Any, why: str) -> str:
    return (
        f"{type(module).__name__}.{way.call_text(called_with(rows_of(value, ROWS[0])))} returned "
        f"{described(out)}: {why}; "
        "return (z, log_det), or declare latent_shape (--latent-shape), or write a class with "
        "forward and inverse"
    )

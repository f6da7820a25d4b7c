"""How a direction of a strange layer is called: its method, flags, condition and accumulator, told
from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from invbench.adapters.conventions.names import CONDITIONS, COUNTS, FLAGS, OPPOSITES, PAIRS
from invbench.adapters.conventions.returned import LOG_DETS, plain, tensors_of
from invbench.errors import UsageError

__all__ = ["Plan", "Way", "has_directions", "plans"]


@dataclass(frozen=True)
class Way:
    """One direction. ``spread``: several tensors are arguments of their own. ``wrapped``: one
    tensor stands in a list."""

    method: str
    constants: dict[str, Any] = field(default_factory=dict)
    condition: tuple[str, ...] = ()  # keywords, or ("*",) for the next place
    accumulator: str | None = None
    optional: bool = False  # the accumulator has a default
    spread: bool = False
    wrapped: bool = False

    def call(self, module: Any, value: Any, cond: Any) -> Any:
        """What the module returns for a tensor or several of them."""
        first = tensors_of(value)[0]
        arguments = list(value) if self.spread else [[value] if self.wrapped else value]
        named = dict(self.constants)
        if self.accumulator:
            named[self.accumulator] = first.new_zeros(first.shape[0])
        if cond is not None and self.condition:
            conds = (
                tensors_of(cond) if len(self.condition) > 1 else [[cond] if self.wrapped else cond]
            )
            if self.condition == ("*",):
                arguments += conds
            else:
                named |= dict(zip(self.condition, conds, strict=True))
        function = (
            module
            if self.method == "forward" and callable(module)
            else getattr(module, self.method)
        )
        return function(*arguments, **named)

    def call_text(self, argument: str) -> str:
        """As it would be written; several tensors are ``argument[0], argument[1]``, spread by a
        star."""
        argument = f"*{argument}" if self.spread else f"[{argument}]" if self.wrapped else argument
        more = [f"{k}={v!r}" for k, v in self.constants.items()]
        more += [f"{self.accumulator}=0"] * bool(self.accumulator) + [
            f"{k}={'[cond]' if self.wrapped else 'cond'}" for k in self.condition if k != "*"
        ]
        return f"{self.method}({', '.join([argument, *more])})"


@dataclass(frozen=True)
class Plan:
    """Both directions, and what was guessed of them. ``decode`` is None for a layer that has no
    inverse; ``decode_of(n)`` is the way back for n tensors, which are known when the first
    direction has returned them."""

    encode: Way
    decode: Way | None
    guesses: tuple[str, ...] = ()
    decode_of: Callable[[int], Way] | None = None

    def without_accumulator(self) -> Plan:
        """The same, where the layer's own default is added to."""
        again = self.decode_of
        return replace(
            self,
            encode=_alone(self.encode),
            decode=self.decode and _alone(self.decode),
            decode_of=again and (lambda n: _alone(again(n))),
        )


def _alone(way: Way) -> Way:
    return replace(way, accumulator=None) if way.optional else way


def own(module: Any, method: str) -> bool:
    """Whether the module defines this method itself, rather than torch for it."""
    if not callable(getattr(module, method, None)):
        return False
    return method != "forward" or getattr(type(module), "forward", None) is not nn.Module.forward


def has_directions(module: Any) -> bool:
    """Whether there is anything that could be called forward."""
    return any(own(module, encode) for encode, _ in PAIRS)


def _parameters(module: Any, method: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(getattr(module, method)).parameters.values())
    except (TypeError, ValueError):  # built in, compiled
        return [inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY)]


def flag_of(module: Any, method: str = "forward") -> list[tuple[str, Any, Any]]:
    """(keyword, its value towards noise, towards data) of a method that goes both ways; a mode that
    is a word may have several opposites."""
    for p in _parameters(module, method)[1:]:
        name = p.name.lower()
        if name not in FLAGS or p.kind is p.VAR_KEYWORD:
            continue
        ahead, back = FLAGS[name]
        if isinstance(p.default, bool):
            ahead, back = p.default, not p.default
        elif isinstance(p.default, int) and name in ("mode", "direction"):
            ahead, back = p.default, -p.default
        elif isinstance(ahead, str):
            ahead = p.default if isinstance(p.default, str) else ahead
            return [(p.name, ahead, word) for word in OPPOSITES if word != ahead]
        return [(p.name, ahead, back)]
    return []


def plans(
    module: Any,
    inputs: int,
    conds: int,
    encode: str | None = None,
    decode: str | None = None,
    condition: str | None = None,
    swapped: bool = False,
) -> list[Plan]:
    """Every way to call the module for so many tensors and conditions, the likeliest first; names
    that are given are not guessed. ``swapped``: the method that is known as decode comes first.

    Raises ``UsageError`` when a condition is declared that no direction takes, or one is needed
    that is not declared.
    """
    choices: list[Plan] = []
    problem: UsageError | None = None
    for ahead, back, lines in _directions(module, encode, decode):
        if swapped and back is not None:
            ahead, back = back, ahead
        elif swapped:
            raise UsageError(
                f"{type(module).__name__} has no inverse: it maps one way only, so leave "
                f"towards_noise out"
            )
        try:
            way = _way(module, ahead, inputs, conds, condition)
        except UsageError as error:
            problem = problem or error
            continue
        again = partial(_again, module, back, conds, condition) if back else None
        if conds and not way.condition and not (again and _quiet(again, inputs).condition):
            have = ", ".join(str(p) for p in _parameters(module, ahead.method))
            text = (
                f"{type(module).__name__}.{ahead.method}({have}) takes no condition, yet "
                f"cond_shape is declared"
            )
            problem = problem or UsageError(
                f"{text}; leave it out, or name its keyword: adapt(…, condition='…')"
            )
            continue
        if conds and condition is None and way.condition not in ((), ("*",)):
            lines += (f"the condition goes to {' and '.join(map(repr, way.condition))}",)
        if conds:
            ways = (way, _quiet(again, inputs)) if again else (way,)
            lines += tuple(f"{w.method} takes no condition" for w in ways if not w.condition)
        plan = Plan(way, _quiet(again, inputs) if again else None, lines, again)
        # first as a user calls it: what it adds to has a shape of its own
        if way.accumulator and way.optional:
            choices += _packed(module, plan.without_accumulator(), inputs)
        if way.accumulator:
            plan = replace(
                plan,
                guesses=(*lines, f"{way.method} adds to {way.accumulator!r}, which is 0 at first"),
            )
        choices += _packed(module, plan, inputs)
    if not choices:
        raise problem or UsageError(
            f"{type(module).__name__} has none of the methods "
            f"{', '.join(dict.fromkeys(e for e, _ in PAIRS))}; "
            "name its two directions in invbench.adapt(module, forward='…', inverse='…')"
        )
    return choices


def _again(module: Any, back: Way, conds: int, condition: str | None, inputs: int) -> Way:
    return _way(module, back, inputs, conds, condition)


def _quiet(again: Callable[[int], Way], inputs: int) -> Way:
    """The way back for as many tensors as went in; for any number where that is not possible, since
    more may come back."""
    for count in (inputs, 2, 3, 4, 5, 6, 7, 8):
        try:
            return again(count)
        except UsageError as error:
            problem = error
    raise problem


def _directions(
    module: Any, encode: str | None, decode: str | None
) -> list[tuple[Way, Way | None, tuple[str, ...]]]:
    """(data → noise, noise → data, what was guessed), as far as methods and flags say."""
    if encode is not None and decode is not None:
        flags = flag_of(module, encode) if encode == decode else []
        return [_flagged(encode, *flag) for flag in flags] or [(Way(encode), Way(decode), ())]
    known = [
        (e, d) for e, d in PAIRS if own(module, e) and own(module, d) and _takes_values(module, d)
    ]
    straight: list[tuple[Way, Way | None, tuple[str, ...]]] = []
    for e, d in known:
        line = () if (e, d) == ("forward", "inverse") else (f"{e} maps data to noise, {d} back",)
        straight.append((Way(e), Way(d), line))
    at = 1 if known[:1] == [("forward", "inverse")] else 0
    straight[at:at] = (
        [_flagged("forward", *flag) for flag in flag_of(module)] if own(module, "forward") else []
    )
    if straight:
        return straight
    alone: list[tuple[Way, Way | None, tuple[str, ...]]] = [
        (
            Way(e),
            None,
            (f"it has no inverse that is known by its name: declared inverse='none' ({e} only)",),
        )
        for e in dict.fromkeys(e for e, _ in PAIRS)
        if own(module, e)
    ]
    return alone[:1]


def _flagged(method: str, name: str, ahead: Any, back: Any) -> tuple[Way, Way, tuple[str, ...]]:
    line = f"{method}(…, {name}={back!r}) is the inverse of {method}(…, {name}={ahead!r})"
    return Way(method, {name: ahead}), Way(method, {name: back}), (line,)


def _takes_values(module: Any, method: str) -> bool:
    """``sample(z)``, not ``sample(n)``."""
    first = next(iter(_parameters(module, method)), None)
    return first is not None and first.name not in COUNTS


def _way(module: Any, way: Way, inputs: int, conds: int, condition: str | None) -> Way:
    """The way with its condition and accumulator."""
    parameters = _parameters(module, way.method)
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    stars = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    required = [p for p in places if p.default is p.empty and p.name not in way.constants]
    spread = inputs > 1 and (
        len(required) >= inputs or (stars and len(places) < inputs and not conds)
    )
    taken = places[: inputs if spread else 1]
    rest = [
        p
        for p in parameters
        if p not in taken and p.name not in way.constants and p.kind != p.VAR_POSITIONAL
    ]
    added = next((p for p in rest if plain(p.name) in LOG_DETS), None)
    accumulator, optional = (
        (added.name, added.default is not added.empty) if added else (None, False)
    )
    free = [
        p for p in rest if p.name != accumulator and p.kind != p.VAR_KEYWORD and p.name not in FLAGS
    ]
    needed = [p.name for p in free if p.default is p.empty]
    if condition is not None:
        chosen: tuple[str, ...] = (condition,)
    elif conds:
        likely = [p.name for p in free if p.name.lower() in CONDITIONS or p.name in needed]
        likely = likely or [p.name for p in free if p.default is None][:1]
        chosen = tuple(likely[:conds]) if len(likely) >= conds else tuple(likely[:1])
        chosen = chosen or (("*",) if stars else ())
    else:
        chosen = ()
    if missing := [name for name in needed if name not in chosen]:
        raise UsageError(
            f"{type(module).__name__}.{way.method} needs {', '.join(missing)}; if it is a "
            f"condition, declare its shape "
            "(--cond-shape 3, or cond_shape=(3,)), else write a factory that binds it"
        )
    return replace(
        way,
        condition=chosen if conds else (),
        accumulator=accumulator,
        optional=optional,
        spread=spread,
    )


def _packed(module: Any, plan: Plan, inputs: int) -> list[Plan]:
    """The plan, and the plan with its tensor in a list, which comes first where the module says so
    (FrEIA's dims_in)."""
    if inputs > 1:
        return [plan]
    inside = Plan(
        replace(plan.encode, wrapped=True),
        plan.decode and replace(plan.decode, wrapped=True),
        (*plan.guesses, "the tensor stands in a list, as FrEIA's do"),
        plan.decode_of,
    )
    return [inside, plan] if hasattr(module, "dims_in") else [plan, inside]


def called_with(value: Any) -> str:
    """Shapes of what was handed in."""
    return ", ".join(str(tuple(v.shape)) for v in tensors_of(value) if isinstance(v, Tensor))

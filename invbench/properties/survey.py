"""What a layer does not declare and shows: its spaces, whether it iterates, draws random numbers, or has no inverse.

Nothing declared means a bijection of Rⁿ. Where a layer cannot be that, one of these declarations may explain why, and the survey assumes it only
on positive evidence: outside a domain *every* row is NaN or raises; an image stays within the same bounds under other weights
and conditions; an angle comes back after a turn. What is declared is never replaced. Each assumption is a line that says what to write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from invbench.declaration import Circle, Declaration, space_name
from invbench.errors import UsageError
from invbench.properties.guard import TookTooLong, guarded
from invbench.properties.overflow import overflows
from invbench.properties.space import drawable, is_real, packing, place, strictly_inside
from invbench.properties.subject import Subject
from invbench.properties.trace import Trace, traced

__all__ = ["ASSUMED_TOLERANCE", "surveyed"]

ROWS = 48
SATURATED = 1e-2  # an error of float32 beyond which it says nothing about rounding
PROBE, HANGS = 3.0, 2  # seconds for one call; looks that took longer, after which the survey ends
SCALES = (0.3, 1.0, 8.0)  # of the probes
ASSUMED_TOLERANCE = 1e-4  # of a direction that is seen to iterate or integrate
MATERIAL = 1e-3  # random differences below this share are not a stochastic layer but noise
INTERVALS = (
    constraints.unit_interval,
    constraints.interval(-1.0, 1.0),
    constraints.positive,
    constraints.less_than(0.0),
    constraints.greater_than(1.0),
)
INTEGERS = (
    constraints.integer_interval(-8, 8),
    constraints.integer_interval(0, 255),
    constraints.integer_interval(0, 1),
)
STRUCTURES = (constraints.simplex, constraints.corr_cholesky, constraints.lower_cholesky, constraints.positive_definite)
CIRCLES = (Circle(), Circle(0.0), Circle(0.0, 1.0))


def surveyed(subject: Subject) -> Subject:
    """The subject with what can be assumed of it, warmed up. Raises ``UsageError`` for a declaration that the layer contradicts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        subject, hangs = _undrawable(subject), 0
        looks = (_conditioned, _warm, _one_way, _shapes, _stochastic, _contradicts, _circle, _spaces, _iterated)
        for look in looks if subject.elementwise else (_probed, *looks):
            try:
                with guarded(8 * PROBE):
                    subject = look(subject)
            except (KeyboardInterrupt, MemoryError, UsageError):
                raise
            except TookTooLong:
                hangs += 1
                if hangs == HANGS:
                    break  # the laws will meet it, and say so
            except BaseException:  # a stranger's layer, which may even exit
                continue
    return subject


def _warm(subject: Subject) -> Subject:
    return subject.warm()


def _undrawable(subject: Subject) -> Subject:
    """A declared space of a kind that nothing is known of is drawn as what the other direction gives."""
    for latent, name in ((False, "x"), (True, "z")):
        space = subject.space(latent)
        if space is not None and not drawable(space, subject.raw_shape(latent)):
            subject = replace(subject, image=subject.image | {name})
    if subject.image == {"x", "z"}:
        raise UsageError(
            f"{subject.name}: nothing is known of drawing from {subject.space(False)}; declare another domain"
        )
    return subject


def _assume(subject: Subject, why: str, **found: Any) -> Subject:
    """The subject with these declarations, and the line that says so."""
    new = subject.declaration.assuming(**found)
    written = {k: v for k, v in new.as_dict().items() if k in found and getattr(subject.declaration, k) is None}
    if not written:
        return subject
    shown = ", ".join(f"{k}={v!r}" for k, v in written.items())
    return replace(subject, declaration=new, assumed=(*subject.assumed, f"assumed {shown}: {why}; declare it: {shown}"))


def _probed(subject: Subject) -> Subject:
    """Let an adapter find out the habits of the module that it holds, and take what it says of spaces and directions."""
    if not callable(getattr(subject.module, "probe", None)):
        return subject
    subject.probe(subject.module)
    told = Declaration.of(subject.name, getattr(subject.module, "declares", {}))
    found = {f.name: v for f in fields(told) if (v := getattr(told, f.name)) is not None}
    declaration = subject.declaration.assuming(**found)
    inner = packing(declaration.event_shape, declaration.domain)
    outer = packing(declaration.latent_shape or declaration.event_shape, declaration.codomain)
    return replace(subject, declaration=declaration, inner=inner, outer=outer)


def _try(call: Callable[[], Any]) -> Any:
    """What it returns, or the exception; one that does not come back in time counts as one that raises."""
    try:
        with torch.no_grad(), guarded(PROBE):
            return call()
    except (KeyboardInterrupt, MemoryError):
        raise
    except SystemExit as error:
        return RuntimeError(str(error))
    except Exception as error:
        return error


# conditions


def _conditioned(subject: Subject) -> Subject:
    """The space of a condition that is not declared, where numbers of all of R raise or give NaN."""
    if subject.elementwise or subject.cond_shape is None:
        return subject
    if subject.declaration.condition is not None:
        for labels in (False, True):
            found = _try(partial(_called, replace(subject, labels=labels), None))
            if not isinstance(found, Exception):
                return replace(subject, labels=labels)
        names = subject.declaration.as_dict()["condition"]
        raise UsageError(
            f"{subject.name}: declared condition={names!r}, and the layer refuses such conditions: {type(found).__name__}: {str(found)[:200]}"
        )
    taken = _accepts(subject, None)
    if taken and _has_effect(subject):
        return subject
    why = "other conditions have no effect" if taken else "other conditions raise or give NaN"
    for candidate, labels in _condition_candidates(subject):
        there = replace(subject, declaration=subject.declaration.assuming(condition=candidate), labels=labels)
        if _accepts(there, candidate):
            assumed = _assume(subject, why, condition=candidate)
            return replace(assumed, labels=labels)
    return subject


def _called(subject: Subject, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    x, drawn = subject.probes(ROWS)
    return subject.forward(x, drawn if cond is None else cond)


def _accepts(subject: Subject, candidate: Constraint | None) -> bool:
    """Whether conditions of the space are taken, and have an effect where the space is a guess."""
    found = _try(lambda: _called(subject, None))
    if isinstance(found, Exception) or not isinstance(found[0], Tensor):
        return False
    nan = found[0].flatten(1).isnan().any(1).float().mean().item()
    if nan > 0.25:
        return False
    if candidate is None:
        return True
    return _has_effect(subject)


def _has_effect(subject: Subject) -> bool:
    """Whether equal rows differ under different conditions, with weights that are not zero."""
    subject = subject.reweighted("noise", 0, 5)
    x, cond = subject.probes(ROWS)
    assert cond is not None
    still = _try(lambda: subject.forward(x[:1].expand_as(x), cond))
    return not isinstance(still, Exception) and bool((still[0] != still[0][:1]).any())


def _condition_candidates(subject: Subject) -> Iterator[tuple[Constraint, bool]]:
    for labels in (False, True):
        if (classes := _classes(subject, labels)) > 1:
            yield constraints.integer_interval(0, classes - 1), labels
    for candidate in (constraints.positive, constraints.unit_interval, constraints.boolean):
        yield candidate, False
    yield constraints.boolean, True


def _classes(subject: Subject, labels: bool) -> int:
    """How many labels a layer knows: 0, 1, … are taken, the next raises; 0 where numbers between them count too."""
    x, _ = subject.probes(2)
    assert subject.cond_shape is not None
    there = replace(subject, labels=labels)

    def at(value: float) -> Any:
        return _try(lambda: there.forward(x, torch.full((2, *subject.cond_shape), value, dtype=x.dtype)))  # type: ignore[misc]

    count = 0
    while count < 1024 and not isinstance(at(float(count)), Exception):
        count += 1
    if count in (0, 1, 1024) or isinstance(at(0.5), Exception):
        return count if 1 < count < 1024 else 0
    return count if torch.equal(at(0.5)[0], at(0.0)[0]) else 0


# directions and shapes


def _one_way(subject: Subject) -> Subject:
    """No inverse: there is none, or it says that it is not implemented."""
    if subject.declaration.inverse is not None:
        return subject
    if not callable(getattr(subject.module, "inverse", None)):
        return _assume(subject, "there is no method inverse", inverse="none")
    x, cond = subject.probes(4)
    found = _try(lambda: subject.forward(x, cond))
    if isinstance(found, Exception) or not isinstance(found[0], Tensor):
        return subject
    back = _try(lambda: subject.inverse(found[0], cond))
    if isinstance(back, NotImplementedError):
        return _assume(subject, "inverse raises NotImplementedError", inverse="none")
    return subject


def _shapes(subject: Subject) -> Subject:
    """The shape of a latent, of a layer that declares none: several latents, or as many numbers in another shape."""
    if subject.elementwise or subject.declaration.latent_shape is not None:
        _fits(subject)
        return subject
    x, cond = subject.probes(3)
    found = _try(lambda: subject.raw(x, cond, False))
    if not (isinstance(found, (tuple, list)) and len(found) == 2):
        return subject
    value = found[0]
    tensors = list(value.values()) if isinstance(value, dict) else value
    if isinstance(tensors, (tuple, list)) and tensors and all(isinstance(t, Tensor) and len(t) == 3 for t in tensors):
        shape: Any = tuple(tuple(t.shape[1:]) for t in tensors)
    elif (
        isinstance(value, Tensor)
        and value.ndim
        and value.shape[0] == 3
        and value.shape != subject.packed(False).unpack(x).shape
    ):
        shape = tuple(value.shape[1:])
    else:
        return subject
    codomain = subject.declaration.codomain or _structure(value)
    outer = packing(shape, codomain)
    there = replace(subject, declaration=subject.declaration.assuming(latent_shape=shape), outer=outer)
    # a value of the wrong shape is a fault, not another space: the inverse must take it and give x's shape back
    back = _try(lambda: there.inverse(outer.pack(value), cond))
    if isinstance(back, Exception) or back[0].shape != x.shape or outer.shape == () or not math.prod(outer.shape):
        return subject
    if not _undoes(back[0], x) and math.prod(outer.shape) != math.prod(x.shape[1:]):
        return subject
    subject = _assume(subject, "that is what forward returns", latent_shape=shape)
    if codomain is not None and subject.declaration.codomain is None:
        subject = _assume(subject, "every value of forward lies in it", codomain=codomain)
    return replace(subject, outer=outer)


def _structure(value: Any) -> Constraint | None:
    """The space of whole values (simplex, Cholesky factor, …) in which all of these lie."""
    if not isinstance(value, Tensor) or value.ndim < 2:
        return None
    for candidate in STRUCTURES:
        square = value.ndim >= 3 and value.shape[-1] == value.shape[-2] > 1
        if (candidate is constraints.simplex or square) and value.shape[-1] > 1:
            try:
                if bool(torch.as_tensor(candidate.check(value)).all()):
                    return candidate
            except Exception:
                continue
    return None


def _fits(subject: Subject) -> None:
    """Raise ``UsageError`` where forward refuses the declared shape, or returns another latent shape than is declared."""
    if subject.elementwise:
        return
    x, cond = subject.probes(3)
    found = _try(lambda: subject.raw(x, cond, False))
    if isinstance(found, (tuple, list)) and len(found) == 2 and isinstance(found[0], Tensor):
        want = subject.packed(True).parts[0]
        if tuple(found[0].shape[1:]) != want and not subject.packed(True).several:
            raise UsageError(
                f"{subject.name}: declared latent_shape={want}, and forward returns a value of shape {tuple(found[0].shape[1:])}"
            )


def _undoes(back: Tensor, x: Tensor) -> bool:
    return bool(((back - x).abs() <= 1e-2 * (1 + x.abs())).all())


# random numbers


def _stochastic(subject: Subject) -> Subject:
    """A direction that draws random numbers, and the other takes them away again; or a log_det that is an estimate."""
    if subject.declaration.stochastic is not None or subject.elementwise or not subject.invertible:
        return subject
    x, cond = subject.probes(ROWS)
    first, again = (_try(lambda: subject.forward(x, cond)) for _ in range(2))
    if isinstance(first, Exception) or isinstance(again, Exception):
        return subject
    state = torch.random.get_rng_state()
    _try(lambda: subject.forward(x, cond))
    draws = not torch.equal(state, torch.random.get_rng_state())
    if _differ(first[0], again[0]) and draws:
        whole = [(c, place(c, x.double(), x.dtype)) for c in INTEGERS]
        for domain, inputs in ((None, x), *whole):
            back = _try(partial(_there_and_back, subject, inputs, cond))
            if not isinstance(back, Exception) and _undoes(back[0], inputs):
                why = "forward draws random numbers, and inverse takes them away again"
                found = _assume(subject, why, stochastic=True)
                return found if domain is None else _assume(found, "whole numbers come back", domain=domain)
        return subject
    z = first[0]
    one, two = (_try(lambda: subject.inverse(z, cond)) for _ in range(2))
    if not isinstance(one, Exception) and not isinstance(two, Exception) and _differ(one[0], two[0]):
        there = _try(lambda: subject.forward(two[0], cond))
        if not isinstance(there, Exception) and _undoes(there[0], z):
            return _assume(subject, "inverse draws random numbers, and forward takes them away again", stochastic=True)
    if draws and not _differ(first[0], again[0]) and _differ(first[1], again[1]):
        return _assume(subject, "two calls give the same value and another log_det", log_det="estimate")
    return subject


def _there_and_back(subject: Subject, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    return subject.inverse(subject.forward(x, cond)[0], cond)


def _differ(a: Tensor, b: Tensor) -> bool:
    """By more than 0.1 % of what the rows differ among each other, on at least a quarter of them."""
    if a.shape != b.shape:
        return False
    scale = (a.double().std(0) if len(a) > 1 else a.double().abs()).nan_to_num(nan=1.0) + 1e-30
    off = (a - b).abs() > MATERIAL * scale
    return bool(off.reshape(len(a), -1).any(1).float().mean() > 0.25)


# spaces


def _contradicts(subject: Subject) -> Subject:
    """Raise ``UsageError`` for a declared codomain that most of what forward gives lies outside of."""
    space, twin = subject.space(True), subject.twin()
    if is_real(space) or subject.packed(True).several or "x" in subject.image:
        return subject
    assert space is not None
    x, cond = twin.probes(ROWS)
    found = _try(lambda: twin.forward(x, cond)[0])
    if isinstance(found, Exception) or not isinstance(found, Tensor):
        return subject
    declared = f"{subject.name}: declared codomain={space_name(space)!r}"
    try:
        ok = torch.as_tensor(space.check(found)).reshape(len(found), -1).all(1)
    except Exception as error:
        shape = tuple(found.shape[1:])
        raise UsageError(f"{declared}, and forward gives a value of shape {shape}: {str(error)[:120]}") from None
    outside = ~ok & found.flatten(1).isfinite().all(1)
    if outside.float().mean() > 0.5:
        shown = ", ".join(f"{n:.5g}" for n in found[outside][0].flatten()[:3].tolist())
        count = f"{int(outside.sum())} of {len(ok)} rows"
        raise UsageError(f"{declared}, and forward leaves it on {count}, as with {shown}")
    return subject


def _circle(subject: Subject) -> Subject:
    """Angles: forward comes back after a turn of x, and stays within one turn."""
    if subject.declaration.domain is not None or not _surveyable(subject):
        return subject
    twin = subject.twin()
    x, cond = twin.probes(ROWS)
    found = _try(lambda: twin.forward(x, cond))
    if isinstance(found, Exception) or not isinstance(found[0], Tensor) or not found[0].isfinite().all():
        return subject
    for circle in CIRCLES:
        turned = [_try(partial(twin.forward, x + k * circle.period, cond)) for k in (1, -2)]
        if any(isinstance(t, Exception) for t in turned):
            continue
        low, high = float(circle.lower_bound) - 1e-9, float(circle.upper_bound) + 1e-9
        same = all(_same_angle(t[0], found[0], circle.period) for t in turned)
        values = torch.cat([found[0], *(t[0] for t in turned)])
        back = _try(lambda: twin.inverse(found[0], cond))
        same = same and not isinstance(back, Exception) and back[0].shape == x.shape
        same = same and _same_angle(back[0], x, circle.period, 1e-6)
        if (
            same
            and found[0].shape == x.shape
            and bool(((values >= low) & (values <= high)).all())
            and values.std() > 1e-3
        ):
            why = f"forward is the same at x and x + {circle.period:.6g}"
            return _assume(subject, why, domain=circle, codomain=circle)
    return subject


def _same_angle(a: Tensor, b: Tensor, period: float, slack: float = 1e-9) -> bool:
    return a.shape == b.shape and bool((((a - b) / period).remainder(1.0) - 0.5).abs().ge(0.5 - slack).all())


def _surveyable(subject: Subject) -> bool:
    return not subject.packed(False).several and not subject.declaration.stochastic


def _spaces(subject: Subject) -> Subject:
    """Domain from where forward is finite, codomain from where inverse is, or from an image that never leaves an interval."""
    if not _surveyable(subject):
        return subject
    for latent in (False, True):
        if subject.space(latent) is not None or (latent and not subject.invertible):
            continue
        what = "codomain" if latent else "domain"
        name = "inverse" if latent else "forward"
        outside = _outside(subject, latent)
        if outside is None:
            continue
        candidate, share = outside
        if candidate is not None:
            subject = _assume(subject, f"outside {name} is not finite, or raises", **{what: candidate})
        elif share > 0.02 and _mends(subject, latent):
            other = "forward" if latent else "inverse"
            line = f"{name} is not finite on {share:.0%} of normal numbers, and is finite on what {other} gives: say its {what}"
            subject = replace(
                subject,
                image=subject.image | {"z" if latent else "x"},
                assumed=(*subject.assumed, f"{line} ({what}=…)"),
            )
    if subject.declaration.codomain is None and subject.invertible and "z" not in subject.image:
        if (held := _held_image(subject)) is not None:
            return _assume(subject, "forward stays inside, whatever the weights and conditions", codomain=held)
        if (edges := _bounded_image(subject)) is not None and not _moves(subject):
            line = f"forward stays {edges}, whatever the weights and conditions: say its codomain (codomain=…)"
            return replace(subject, image=subject.image | {"z"}, assumed=(*subject.assumed, line))
    return subject


def _rows_bad(subject: Subject, inverse: bool, v: Tensor, cond: Tensor | None) -> Tensor:
    """Per row, whether the direction raises or gives a value or log_det that is NaN or infinite."""
    found = _try(lambda: subject.direction(inverse)(v, cond))
    if isinstance(found, Exception):
        if len(v) == 1:
            return torch.ones(1, dtype=torch.bool)
        half = len(v) // 2
        parts = [(v[:half], None if cond is None else cond[:half]), (v[half:], None if cond is None else cond[half:])]
        return torch.cat([_rows_bad(subject, inverse, *part) for part in parts])
    value, log = found
    if not isinstance(value, Tensor) or value.shape[:1] != v.shape[:1]:
        return torch.zeros(len(v), dtype=torch.bool)
    bad = ~value.reshape(len(v), -1).isfinite().all(1)
    if subject.has_log_det and isinstance(log, Tensor) and log.shape == (len(v),):
        bad |= log.isnan()  # the slope of a map that is none there, as log(2x) of x² for x < 0
    return bad & ~overflows(subject, inverse, v, cond, bad)


def _outside(subject: Subject, latent: bool) -> tuple[Constraint | None, float] | None:
    """(the interval outside which every row is bad and inside none, or None; share of bad rows); None where all rows are good."""
    twin = subject.twin()
    shape = twin.packed(latent).shape
    cond = twin.probes(ROWS)[1]
    points = []
    for index, scale in enumerate(SCALES):
        generator = torch.Generator().manual_seed(100 + index)
        points.append(scale * torch.randn(ROWS, *shape, generator=generator, dtype=torch.float64))
    bad = [_rows_bad(twin, latent, v, cond) for v in points]
    share = float(torch.stack([b.float().mean() for b in bad]).mean())
    if share == 0:
        return None
    v, b = torch.cat(points), torch.cat(bad)
    for candidate in INTERVALS:
        rows_inside = strictly_inside(candidate, v).flatten(1).all(1)
        if not b[~rows_inside].all() or b[rows_inside].any():
            continue
        placed = _placed(twin, latent, candidate, cond)
        if not _rows_bad(twin, latent, placed, cond).any() and _comes_back(twin, latent, placed, cond):
            return candidate, share
    return None, share


def _placed(twin: Subject, latent: bool, space: Constraint, cond: Tensor | None) -> Tensor:
    shape = twin.packed(latent).shape
    drawn = 2 * torch.randn(ROWS, *shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return place(space, drawn, torch.float64)


def _comes_back(twin: Subject, latent: bool, v: Tensor, cond: Tensor | None) -> bool:
    """Whether the other direction gives most of these values back: they are of the space, not only tolerated."""
    if not twin.invertible:
        return True
    there = _try(lambda: twin.direction(latent)(v, cond)[0])
    back = _try(lambda: twin.direction(not latent)(there, cond)[0])
    if isinstance(there, Exception) or isinstance(back, Exception) or back.shape != v.shape:
        return False
    near = ((back - v).abs() <= 1e-2 * (1e-3 + v.abs())).flatten(1).all(1)
    return bool(near.float().mean() > 0.5)


def _mends(subject: Subject, latent: bool) -> bool:
    """Whether what the other direction gives is taken."""
    twin = subject.twin()
    x, cond = twin.probes(ROWS)
    if latent:
        found = _try(lambda: twin.forward(x, cond))
    else:
        shape = twin.packed(True).shape
        z = torch.randn(ROWS, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        found = _try(lambda: twin.inverse(z, cond))
    if isinstance(found, Exception) or not isinstance(found[0], Tensor):
        return False
    good = found[0].reshape(ROWS, -1).isfinite().all(1)
    bad = _rows_bad(twin, latent, found[0], cond) & good
    if not good.any() or bad.any():
        return False
    return not latent or not _moves(subject)


def _moves(subject: Subject) -> bool:
    """Whether the image is bounded and its bounds move with weights or condition: no declared codomain could explain that."""
    return any(max(edges) - min(edges) > 1e-2 * (1 + abs(edges[0])) for edges, _ in _edges(subject))


def _edges(subject: Subject) -> list[tuple[list[float], str]]:
    """(the edge under each choice of weights and condition, above or below) of each side on which forward comes to a stop: there it goes no
    further when x goes a thousand times as far."""
    near, far = list(_extents(subject)), list(_extents(subject, (-4.0, 7.0)))
    found = []
    for index, word in ((0, "above"), (1, "below")):
        pairs = [(a[index], b[index]) for a, b in zip(near, far, strict=True) if a is not None and b is not None]
        if len(pairs) == len(near) and all(abs(a - b) <= 1e-2 * (1 + abs(a)) and abs(b) < 1e3 for a, b in pairs):
            found.append(([b for _, b in pairs], word))
    return found


def _held_image(subject: Subject) -> Constraint | None:
    """The interval that forward never leaves and fills, under several weights and conditions."""
    extents = list(_extents(subject))
    if any(e is None for e in extents):
        return None
    for candidate in INTERVALS[:2]:
        low, high = float(candidate.lower_bound), float(candidate.upper_bound)
        if all(e is not None and low <= e[0] <= low + 1e-2 and high - 1e-2 <= e[1] <= high for e in extents):
            return candidate
    return None


def _bounded_image(subject: Subject) -> str | None:
    """The sides on which forward comes to a stop that is the same for all weights and conditions, in words."""
    return " and ".join(f"{word} {edges[0]:.5g}" for edges, word in _edges(subject)) or None


def _extents(subject: Subject, sizes: tuple[float, float] = (-1.0, 4.0)) -> Iterator[tuple[float, float] | None]:
    """(least, largest value of forward) over a wide range of x (powers of ten), for several weights and conditions; None where it raises."""
    twin = subject.twin()
    for pattern, scale, seed in (("initial", 0, 0), ("noise", 1, 1), ("noise", 1, 2)):
        other = twin.reweighted(pattern, scale, seed)
        x, cond = other.probes(ROWS, seed=seed)
        size = torch.logspace(*sizes, ROWS, dtype=torch.float64).reshape(-1, *[1] * (x.ndim - 1))
        found = _try(partial(other.forward, x.sign() * size, cond))
        if isinstance(found, Exception) or not isinstance(found[0], Tensor) or found[0].isnan().any():
            yield None
            continue
        yield found[0].min().item(), found[0].max().item()


# iterations


def _iterated(subject: Subject) -> Subject:
    """A direction that runs in a loop is an iteration or an integration; one without gradients inside is meant for sampling."""
    if not subject.invertible:
        return subject
    x, cond = subject.probes(4)
    traces: list[Trace] = []
    try:
        traces.append(traced(lambda: subject.forward(x.clone().requires_grad_(), cond)))
        with torch.no_grad():
            z = subject.forward(x, cond)[0]
        traces.append(traced(lambda: subject.inverse(z.clone().requires_grad_(), cond)))
    except Exception:
        return subject
    if subject.declaration.inverse is None and traces[1].silent > 0:
        subject = _assume(subject, "it computes with gradients switched off", inverse="sampling")
    if subject.declaration.tolerance is None and any(t.loop for t in traces) and _inexact(subject):
        which = " and ".join(n for n, t in zip(("forward", "inverse"), traces, strict=True) if t.loop)
        subject = _assume(
            subject, f"{which} runs in a loop and stops before the last digit", tolerance=ASSUMED_TOLERANCE
        )
    return replace(subject, integrated=traces[0].loop and subject.declaration.tolerance is not None)


def _inexact(subject: Subject) -> bool:
    """Whether the two directions differ by more than rounding, whose share of the error falls 2²⁹-fold from float32 to float64: an exact
    loop (autoregressive, say) needs no tolerance."""
    for weights in (("initial", 0), ("noise", 2)):
        other = subject.reweighted(*weights, seed=3)
        wide = _disagreement(other.twin())
        narrow = _disagreement(other.as_type(torch.float32, "cpu"))
        if narrow < SATURATED and wide > 1e-13 and wide > 2.0**-16 * max(narrow, 1e-7):
            return True
    return False


def _disagreement(subject: Subject) -> float:
    """The relative difference, in the middle row, of inverse(forward(x)) from x, and of the two log_dets."""
    x, cond = subject.probes(16)
    with torch.no_grad():
        z, log_det = subject.forward(x, cond)
        back, other = subject.inverse(z, cond)
    # of the middle row: what is not exact shows in most of them
    off = ((back - x).abs() / (1 + x.abs())).nan_to_num(nan=0.0).flatten(1).amax(1).median().item()
    if not subject.has_log_det:
        return off
    logs = ((log_det + other).abs() / (1 + log_det.abs())).nan_to_num(nan=0.0).flatten().median().item()
    return max(off, logs)

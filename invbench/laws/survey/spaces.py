"""Undeclared spaces: angles, intervals, and images that are known only from results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from invbench.declaration import Circle
from invbench.laws.judging.assumption import ROWS, assume, attempt, plain_numbers
from invbench.laws.judging.overflow import overflows
from invbench.laws.space import place, strictly_inside
from invbench.laws.subject import Subject

__all__ = ["circle", "spaces"]

SCALES = (0.3, 1.0, 8.0)  # of the probes
INTERVALS = (
    constraints.unit_interval,
    constraints.interval(-1.0, 1.0),
    constraints.positive,
    constraints.less_than(0.0),
    constraints.greater_than(1.0),
)
CIRCLES = (Circle(), Circle(0.0), Circle(0.0, 1.0))


def circle(subject: Subject) -> Subject:
    """Angles: forward is the same after a turn of x, and stays within one turn."""
    if subject.declaration.domain is not None or not plain_numbers(subject):
        return subject
    reference = subject.float64_reference()
    x, cond = reference.probes(ROWS)
    result = attempt(lambda: reference.forward(x, cond))
    if (
        isinstance(result, Exception)
        or not isinstance(result[0], Tensor)
        or not result[0].isfinite().all()
    ):
        return subject
    for turn in CIRCLES:
        turned = [attempt(partial(reference.forward, x + k * turn.period, cond)) for k in (1, -2)]
        if any(isinstance(t, Exception) for t in turned):
            continue
        low, high = float(turn.lower_bound) - 1e-9, float(turn.upper_bound) + 1e-9
        same = all(_same_angle(t[0], result[0], turn.period) for t in turned)
        values = torch.cat([result[0], *(t[0] for t in turned)])
        back = attempt(lambda: reference.inverse(result[0], cond))
        same = same and not isinstance(back, Exception) and back[0].shape == x.shape
        same = same and _same_angle(back[0], x, turn.period, 1e-6)
        if (
            same
            and result[0].shape == x.shape
            and bool(((values >= low) & (values <= high)).all())
            and values.std() > 1e-3
        ):
            why = f"forward is the same at x and x + {turn.period:.6g}"
            return assume(subject, why, domain=turn, codomain=turn)
    return subject


def _same_angle(a: Tensor, b: Tensor, period: float, slack: float = 1e-9) -> bool:
    return a.shape == b.shape and bool(
        (((a - b) / period).remainder(1.0) - 0.5).abs().ge(0.5 - slack).all()
    )


def spaces(subject: Subject) -> Subject:
    """The domain from where forward is finite; the codomain from where inverse is, or from an image
    within an interval."""
    if not plain_numbers(subject):
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
            subject = assume(
                subject, f"outside {name} is not finite, or raises", **{what: candidate}
            )
        elif share > 0.02 and _mends(subject, latent):
            other = "forward" if latent else "inverse"
            line = (
                f"{name} is not finite on {share:.0%} of normal numbers, and is finite on "
                f"what {other} gives: say its {what}"
            )
            subject = replace(
                subject,
                image=subject.image | {"z" if latent else "x"},
                assumed=(*subject.assumed, f"{line} ({what}=…)"),
            )
    if subject.declaration.codomain is None and subject.invertible and "z" not in subject.image:
        if (held := _held_image(subject)) is not None:
            return assume(
                subject, "forward stays inside, whatever the weights and conditions", codomain=held
            )
        if (edges := _bounded_image(subject)) is not None and not _moves(subject):
            line = (
                f"forward stays {edges}, whatever the weights and conditions: say its "
                f"codomain (codomain=…)"
            )
            return replace(subject, image=subject.image | {"z"}, assumed=(*subject.assumed, line))
    return subject


def _rows_bad(subject: Subject, inverse: bool, v: Tensor, cond: Tensor | None) -> Tensor:
    """Per row, whether the direction raises or gives a value or log_det that is NaN or infinite."""
    result = attempt(lambda: subject.direction(inverse)(v, cond))
    if isinstance(result, Exception):
        if len(v) == 1:
            return torch.ones(1, dtype=torch.bool)
        half = len(v) // 2
        parts = [
            (v[:half], None if cond is None else cond[:half]),
            (v[half:], None if cond is None else cond[half:]),
        ]
        return torch.cat([_rows_bad(subject, inverse, *part) for part in parts])
    value, log = result
    if not isinstance(value, Tensor) or value.shape[:1] != v.shape[:1]:
        return torch.zeros(len(v), dtype=torch.bool)
    bad = ~value.reshape(len(v), -1).isfinite().all(1)
    if subject.has_log_det and isinstance(log, Tensor) and log.shape == (len(v),):
        bad |= log.isnan()  # the slope of a map that is none there, as log(2x) of x² for x < 0
    return bad & ~overflows(subject, inverse, v, cond, bad)


def _outside(subject: Subject, latent: bool) -> tuple[Constraint | None, float] | None:
    """(the interval outside which every row is bad and inside which none is, or None; the share of
    bad rows). None where all rows are good."""
    reference = subject.float64_reference()
    shape = reference.packed(latent).shape
    cond = reference.probes(ROWS)[1]
    points = []
    for index, scale in enumerate(SCALES):
        generator = torch.Generator().manual_seed(100 + index)
        points.append(scale * torch.randn(ROWS, *shape, generator=generator, dtype=torch.float64))
    bad = [_rows_bad(reference, latent, v, cond) for v in points]
    share = float(torch.stack([b.float().mean() for b in bad]).mean())
    if share == 0:
        return None
    v, b = torch.cat(points), torch.cat(bad)
    for candidate in INTERVALS:
        rows_inside = strictly_inside(candidate, v).flatten(1).all(1)
        if not b[~rows_inside].all() or b[rows_inside].any():
            continue
        placed = _placed(reference, latent, candidate, cond)
        if not _rows_bad(reference, latent, placed, cond).any() and _comes_back(
            reference, latent, placed, cond
        ):
            return candidate, share
    return None, share


def _placed(reference: Subject, latent: bool, space: Constraint, cond: Tensor | None) -> Tensor:
    shape = reference.packed(latent).shape
    drawn = 2 * torch.randn(
        ROWS, *shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    )
    return place(space, drawn, torch.float64)


def _comes_back(reference: Subject, latent: bool, v: Tensor, cond: Tensor | None) -> bool:
    """Whether the other direction gives most of these values back: then they belong to the space,
    and are not only tolerated."""
    if not reference.invertible:
        return True
    there = attempt(lambda: reference.direction(latent)(v, cond)[0])
    back = attempt(lambda: reference.direction(not latent)(there, cond)[0])
    if isinstance(there, Exception) or isinstance(back, Exception) or back.shape != v.shape:
        return False
    near = ((back - v).abs() <= 1e-2 * (1e-3 + v.abs())).flatten(1).all(1)
    return bool(near.float().mean() > 0.5)


def _mends(subject: Subject, latent: bool) -> bool:
    """Whether the results of the other direction are taken."""
    reference = subject.float64_reference()
    x, cond = reference.probes(ROWS)
    if latent:
        result = attempt(lambda: reference.forward(x, cond))
    else:
        shape = reference.packed(True).shape
        z = torch.randn(
            ROWS, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64
        )
        result = attempt(lambda: reference.inverse(z, cond))
    if isinstance(result, Exception) or not isinstance(result[0], Tensor):
        return False
    good = result[0].reshape(ROWS, -1).isfinite().all(1)
    bad = _rows_bad(reference, latent, result[0], cond) & good
    if not good.any() or bad.any():
        return False
    return not latent or not _moves(subject)


def _moves(subject: Subject) -> bool:
    """Whether the image is bounded and its bounds move with weights or condition: no declared
    codomain could explain that."""
    return any(max(edges) - min(edges) > 1e-2 * (1 + abs(edges[0])) for edges, _ in _edges(subject))


def _edges(subject: Subject) -> list[tuple[list[float], str]]:
    """(the edge under each choice of weights and condition, above or below) of each side on which
    forward stops: there it goes no further when x goes a thousand times as far."""
    near, far = list(_extents(subject)), list(_extents(subject, (-4.0, 7.0)))
    edges = []
    for index, word in ((0, "above"), (1, "below")):
        pairs = [
            (a[index], b[index])
            for a, b in zip(near, far, strict=True)
            if a is not None and b is not None
        ]
        if len(pairs) == len(near) and all(
            abs(a - b) <= 1e-2 * (1 + abs(a)) and abs(b) < 1e3 for a, b in pairs
        ):
            edges.append(([b for _, b in pairs], word))
    return edges


def _held_image(subject: Subject) -> Constraint | None:
    """The interval that forward fills and never leaves, under several weights and conditions."""
    extents = list(_extents(subject))
    if any(e is None for e in extents):
        return None
    for candidate in INTERVALS[:2]:
        low, high = float(candidate.lower_bound), float(candidate.upper_bound)
        if all(
            e is not None and low <= e[0] <= low + 1e-2 and high - 1e-2 <= e[1] <= high
            for e in extents
        ):
            return candidate
    return None


def _bounded_image(subject: Subject) -> str | None:
    """In words, the sides on which forward stops at the same value for all weights and
    conditions."""
    return " and ".join(f"{word} {edges[0]:.5g}" for edges, word in _edges(subject)) or None


def _extents(
    subject: Subject, sizes: tuple[float, float] = (-1.0, 4.0)
) -> Iterator[tuple[float, float] | None]:
    """(least, largest value of forward) over a wide range of x (powers of ten), for several weights
    and conditions; None where it raises."""
    reference = subject.float64_reference()
    for pattern, scale, seed in (("initial", 0, 0), ("noise", 1, 1), ("noise", 1, 2)):
        other = reference.reweighted(pattern, scale, seed)
        x, cond = other.probes(ROWS, seed=seed)
        size = torch.logspace(*sizes, ROWS, dtype=torch.float64).reshape(-1, *[1] * (x.ndim - 1))
        result = attempt(partial(other.forward, x.sign() * size, cond))
        if (
            isinstance(result, Exception)
            or not isinstance(result[0], Tensor)
            or result[0].isnan().any()
        ):
            yield None
            continue
        yield result[0].min().item(), result[0].max().item()

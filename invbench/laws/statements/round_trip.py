"""Laws of round trips: each direction undoes the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.declaration import Circle
from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import (
    magnitude,
    unit_roundoff,
)
from invbench.laws.judging.overflow import overflows
from invbench.laws.judging.relation import pair
from invbench.laws.judging.rounding import per_row, rounding_violations
from invbench.laws.judging.units import round_trip_unit
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import unwrapped
from invbench.laws.subject import Subject


def apart(subject: Subject, latent: bool, a: Tensor, b: Tensor) -> Tensor:
    """a − b; between angles, the short way round."""
    space = unwrapped(subject.space(latent))
    if isinstance(space, Circle):
        return torch.remainder(a - b + space.period / 2, space.period) - space.period / 2
    return a - b


def undoes(case: LawCase, inverse: bool) -> Iterator[Violation | Tally]:
    """A direction against the other direction of the float64 reference, which must give its input
    back; then the digits that a round trip loses."""
    subject = case.subject
    what = "inverse(forward(x))" if not inverse else "forward(inverse(z))"
    v = case.float64_inputs(inverse)[0]
    u = unit_roundoff(subject.dtype)
    natural = u * (magnitude(subject, v) + 1)
    back = case.undone_in_float64(inverse)[0]
    error = magnitude(subject, apart(subject, inverse, back, v))
    valid = per_row(case.valid(inverse), subject.elementwise) & per_row(
        case.representable(v), subject.elementwise
    )
    lost = ~back.reshape(len(v), -1).isfinite().all(1)
    if (suspects := lost & valid.reshape(len(v), -1).any(1)).any():
        # a number too large on the way back, or 0 times it, is the design's; a root of a negative
        # number is a defect
        excused = overflows(
            subject.float64_reference(),
            not inverse,
            case.elementwise(inverse)[0].cpu().double(),
            case.float64_inputs(False)[1],
            suspects,
        )
        valid &= ~excused.reshape(-1, *[1] * (valid.ndim - 1))
    ours = magnitude(
        subject, apart(subject, inverse, case.round_trip(inverse)[0].cpu().double(), v)
    )
    loss = torch.where(valid, ours, torch.zeros_like(ours))

    def explain(row: int) -> str:
        worst = int(
            (apart(subject, inverse, back[row], v[row]).abs())
            .flatten()
            .nan_to_num(nan=torch.inf)
            .argmax()
        )
        return pair(back[row].flatten()[worst].item(), v[row].flatten()[worst].item())

    violations = list(
        rounding_violations(
            error,
            round_trip_unit(case, inverse),
            valid,
            what,
            None,
            least=natural,
            latent=inverse,
            explain=explain,
        )
    )
    yield from violations
    if not any(isinstance(said, Violation) for said in violations):
        yield from _ill_conditioned(loss, natural, what, inverse)


def _ill_conditioned(lost: Tensor, natural: Tensor, what: str, latent: bool) -> Iterator[Violation]:
    """Round trips of the layer itself that lose digits. Not a defect: the two directions have been
    judged one by one."""
    violations = list(
        rounding_violations(
            lost, torch.full_like(lost, torch.inf), lost.isfinite(), what, natural, latent=latent
        )
    )
    yield from (f for f in violations if isinstance(f, Violation))


def _random(subject: Subject, case: LawCase, inverse: bool) -> bool:
    """Whether this direction gives another result when it is called again."""
    return bool(subject.declaration.stochastic) and not torch.equal(
        case.result(inverse)[0], case.call(subject, inverse, case.inputs(inverse), case.cond)[0]
    )


@law(
    "round-trip-x",
    needs=("inverse",),
    reference=(
        "the inverse of the float64 reference, asked about forward's result; its error is its "
        "own conditioning there"
    ),
    trusts=(
        "that the float64 reference is not wrong alike in both directions, which log-det and "
        "noise check"
    ),
)
def round_trip_x(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """inverse(forward(x)) = x, with forward in the dtype and inverse on the float64 reference,
    within 30 times the effect of rounding forward(x) on the inverse."""
    if not _random(subject, case, True):
        yield from undoes(case, False)


@law(
    "round-trip-z",
    needs=("inverse",),
    reference=(
        "forward of the float64 reference, asked about inverse's result; its error is its own "
        "conditioning there"
    ),
    trusts=(
        "that the float64 reference is not wrong alike in both directions, which log-det and "
        "noise check"
    ),
)
def round_trip_z(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """forward(inverse(z)) = z, with inverse in the dtype and forward on the float64 reference,
    within 30 times the effect of rounding inverse(z) on forward: a backward-error test that a wrong
    root cannot pass."""
    if not _random(subject, case, False):
        yield from undoes(case, True)


@law(
    "surjective",
    needs=("inverse", "real", "deterministic"),
    scope="value-independent",
    reference="forward itself: how far it reaches, under several weights and conditions",
)
def surjective(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Every latent of Rⁿ has a preimage. Where inverse is not finite at a normal latent though
    forward is finite everywhere, the image of forward is too small, and a density over Rⁿ that is
    built on it does not integrate to 1."""
    latents = case.z
    value = case.exact(True)[0]
    missing = ~value.flatten(1).isfinite().all(1) & case.float64_inputs(True)[0].flatten(
        1
    ).isfinite().all(1)
    missing &= ~overflows(subject.float64_reference(), True, *case.float64_inputs(True), missing)
    if not missing.any() or not case.exact(False)[0].isfinite().all():
        yield Tally(len(latents), len(latents))
        return
    row = int(missing.int().argmax())
    low, high = case.exact(False)[0].min().item(), case.exact(False)[0].max().item()
    message = (
        f"no preimage: inverse is not finite for {int(missing.sum())} of {len(missing)} normal "
        f"latents; forward stays "
        f"between {low:.4g} and {high:.4g}; declare codomain=… if that is meant"
    )
    yield Violation(float(missing.sum()), 0.0, message, row=row, latent=True)

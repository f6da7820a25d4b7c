"""The law of spaces: what comes out lies where it is declared to lie."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.declaration import space_name
from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import unit_roundoff
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import is_real, strictly_inside, structured, unwrapped
from invbench.laws.statements.comparison import DIRECTIONS
from invbench.laws.subject import Subject


@law(
    "spaces",
    needs=("spaces", "tensors"),
    scope="corpus",
    reference=(
        "the declared constraints (what was assumed accuses nobody); the float64 reference "
        "says what rounds to an edge"
    ),
)
def spaces(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Results lie in the space that is declared for them. The float64 reference's value may lie on
    an edge. The dtype's own value must lie strictly inside wherever the exact one is a thousand
    roundings away from the edge (relative to the edge; beside 0, anywhere but in the subnormal
    numbers). Beyond an edge a layer may raise, give NaN or go on: that is not judged."""
    for inverse in subject.directions:
        space = subject.space(not inverse)
        what = "domain" if inverse else "codomain"
        if is_real(space) or (inverse and subject.declaration.inverse == "sampling"):
            continue
        if any(f"assumed {what}" in line or f" {what}=" in line for line in subject.assumed):
            continue  # an assumption makes no violation
        assert space is not None
        exact, got = case.exact(inverse)[0], case.result(inverse)[0].cpu().double()
        inside = (
            case.representable(case.float64_inputs(inverse)[0], latent=inverse).flatten(1).all(1)
        )
        usable = inside & case.representable(exact).flatten(1).all(1)
        ok = _within(space, exact) & (
            _within(space, got, unit_roundoff(subject.dtype))
            | _at_edge(space, exact, subject.dtype)
        )
        yield Tally(int(usable.sum()), len(usable))
        wrong = usable & ~ok
        if wrong.any():
            row = int(wrong.int().argmax())
            values = ", ".join(f"{v:.9g}" for v in got[row].flatten()[:4].tolist())
            yield Violation(
                float(wrong.sum()),
                0,
                (
                    f"{DIRECTIONS[inverse]} leaves the declared {what} {space_name(space)} on "
                    f"{int(wrong.sum())} of {len(wrong)} rows: {values}"
                ),
                row=row,
                latent=inverse,
            )


def _within(space: object, value: Tensor, margin: float = 0.0) -> Tensor:
    """Per row, whether a value lies in the space: strictly inside an interval with ``margin``.
    Simplexes and matrices are checked to a millionth."""
    if structured(space):  # type: ignore[arg-type]
        if margin:
            return torch.ones(len(value), dtype=torch.bool)
        ok = torch.as_tensor(space.check(value.float().double()) | space.check(value))  # type: ignore[attr-defined]
        return ok.reshape(len(value), -1).all(1)
    if margin:
        if _digits_left_off(space):
            return _within(space, value)
        held = strictly_inside(space, value)  # type: ignore[arg-type]
        return held.reshape(len(value), -1).all(1)
    slack = max(1e-12, _digits_left_off(space)) * (1 + value.abs())
    checks = [torch.as_tensor(space.check(v)) for v in (value, value + slack, value - slack)]  # type: ignore[attr-defined]
    return (checks[0] | checks[1] | checks[2]).reshape(len(value), -1).all(1)


def _digits_left_off(space: object) -> float:
    """1e-4 for an edge that was rounded when it was written, as 2.9444; 0 for one such as 0, 1 or
    2.5."""
    edges = [getattr(unwrapped(space), name, 0.0) for name in ("lower_bound", "upper_bound")]  # type: ignore[arg-type]
    return 1e-4 if any(float(e) * 8 != round(float(e) * 8) for e in edges) else 0.0


def _at_edge(space: object, exact: Tensor, dtype: torch.dtype) -> Tensor:
    """Rows with an element so near an edge that its rounding may lie on it."""
    near = torch.zeros(len(exact), dtype=torch.bool)
    for name in ("lower_bound", "upper_bound"):
        edge = getattr(unwrapped(space), name, None)  # type: ignore[arg-type]
        if edge is not None:
            size = max(1e3 * unit_roundoff(dtype) * abs(float(edge)), 1e3 * torch.finfo(dtype).tiny)
            near |= ((exact - float(edge)).abs() <= size).flatten(1).any(1)
    return near

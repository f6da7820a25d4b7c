"""Linear enclosures of a design's inverse: c⁻¹(v; h) ∈ slope·v + offset ± by for all v and all
parameters h in given boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.bounds.lipschitz.interval import Interval, Unsupported
from invbench.bounds.lipschitz.parameter_rules import RULES as SLOPES
from invbench.bounds.lipschitz.parameter_rules import (
    decoded_box,
    over_box,
    reciprocal_slope,
    shift_over,
)
from invbench.couplings import (
    Additive,
    Affine,
    AffineAtan,
    AffineExp,
    AffineFloor,
    AffineSoftclip,
    AffineTanh,
    AffineTwoSigmoid,
    CubicRationalBounded,
    ModifiedRQ,
    RQBounded,
    SmoothBump,
)
from invbench.couplings.base import Elementwise

__all__ = ["Enclosure", "enclosed"]

WIDER = 1 + 1e-12
ROUNDINGS = 1e-14  # relative, of one evaluation of a design in float64


@dataclass(frozen=True)
class Enclosure:
    """c⁻¹(v) ∈ slope·v + offset ± by, per element: three tensors (B, C, H, W)."""

    slope: Tensor
    offset: Tensor
    by: Tensor

    @classmethod
    def between(cls, slope: Interval, shift: Interval, v: Interval) -> Enclosure:
        """The enclosure of slope·v + shift over intervals of all three: the middles, and what
        remains as ``by``."""
        slopes, spread = _middle(slope)
        offset, more = _middle(shift)
        return cls(slopes, offset, (v.magnitude * spread + more) * WIDER)

    @property
    def finite(self) -> Tensor:
        """Which elements have a bound."""
        return self.slope.isfinite() & self.offset.isfinite() & self.by.isfinite()

    def or_nearer(self, other: Enclosure, v: Interval) -> Enclosure:
        """Per element the one that is nearer to the identity: smaller by + |slope − 1|·radius of v.

        A flat enclosure may have a smaller radius, but it forgets how the channels of v move
        together.
        """
        own, others = (
            torch.where(
                e.finite, (e.slope - 1).abs() * (v.hi - v.lo) / 2 + e.by, math.inf
            ).nan_to_num(math.inf)
            for e in (self, other)
        )
        takes = own <= others
        return Enclosure(
            *(
                torch.where(takes, getattr(self, n), getattr(other, n))
                for n in ("slope", "offset", "by")
            )
        )


def enclosed(design: Elementwise, v: Interval, params: Interval, move: float) -> Enclosure:
    """The enclosure nearest to the identity that is known; ``by`` is infinite where there is none.

    Candidates: v ± ``move``, for all parameters; what the design's own rule says of its shift,
    scale and displacement; the mean value theorem; and the interval of ``decoded_box``.
    """
    one, zero = torch.ones_like(v.lo), torch.zeros_like(v.lo)
    found = Enclosure(one, zero, torch.full_like(v.lo, move))
    own = isinstance(design, CubicRationalBounded | RQBounded)
    if not own and 0 < getattr(design, "shift_bound", math.inf) < math.inf:
        # the rules below take the raw parameter for the shift, and here it is a function of it
        return found
    for other in _known(design, v, params):
        found = found.or_nearer(other, v)
    return found


def _known(design: Elementwise, v: Interval, params: Interval) -> Iterator[Enclosure]:
    if rule := RULES.get(type(design)):
        yield rule(design, v, params)
    try:
        box = decoded_box(design, v, params)
    except Unsupported:
        return
    centre, radius = _middle(box)
    yield Enclosure(torch.zeros_like(centre), centre, radius * WIDER)
    if type(design) in SLOPES:
        yield _centred(design, v, params, box)


def _centred(design: Elementwise, v: Interval, params: Interval, x: Interval) -> Enclosure:
    """The mean value theorem around the middles v₀, h₀ of the boxes:

        c⁻¹(v; h) ∈ c⁻¹(v₀; h₀) + [1/sup c′, 1/inf c′]·(v − v₀) ± ‖∂c⁻¹/∂h‖·‖h − h₀‖.

    ``x`` holds c⁻¹ over both boxes. The computed x₀ = c⁻¹(v₀; h₀) errs by at most
    |c(x₀; h₀) − v₀|/inf c′, and by rounding.
    """
    known = over_box(design, params, x)
    if known.by_params_inverse is None:
        return Enclosure(*(torch.full_like(v.lo, math.inf) for _ in range(3)))
    (v0, reach), (h0, spread) = _middle(v), _middle(params)
    x0 = design.inverse(v0, h0)[0]
    steepest = 1 / known.low
    missed = (design(x0, h0)[0] - v0).abs() + ROUNDINGS * (
        v0.abs() + x0.abs() + h0.abs().amax(0) + 1
    )
    slope, uneven = _middle(Interval(1 / known.high, torch.maximum(steepest, 1 / known.high)))
    by = uneven * reach + known.by_params_inverse * spread.norm(dim=0) + missed * steepest
    return Enclosure(slope, x0 - slope * v0, (by + 1e-15 * (slope * v0).abs()) * WIDER)


def _middle(box: Interval) -> tuple[Tensor, Tensor]:
    """(centre, radius) of a box; the radius is widened for the rounding of both."""
    centre = box.lo + (box.hi - box.lo) / 2
    return centre, torch.maximum(box.hi - centre, centre - box.lo) + 1e-15 * centre.abs()


def _shift(design: Elementwise, params: Interval) -> Interval:
    """The interval of −t, for designs whose last parameter makes t."""
    return -shift_over(design, params)


def _displaced(design: Elementwise, v: Interval, params: Interval) -> Enclosure:
    """v − t ± displacement."""
    moved = torch.full_like(v.lo, design.displacement or 0.0)
    one = torch.ones_like(v.lo)
    shift = _shift(design, params)
    return Enclosure.between(Interval(one, one), Interval(shift.lo - moved, shift.hi + moved), v)


def _cubic(design: Elementwise, v: Interval, params: Interval) -> Enclosure:
    """v − t ± |a|·w/2, with a and w of the box."""
    assert isinstance(design, CubicRationalBounded)
    a = Interval(design._amplitude(params.lo[0]), design._amplitude(params.hi[0]))
    moved = a.magnitude * design._log_width(params.hi[1]).exp() / 2 * WIDER
    one, shift = torch.ones_like(v.lo), _shift(design, params)
    return Enclosure.between(Interval(one, one), Interval(shift.lo - moved, shift.hi + moved), v)


def _shifted_first(design: Elementwise, v: Interval, params: Interval) -> Enclosure:
    """v/s − t."""
    return Enclosure.between(reciprocal_slope(design, params), _shift(design, params), v)


def _shifted_last(design: Elementwise, v: Interval, params: Interval) -> Enclosure:
    """(v − t)/s."""
    scale = reciprocal_slope(design, params)
    return Enclosure.between(scale, _shift(design, params) * scale, v)


RULES: dict[type[Elementwise], Callable[[Elementwise, Interval, Interval], Enclosure]] = {
    **dict.fromkeys((Additive, ModifiedRQ, SmoothBump), _displaced),
    CubicRationalBounded: _cubic,
    **dict.fromkeys((Affine, AffineFloor, AffineTwoSigmoid), _shifted_first),
    **dict.fromkeys((AffineAtan, AffineExp, AffineSoftclip, AffineTanh), _shifted_last),
}

"""What every design declares of all its parameters, attacked over its options too; and declarations
that are wrong are found."""

from __future__ import annotations

import inspect
import math

import pytest

from invbench.couplings import CubicSpline, QuadraticSpline, RQBounded, SmoothBump
from invbench.registry import COUPLINGS
from invbench.runner.run import builtin_entries
from tests.support.ascent import worst

NO_SHIFT = {
    "b-spline",
    "cubic-spline",
    "linear-rational",
    "quadratic-spline",
    "rq",
    "rq-bounded",
    "sinh-arcsinh",
}
# beside the default ones: few bins, bins almost as small as the floor, other boxes, other limits
OPTIONS: dict[str, tuple[dict[str, float], ...]] = {
    "affine-asymmetric": ({"stretch": 1.5, "shrink": 0.3, "tail": 2.0},),
    "affine-atan": ({"clamp": 0.5},),
    "affine-softclip": ({"slope": 0.3},),
    "affine-tanh": ({"limit": 5.0},),
    "b-spline": (
        {"bins": 6, "box": 1.0, "floor": 0.15, "least": 0.5},
        {"bins": 6, "floor": 0.01, "least": 0.01},
        {"bins": 7, "floor": 0.12, "least": 0.9},
        {"bins": 10, "floor": 0.09},
    ),
    "cubic-rational": ({"floor": 0.7},),
    "cubic-rational-bounded": ({"floor": 0.5, "width": 2.0},),
    "cubic-spline": (
        {"bins": 3, "floor": 0.3},
        {"bins": 8, "floor": 0.124},
        {"bins": 2, "floor": 0.45},
        {"bins": 2, "floor": 0.01},
        {"bins": 4, "floor": 0.1, "box": 0.5},
    ),
    "linear-rational": ({"bins": 2, "floor": 0.4}, {"bins": 5, "floor": 0.15, "box": 0.5}),
    "logistic-mixture": ({"components": 1}, {"components": 2}),
    "modified-rq": ({"box": 3.0},),
    "monotone-network": ({"hidden": 1},),
    "quadratic-spline": (
        {"bins": 4, "floor": 0.24},
        {"bins": 4, "floor": 0.01},
        {"bins": 5, "floor": 0.15, "box": 0.5},
    ),
    "rq": ({"bins": 2, "floor": 0.4}, {"bins": 4, "floor": 0.2, "box": 0.5}),
    "rq-bounded": (
        {"bins": 4},
        {"bins": 3, "floor": 0.3, "limit": 1.5},
        {"bins": 3, "floor": 0.01, "limit": 50.0},
        {"bins": 5, "floor": 0.19, "limit": 10.0, "box": 0.5},
    ),
    "sinh-arcsinh": ({"limit": 5.0},),
    "smooth-bump": (
        {"components": 1, "floor": 0.5, "least": 0.5},
        {"components": 2, "floor": 0.9, "least": 0.01, "box": 0.5},
    ),
}
CASES = [(name, options) for name in builtin_entries() for options in ({}, *OPTIONS.get(name, ()))]
KNOTS_MATTER = OPTIONS["cubic-spline"][:3]


def shown(value):
    return (
        value
        if isinstance(value, str)
        else ",".join(f"{k}={v}" for k, v in value.items()) or "default"
    )


def attacked(design, name):
    return worst(design, name not in NO_SHIFT, getattr(design, "box", 3.0))


@pytest.mark.parametrize(("name", "options"), CASES, ids=shown)
def test_declared_constants_hold_under_attack(name, options):
    design = COUPLINGS[name].obj(**options)
    assert attacked(design, name).contradictions(design) == []


def test_every_design_that_has_options_is_attacked_at_others_too():
    options = {
        n: set(inspect.signature(COUPLINGS[n].obj).parameters) - {"args", "kwargs"}
        for n in builtin_entries()
    }
    assert {name for name, some in options.items() if some} == set(OPTIONS)
    assert all(set().union(*OPTIONS[name]) <= some for name, some in options.items() if some)


# ---- the attack finds what is wrong


class KnotsForgotten(CubicSpline):
    """What was declared until the knots were remembered."""

    def __init__(self, bins: int = 8, box: float = 3.0, floor: float = 1e-3) -> None:
        super().__init__(bins, box, floor)
        flattest = floor / (1 - (bins - 1) * floor)
        self.slope_range = (2 * 1e-3 * flattest, 1.5 / flattest)


@pytest.mark.parametrize("options", KNOTS_MATTER, ids=shown)
def test_the_slope_range_that_forgot_the_knots_is_found(options):
    (found,) = attacked(KnotsForgotten(**options), "cubic-spline").contradictions(
        KnotsForgotten(**options)
    )
    assert "declared at most" in found


@pytest.mark.parametrize("options", KNOTS_MATTER, ids=shown)
def test_the_steepest_knot_of_a_cubic_spline_is_reached(options):
    assert (
        attacked(CubicSpline(**options), "cubic-spline").high
        > 0.999 * CubicSpline(**options).slope_range[1]
    )


@pytest.mark.parametrize(
    ("design", "options", "name"),
    [
        (CubicSpline, {"bins": 8, "floor": 0.124}, "cubic-spline"),
        (QuadraticSpline, {"bins": 4, "floor": 0.24}, "quadratic-spline"),
        (RQBounded, {"bins": 4}, "rq-bounded"),
        (SmoothBump, {}, "smooth-bump"),
    ],
)
def test_a_range_that_is_one_per_cent_too_small_is_found(design, options, name):
    made = design(**options)
    reached, (low, high) = attacked(made, name), made.slope_range
    made.slope_range = (low, 0.99 * high)
    (found,) = reached.contradictions(made)
    assert "declared at most" in found


def test_a_least_slope_and_a_displacement_that_are_too_good_are_found():
    made = RQBounded(bins=3, floor=0.3, limit=1.5)
    reached, (low, high), moved = attacked(made, "rq-bounded"), made.slope_range, made.displacement
    made.slope_range, made.displacement = (1.01 * low, high), 0.99 * moved
    assert [f.partition(",")[2].split()[0] for f in reached.contradictions(made)] == [
        "declared"
    ] * 2
    assert math.isclose(reached.moved, moved, rel_tol=1e-3)

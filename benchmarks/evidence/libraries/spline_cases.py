"""The rational-quadratic spline of Durkan et al., which nflows, normflows and glasflow copied from
one source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from common import Shown, case, inverted, number
from exact import RationalQuadratic

BOX = 3.0


SECOND = "bisection of the forward formula in 60 digits, and the library's own forward of it"


def run_spline(
    function: Callable[..., Any], v: float, w: Any, h: Any, d: Any, inverse: bool
) -> Any:
    rows = (torch.tensor([part]) for part in (w, h, d))
    return function(torch.tensor([v]), *rows, inverse=inverse, tail_bound=BOX)[0]


def assertion(function: Callable[[float, bool], Any], y: float, right: Any) -> Shown:
    """Whether the inverse of y stops with an AssertionError, and the forward of the right x gives
    y."""
    back = function(float(right), False).item()
    text = f"x = {number(right)}, where its own forward gives {number(back)}"
    try:
        return Shown(f"x = {number(function(y, True))}", text, False)
    except AssertionError:
        return Shown("AssertionError", text, abs(back - y) < 1e-3)


def rq_assertion(library: str, function: Callable[..., Any]) -> None:
    """The discriminant of the inverse, exactly at least zero, rounds to a negative number."""

    @case(
        library,
        "rq-assertion",
        layer="unconstrained_rational_quadratic_spline, inverse",
        what="The discriminant rounds to a negative number and `assert (discriminant >= "
        "0).all()` stops the "
        "whole batch; the exact one is positive.",
        inputs="y = -2.9603755474090576, widths [-2, 6, 2], heights [0, -2, 5.5], derivatives "
        "[7.5, -6.5], "
        "tail_bound 3, float32",
        second=SECOND,
        severity="edge",
    )
    def show() -> Shown:
        y, w, h, d = -2.9603755474090576, [-2.0, 6.0, 2.0], [0.0, -2.0, 5.5], [7.5, -6.5]
        right = RationalQuadratic.durkan(w, h, d, BOX).inverse(y)
        return assertion(lambda v, inverse: run_spline(function, v, w, h, d, inverse), y, right)


def rq_digits(library: str, function: Callable[..., Any]) -> None:
    """The closed form loses half of the digits."""

    @case(
        library,
        "rq-digits",
        layer="unconstrained_rational_quadratic_spline, inverse",
        what="The closed-form root, as published, loses digits in the discriminant: off by 3e-4 "
        "at a slope of "
        "4.3, where the rounding of y moves x by 3e-8.",
        inputs="y = -1.6508492231369019, widths [-2.25, 1.25, 2.75, 0], heights [-4, 4, -4.25, "
        "5.25], "
        "derivatives [-5.75, -3.5, 4.75], tail_bound 3, float32",
        second=SECOND,
        severity="edge",
        kind="limit",
    )
    def show() -> Shown:
        y, w, h = -1.6508492231369019, [-2.25, 1.25, 2.75, 0.0], [-4.0, 4.0, -4.25, 5.25]
        d = [-5.75, -3.5, 4.75]
        right = RationalQuadratic.durkan(w, h, d, BOX).inverse(y)
        got = run_spline(function, y, w, h, d, True)
        return inverted(got, right, y, lambda v: run_spline(function, v, w, h, d, False), 5e-5)

"""One rational-quadratic segment against 50 digits, its slope range against sampling, and the
modified spline's box."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
import torch

from invbench.couplings import ModifiedRQ
from invbench.couplings.rational_quadratic import (
    log_slope,
    segment,
    segment_inverse,
    slope_extremes,
)

B = 0.5


@pytest.fixture
def bins(uniform):
    """``bins(n, dtype)``: s, d0, d1 log-uniform in e^±7, and n points in [0, 1], a fifth of them at
    the ends."""

    def draw(n, dtype=torch.float64):
        s, d0, d1 = uniform(-7, 7, 3, n).exp().to(dtype)
        points = uniform(0, 1, n, seed=1)
        points[: n // 10] *= 1e-4
        points[n // 10 : n // 5] = 1 - 1e-4 * points[n // 10 : n // 5]
        return s, d0, d1, points.to(dtype)

    return draw


def exact_slope(xi, s, d0, d1):
    """c′ in the arithmetic of its arguments (Durkan et al., eq. 5)."""
    denominator = s + (d0 + d1 - 2 * s) * xi * (1 - xi)
    return (
        s * s * (d1 * xi * xi + 2 * s * xi * (1 - xi) + d0 * (1 - xi) * (1 - xi)) / denominator**2
    )


def dense(s, d0, d1):
    """Textbook c′ over a grid of ξ that is dense at both ends; (…, grid)."""
    share = torch.logspace(-16, 0, 1500, dtype=torch.float64) / 2
    xi = torch.cat((share, torch.linspace(0, 1, 3001, dtype=torch.float64), 1 - share))
    return exact_slope(xi, s[..., None], d0[..., None], d1[..., None])


def test_value_is_within_16_ulp_of_the_exact_rational(bins, dtype):
    s, d0, d1, xi = bins(400, dtype)
    v, _ = segment(xi, s, d0, d1)
    for row in torch.stack((xi, s, d0, d1, v), dim=1).tolist():
        x, S, D0, D1, got = map(Fraction, row)
        exact = (S * x * x + D0 * x * (1 - x)) / (S + (D0 + D1 - 2 * S) * x * (1 - x))
        assert abs(got - exact) <= 16 * torch.finfo(dtype).eps / 2 * exact, row


def test_log_slope_is_within_16_ulp_of_its_terms(bins, dtype):
    s, d0, d1, xi = bins(400, dtype)
    alone = log_slope(xi, s, d0, d1)
    assert torch.equal(alone, segment(xi, s, d0, d1)[1])
    with mpmath.workdps(50):
        for row in torch.stack((xi, s, d0, d1, alone), dim=1).tolist():
            x, S, D0, D1, got = map(mpmath.mpf, row)
            size = 1 + sum(abs(mpmath.log(v)) for v in (S, D0, D1))
            assert (
                abs(got - mpmath.log(exact_slope(x, S, D0, D1)))
                <= 16 * torch.finfo(dtype).eps / 2 * size
            ), row


def test_inverse_of_steep_bin_stays_within_30_ulp_of_conditioning(bins, dtype):
    s, d0, d1, v = bins(400, dtype)
    xi, slope = segment_inverse(v, s, d0, d1)
    torch.testing.assert_close(slope, log_slope(xi, s, d0, d1))
    with mpmath.workdps(50):
        for row in torch.stack((v, s, d0, d1, xi), dim=1).tolist():
            V, S, D0, D1, got = map(mpmath.mpf, row)
            a, b, c = S - D0 + V * (D0 + D1 - 2 * S), D0 - V * (D0 + D1 - 2 * S), -S * V
            exact = 2 * c / (-b - mpmath.sqrt(b * b - 4 * a * c))  # Durkan et al., eq. 29
            lost = exact + V * S / exact_slope(exact, S, D0, D1)
            assert abs(got - exact) <= 30 * torch.finfo(dtype).eps / 2 * lost, row


def test_ends_map_to_ends_with_the_end_slopes(bins, dtype):
    s, d0, d1, _ = bins(300, dtype)
    for end, slope in ((0.0, d0), (1.0, d1)):
        for function in (segment, segment_inverse):
            value, log = function(torch.full_like(s, end), s, d0, d1)
            assert (value == end).all()
            torch.testing.assert_close(log, slope.log(), rtol=0, atol=100 * torch.finfo(dtype).eps)


def arithmetic(s, d0, d1):
    return (d0 + d1) / 2, d0, d1


def geometric(s, d0, d1):
    return (d0 * d1).sqrt(), d0, d1


FAMILIES = {
    "random": lambda s, d0, d1: (s, d0, d1),
    "sigma=0": arithmetic,
    "sigma~0": lambda s, d0, d1: (arithmetic(s, d0, d1)[0] * (1 + 1e-9), d0, d1),
    "m=0": geometric,
    "m~0": lambda s, d0, d1: (geometric(s, d0, d1)[0] * (1 - 1e-6), d0, d1),
    "d0=d1": lambda s, d0, d1: (s, d0, d0),
    "d0~d1": lambda s, d0, d1: (s, d0, d0 * (1 + 1e-9)),
    "s=d0=d1": lambda s, d0, d1: (s, s, s),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_slope_extremes_contain_every_slope_and_are_attained_to_1_percent(bins, family):
    s, d0, d1 = FAMILIES[family](*bins(800)[:3])
    low, high = slope_extremes(s, d0, d1)
    slopes = dense(s, d0, d1)
    assert (low <= slopes.amin(1) * (1 + 1e-12)).all()
    assert (high >= slopes.amax(1) * (1 - 1e-12)).all()
    torch.testing.assert_close(low, slopes.amin(1), rtol=1e-2, atol=0)
    torch.testing.assert_close(high, slopes.amax(1), rtol=1e-2, atol=0)


def test_slope_extremes_with_equal_ends_are_d_and_2s2_over_s_plus_d(bins):
    s, d, _, _ = bins(2000)
    middle = 2 * s * s / (s + d)
    low, high = slope_extremes(s, d, d)
    torch.testing.assert_close(low, d.minimum(middle), rtol=1e-12, atol=0)
    torch.testing.assert_close(high, d.maximum(middle), rtol=1e-12, atol=0)


def test_slope_extremes_broadcast_and_keep_the_dtype(dtype):
    s, d0, d1 = (torch.ones(shape, dtype=dtype) for shape in ((3, 1), (1, 4), ()))
    for bound in slope_extremes(s, 2 * d0, d1):
        assert bound.shape == (3, 4)
        assert bound.dtype == dtype


def test_gradient_of_the_inverse_is_right_where_its_two_branches_meet():
    # d0·ω = d1·v at v = 1/2, where ξ = 1/2 by symmetry
    v, s, d = (
        torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (0.5, 2.0, 3.0)
    )
    xi, _ = segment_inverse(v, s, d, d)
    assert xi.item() == 0.5
    (slope,) = torch.autograd.grad(xi, v)
    torch.testing.assert_close(slope, s / exact_slope(0.5, s, d, d))


@pytest.mark.parametrize("d_raw", [-100.0, -1.0, 0.0, 3.0])
def test_modified_rq_passes_through_its_knot_with_slope_d_and_leaves_the_box_with_slope_1(
    d_raw, uniform
):
    def place(raw):
        return -B + 2 * B * (1e-3 + (1 - 2e-3) * torch.sigmoid(raw))

    w, h, t = uniform(-7, 7, 3, 200)
    params = torch.stack((w, h, torch.full_like(w, d_raw), t))
    y, slope = ModifiedRQ()(place(w), params)
    torch.testing.assert_close(y, place(h) + t)
    torch.testing.assert_close(
        slope, torch.full_like(w, math.log(1e-3 + (1 - 1e-3) * math.exp(d_raw))), rtol=0, atol=1e-6
    )
    for edge in (-B, B):
        y, slope = ModifiedRQ()(torch.full_like(w, edge * (1 - 1e-12)), params)
        torch.testing.assert_close(y, edge + t, rtol=0, atol=1e-11)
        torch.testing.assert_close(slope, torch.zeros_like(w), rtol=0, atol=1e-4)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("box", [0.5, 2.0])
def test_modified_rq_is_the_identity_at_zero_parameters(box, direction, dtype):
    x = torch.linspace(-3, 3, 4001, dtype=dtype)
    out, slope = getattr(ModifiedRQ(box), direction)(x, x.new_zeros(4, 4001))
    torch.testing.assert_close(out, x, rtol=0, atol=2 * torch.finfo(dtype).eps * box)
    torch.testing.assert_close(slope, torch.zeros_like(x), rtol=0, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("box", [0.5, 2.0])
def test_modified_rq_moves_no_value_further_than_it_declares(box, uniform):
    design = ModifiedRQ(box)
    params, y = uniform(-60, 60, 4, 20000), uniform(-1.2 * box, 1.2 * box, 20000, seed=1)
    moved = (design.inverse(y + params[3], params)[0] - y).abs().max()
    assert design.displacement == pytest.approx(2 * box * 0.999)
    assert 0.95 * design.displacement < moved <= design.displacement + 1e-12


def test_modified_rq_is_exactly_x_plus_t_outside_the_box(dtype, uniform):
    edge = torch.tensor([B], dtype=dtype)
    right = torch.cat(
        (uniform(B, 9, 500, dtype=dtype), edge, edge.nextafter(2 * edge), edge.new_tensor([1e30]))
    )
    x = torch.cat((-right, right))
    params = uniform(-7, 7, 4, len(x), dtype=dtype)
    y, slope = ModifiedRQ()(x, params)
    assert torch.equal(y, x + params[3])
    assert not slope.any()
    params[3] = 0  # so that no rounding of t hides the edge
    for z, slope in (ModifiedRQ()(x, params), ModifiedRQ().inverse(x, params)):
        assert torch.equal(z, x)
        assert not slope.any()


@pytest.mark.parametrize("box", [0.0, -1.0, math.inf, math.nan])
def test_modified_rq_refuses_a_box_that_is_no_length(box):
    with pytest.raises(ValueError, match="box must be a positive number"):
        ModifiedRQ(box)

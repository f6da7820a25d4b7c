"""The couplings with trained weights: truths by hand, monotone between floats, finite at their
edges. test_zoo.py has the rest."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import torch

from invbench.couplings import Affine, AffineFloor, Elementwise, ModifiedRQ
from invbench.registry import COUPLINGS

B = 0.5
BOTH = ("forward", "inverse")
BUILT_IN = ("additive", "affine", "affine-floor", "modified-rq")
BOUND = 30.0  # LAPACK's threshold, in units of u
float64 = partial(torch.tensor, dtype=torch.float64)


@pytest.fixture(params=BUILT_IN)
def design(request) -> Elementwise:
    return COUPLINGS[request.param].obj()


def unit(dtype):
    return torch.finfo(dtype).eps / 2


def shift(design, params):
    return params[0] if design.n_params == 1 else params[design.n_params - 1]


def knot(raw):
    """x* of raw w, and y* − t of raw h (eq. 13), in float64."""
    return -B + 2 * B * (1e-3 + (1 - 2e-3) * torch.sigmoid(raw.double()))


def around(points, dtype, count=40):
    """Points (n, 1) → (n, ·) sorted: neighbours at the box's resolution u·B, and adjacent floats of
    the edges ±B."""
    near = [points.to(dtype) + k * unit(dtype) * B for k in range(-count, count + 1)]
    for edge in (-B, B):
        low = high = torch.full_like(near[0], edge)
        near.append(low)
        for _ in range(5):
            low, high = low.nextafter(low - 1), high.nextafter(high + 1)
            near += [low, high]
    return torch.cat(near, dim=1).sort(dim=1).values


def test_log_slopes_of_the_two_directions_cancel(design, uniform):
    params, x = uniform(-7, 7, design.n_params, 3000), uniform(-1, 1, 3000, seed=1)
    y, _ = design(x, params)
    x_hat, backward = design.inverse(y, params)
    torch.testing.assert_close(backward, -design(x_hat, params)[1], rtol=0, atol=1e-8)


@pytest.mark.parametrize("direction", BOTH)
def test_values_and_gradients_are_finite_at_edges_knots_huge_and_subnormal_inputs(
    design, dtype, direction
):
    raw = (0.0, 7.0, -7.0, 100.0, -100.0, 1e4, -1e4)
    params = torch.tensor(list(itertools.product(raw, repeat=design.n_params)), dtype=dtype).T
    t, subnormal = shift(design, params), torch.finfo(dtype).smallest_normal / 8
    fixed = torch.tensor([0.0, -0.0, B, -B, 1e30, -1e30, subnormal, -subnormal, 0.3], dtype=dtype)
    rows = [*fixed[:, None].expand(-1, params.shape[1]), t + B, t - B]
    if isinstance(design, ModifiedRQ):
        # the implementation's own float, which rounding may put beside the exact knot
        x_knot, y_knot = design._share(params[0]) - B, design._share(params[1]) - B
        rows += [x_knot, y_knot + t, x_knot.nextafter(x_knot + 1), y_knot.nextafter(y_knot - 1)]
    v = torch.stack(rows).requires_grad_()
    p = params[:, None].expand(-1, *v.shape).clone().requires_grad_()
    for out in getattr(design, direction)(v, p):
        assert out.isfinite().all()
        if out.requires_grad:  # the additive log-slope is constant
            for gradient in torch.autograd.grad(
                out.sum(), (v, p), retain_graph=True, allow_unused=True
            ):
                assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("direction", BOTH)
def test_is_increasing_on_a_grid(design, dtype, direction, uniform):
    params = uniform(-4, 4, design.n_params, 300, 1, dtype=dtype)
    v = torch.linspace(-2, 2, 801, dtype=dtype).expand(300, -1)
    out, log_slope = getattr(design, direction)(v, params.expand(-1, *v.shape))
    steps, rounding = (
        out.diff(dim=1),
        8 * unit(dtype) * (out.abs() + shift(design, params).abs() + 0.5)[:, 1:],
    )
    assert (steps >= -rounding).all()
    resolvable = log_slope.exp()[:, 1:].minimum(log_slope.exp()[:, :-1]) * 0.005 > 1e3 * rounding
    assert resolvable.double().mean() > 0.5
    assert (steps[resolvable] > 0).all()


@pytest.mark.parametrize("direction", BOTH)
def test_neither_falls_nor_jumps_between_neighbouring_floats_at_edges_and_knot(
    design, dtype, direction, uniform
):
    params = uniform(-7, 7, design.n_params, 500, 1, dtype=dtype)
    centre = torch.zeros_like(params[0])
    if isinstance(design, ModifiedRQ):
        centre = knot(params[0]) if direction == "forward" else knot(params[1]) + params[3]
    offset = params[-1] if direction == "inverse" else torch.zeros_like(params[-1])
    v = (
        torch.cat((around(centre, dtype), around(centre - offset, dtype) + offset), dim=1)
        .sort(dim=1)
        .values
    )
    out, log_slope = getattr(design, direction)(v, params.expand(-1, *v.shape))
    slope = log_slope.exp()[:, 1:].maximum(log_slope.exp()[:, :-1])
    size = (out.abs() + shift(design, params).abs() + 0.5)[:, 1:]
    shifted = (v.abs() + shift(design, params).abs() + 0.5)[:, 1:]
    steps, gaps, allowed = (
        out.diff(dim=1),
        v.diff(dim=1),
        8 * unit(dtype) * (size + slope * shifted),
    )
    assert (steps >= -allowed).all()
    neighbours = gaps <= 2 * unit(dtype) * shifted  # not from an edge to the knot
    assert neighbours.double().mean() > 0.9
    assert (steps <= slope * gaps + allowed)[neighbours].all()


@pytest.mark.parametrize(
    ("design", "a", "s"),
    # sigmoid(0) = 1/2, sigmoid(log 3) = 3/4, sigmoid(−log 3) = 1/4; sigmoid(2) = 0.8807970779778823
    [
        (Affine(), -2.0, 0.5001),
        (Affine(), math.log(3) - 2, 0.7501),
        (AffineFloor(), -2.0, 0.6),
        (AffineFloor(), -math.log(3) - 2, 0.35),
        (Affine(), 0.0, 0.8808970779778823),
        (AffineFloor(), 0.0, 0.9807970779778823),
        (Affine(), -1e4, 1e-4),
        (AffineFloor(), 1e4, 1.1),
    ],
)
def test_affine_is_x_plus_t_times_s_by_hand(design, a, s):
    x, params = float64([3.0, -0.5]), float64([[a, a], [1.0, 0.0]])
    y, log_slope = design(x, params)
    torch.testing.assert_close(y, float64([4 * s, -0.5 * s]), rtol=1e-15, atol=0)
    torch.testing.assert_close(log_slope, float64([math.log(s)] * 2), rtol=1e-13, atol=0)
    z, log_slope = design.inverse(float64([4 * s, s]), params)
    torch.testing.assert_close(z, float64([3.0, 1.0]), rtol=1e-14, atol=0)
    torch.testing.assert_close(log_slope, float64([-math.log(s)] * 2), rtol=1e-13, atol=0)


def test_slope_bounds_contain_every_slope_and_are_attained(design, uniform):
    params = uniform(-5, 5, design.n_params, 400, 1)
    share = torch.logspace(-12, 0, 600, dtype=torch.float64) / 2  # dense at both ends of each bin
    ramp = torch.cat((share, torch.linspace(0, 1, 2001, dtype=torch.float64), 1 - share))
    middle = knot(params[0]) if isinstance(design, ModifiedRQ) else torch.zeros_like(params[0])
    x = torch.cat(
        (-B + (middle + B) * ramp, middle + (B - middle) * ramp, torch.full_like(middle, 2.0)),
        dim=1,
    )
    slopes = design(x, params.expand(-1, *x.shape))[1].exp()
    low, high = design.slope_bounds(params[..., 0])
    assert low.shape == high.shape == (400,)
    assert (low <= slopes.amin(1) * (1 + 1e-9)).all()
    assert (high >= slopes.amax(1) * (1 - 1e-9)).all()
    torch.testing.assert_close(low, slopes.amin(1), rtol=1e-2, atol=0)
    torch.testing.assert_close(high, slopes.amax(1), rtol=1e-2, atol=0)

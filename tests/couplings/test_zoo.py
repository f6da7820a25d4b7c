"""Every built-in coupling: inverse, slopes, gradients, tails, displacement, dtypes and bad input,
in the dtypes they run in."""

from __future__ import annotations

import math
import re

import pytest
import torch

from invbench import couplings
from invbench.errors import UsageError
from invbench.registry import COUPLINGS
from invbench.runner.run import builtin_entries
from invbench.targets import resolve
from tests.support.decorated import decorated_names

NAMES = tuple(builtin_entries())
BOTH = ("forward", "inverse")
SPLINES = {"b-spline", "cubic-spline", "linear-rational", "quadratic-spline", "rq", "rq-bounded"}
NO_SHIFT = SPLINES | {"sinh-arcsinh"}  # the others have the shift t as their last parameter
BOUND = 30.0  # LAPACK's threshold, in units of u


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
def design(name):
    return COUPLINGS[name].obj()


def unit(dtype):
    return torch.finfo(dtype).eps / 2


def slopes(design, x, params):
    with torch.no_grad():
        return design(x, params)[1].exp()


def test_every_design_that_has_a_file_is_registered():
    """A file that the package does not import would be missing from every table, silently."""
    assert set(NAMES) == decorated_names(couplings, "coupling")


def test_each_design_names_its_source(name):
    said = COUPLINGS[name].metadata
    cited = [int(year) for year in re.findall(r"\b20\d\d\b", said["citation"])]
    assert said["year"] >= min(cited) - 1  # a preprint may be older than the paper
    assert said["family"] and said["formula"]


def test_zero_parameters_give_the_identity_or_the_factor_that_the_docstring_states(name, design):
    x = torch.linspace(-2.9, 2.9, 101, dtype=torch.float64)
    y, _ = design(x, torch.zeros(design.n_params, 101, dtype=torch.float64))
    factor = {"affine": 0.8808970779778823, "affine-floor": 0.9807970779778823}.get(name, 1.0)
    torch.testing.assert_close(y, factor * x, rtol=1e-12, atol=1e-12)


def test_round_trip_ratio_and_backward_error_stay_below_30(design, dtype, uniform):
    params, x = (
        uniform(-7, 7, design.n_params, 3000, dtype=dtype),
        uniform(-4, 4, 3000, dtype=dtype, seed=1),
    )
    with torch.no_grad():
        y, _ = design(x, params)
        x_hat, _ = design.inverse(y, params)
        twin = params.double()
        slope = slopes(design, x.double(), twin)
        shift, _ = design(torch.zeros_like(x).double(), twin)
        y_hat, log_slope_hat = design(x_hat.double(), twin)
    # a rounding error of y is u·(|y| + |c(0)| + c′(|x| + 1) + 1); the inverse divides it by the
    # least slope around
    scale = y.double().abs() + shift.abs() + 1
    near = torch.minimum(slope, log_slope_hat.exp())
    ratio = (x_hat.double() - x.double()).abs() / (x.double().abs() + 1 + scale / near)
    backward = (y_hat - y.double()).abs() / (
        scale + log_slope_hat.exp() * (x_hat.double().abs() + 1)
    )
    assert y.dtype == x_hat.dtype == dtype
    assert (ratio / unit(dtype)).max() < BOUND
    assert (backward / unit(dtype)).max() < BOUND


@pytest.mark.parametrize("direction", BOTH)
def test_log_slope_is_the_log_of_the_derivative(design, direction, uniform):
    params, v = uniform(-3, 3, design.n_params, 1000), uniform(-2, 2, 1000, seed=1).requires_grad_()
    out, log_slope = getattr(design, direction)(v, params)
    (slope,) = torch.autograd.grad(out.sum(), v) if out.requires_grad else (torch.ones_like(v),)
    torch.testing.assert_close(log_slope.detach(), slope.log(), rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    "direction",
    [
        "forward",
        pytest.param(
            "inverse",
            marks=pytest.mark.slow(reason="14 s: inverses iterate; the law of gradients asks them"),
        ),
    ],
)
def test_gradients_of_value_and_log_slope_agree_with_differences(design, direction, uniform):
    params, v = (
        uniform(-1.5, 1.5, design.n_params, 12).requires_grad_(),
        uniform(-1, 1, 12, seed=1).requires_grad_(),
    )

    def outputs(v, p):
        value, log_slope = getattr(design, direction)(v, p)
        return value, log_slope + 0 * v  # the additive log-slope has no gradient of its own

    assert torch.autograd.gradcheck(outputs, (v, params), eps=1e-6, atol=1e-4, rtol=1e-4)


def grid_of(columns):
    far = 2.0 ** torch.arange(2, 41, dtype=torch.float64)
    grid = torch.cat((torch.linspace(-4, 4, 4001, dtype=torch.float64), far, -far))
    return grid[:, None].expand(-1, columns)


def test_slope_bounds_contain_the_slopes_on_dense_grids(design, uniform):
    params = uniform(-4, 4, design.n_params, 100)
    x = grid_of(100)
    found = slopes(design, x, params[:, None].expand(-1, *x.shape))
    low, high = design.slope_bounds(params)
    found = torch.where(found.isfinite(), found, low)  # far out some overflow
    assert low.shape == high.shape == (100,)
    assert (low <= found.amin(0) * (1 + 1e-9)).all()
    assert (high >= found.amax(0) * (1 - 1e-9))[high.isfinite()].all()


@pytest.mark.slow(reason="15 s: 40 001 points; that bounds hold is asked on a coarser grid")
def test_slope_bounds_are_attained_to_1_percent(name, design, uniform):
    # mild parameters, so that the extreme lies in the grid and is no spike between its points
    params = uniform(-1, 1, design.n_params, 60)
    if name == "cubic-rational":
        params[1] -= 1  # its least slope is at √3·w
    fine = torch.linspace(-10, 10, 40001, dtype=torch.float64)[:, None].expand(-1, 60)
    if name == "monotone-network":
        fine = torch.cat((fine, design._breakpoints(*design._network(params)[1:3])))
    found = slopes(design, fine, params[:, None].expand(-1, *fine.shape)).nan_to_num(posinf=1e300)
    least, most = found.amin(0), found.amax(0)
    for at in (found.argmin(0), found.argmax(0)):  # spikes between grid points
        near = (
            fine.gather(0, at[None])
            + 5e-4 * torch.linspace(-1, 1, 2001, dtype=torch.float64)[:, None]
        )
        around = slopes(design, near, params[:, None].expand(-1, *near.shape)).nan_to_num(
            posinf=1e300
        )
        least, most = torch.minimum(least, around.amin(0)), torch.maximum(most, around.amax(0))
    low, high = design.slope_bounds(params)
    tails = torch.stack(design.tail_slopes(params))
    least, most = torch.minimum(least, tails.amin(0)), torch.maximum(most, tails.amax(0))
    assert (least <= low * 1.01)[low > 0].all()
    assert (most >= high / 1.01)[high.isfinite()].all()


def test_slope_bounds_hold_in_1e5_random_cases(name, design, uniform):
    # theirs are searched over x
    count = 100_000 if name not in {"smooth-bump", "logistic-mixture"} else 10_000
    params, x = uniform(-7, 7, design.n_params, count), uniform(-4, 4, count, seed=1)
    found, (low, high) = slopes(design, x, params), design.slope_bounds(params)
    assert (found >= low * (1 - 1e-9)).all()
    assert (found <= high * (1 + 1e-9)).all()


def test_slope_range_contains_the_bounds_of_extreme_parameters(design, uniform):
    low, high = design.slope_bounds(uniform(-60, 60, design.n_params, 500))
    assert (low >= design.slope_range[0] * (1 - 1e-9)).all()
    assert (high <= design.slope_range[1] * (1 + 1e-9)).all()


def test_tail_slopes_are_those_far_out_and_equal_where_declared(design, uniform):
    params = uniform(-4, 4, design.n_params, 300)
    far = torch.full((300,), 2.0**60, dtype=torch.float64)
    for sign, tail in zip((-1, 1), design.tail_slopes(params), strict=True):
        found = design(sign * far, params)[1]
        linear = tail.isfinite() & (tail > 0)
        torch.testing.assert_close(found[linear], tail[linear].log(), rtol=0, atol=1e-9)
        farther = design(sign * far * 2.0**200, params)[1]
        assert (farther > found)[tail == math.inf].all()
        assert (farther < found)[tail == 0].all()
        if design.tail_slopes_equal:
            assert (tail == 1).all()


def extreme_parameters(design, name):
    generator = torch.Generator().manual_seed(7)
    size = (design.n_params, 2500)
    corners = torch.randint(-1, 2, size, generator=generator).double() * 1e3
    params = torch.cat(
        (corners, torch.rand(size, generator=generator, dtype=torch.float64) * 60 - 30), dim=1
    )
    if name not in NO_SHIFT:
        params[-1] = 0
    return params


@pytest.mark.slow(reason="16 s: test_declared_constants.py attacks the same constants")
@pytest.mark.parametrize(
    "name", [n for n in NAMES if math.isfinite(COUPLINGS[n].obj().displacement)]
)
def test_displacement_is_never_exceeded_and_reached_to_1_percent(name):
    design = COUPLINGS[name].obj()
    params = extreme_parameters(design, name)
    x = torch.linspace(-3.2, 3.2, 641, dtype=torch.float64)[:, None].expand(-1, params.shape[1])
    with torch.no_grad():
        y, _ = design(x, params[:, None].expand(-1, *x.shape))
    moved = (y - x).abs().max().item()
    assert moved <= design.displacement * (1 + 1e-9)
    assert moved >= design.displacement / 1.01


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("direction", BOTH)
def test_half_precision_is_the_wide_result_rounded_once(design, direction, half, uniform):
    params, v = uniform(-3, 3, design.n_params, 200).to(half), uniform(-2, 2, 200, seed=1).to(half)
    wide = getattr(design, direction)(v.float(), params.float())
    for out, expected in zip(getattr(design, direction)(v, params), wide, strict=True):
        assert out.dtype == half
        assert torch.equal(out, expected.to(half))


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("odd", [1e30, -math.inf, math.inf, math.nan])
def test_an_odd_input_touches_no_other_element(design, direction, odd, uniform):
    def values_and_gradients(v):
        v, p = v.clone().requires_grad_(), params.clone().requires_grad_()
        out, log_slope = getattr(design, direction)(v, p)
        return (out, log_slope, *torch.autograd.grad((out + log_slope).sum(), (v, p)))

    params, plain = uniform(-3, 3, design.n_params, 9), uniform(-1, 1, 9, seed=1)
    others = torch.arange(9) != 4
    with_odd = plain.where(others, odd)
    for expected, actual in zip(
        values_and_gradients(plain), values_and_gradients(with_odd), strict=True
    ):
        torch.testing.assert_close(
            actual[..., others], expected[..., others], rtol=1e-12, atol=1e-13
        )
        assert actual[..., others].isfinite().all()


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("odd", [1e4, -1e4, math.inf, -math.inf])
def test_odd_parameters_give_a_finite_value_or_nan_in_their_own_element(
    design, dtype, direction, odd, uniform
):
    params, v = (
        uniform(-2, 2, design.n_params, design.n_params + 1, dtype=dtype),
        uniform(-2, 2, design.n_params + 1, dtype=dtype),
    )
    plain, _ = getattr(design, direction)(v, params)
    odd_params = params.clone()
    # parameter k is odd in element k
    odd_params[range(design.n_params), range(design.n_params)] = odd
    value, log_slope = getattr(design, direction)(v, odd_params)
    assert not value.isinf().any()
    assert not log_slope.isinf().any()
    torch.testing.assert_close(
        value[-1], plain[-1], rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=1e-6
    )


def test_wrong_shapes_and_integers_are_refused_in_one_line_that_names_the_argument(design):
    x = torch.zeros(4, 3)
    with pytest.raises(
        UsageError, match=rf"params must have shape .*\({design.n_params}, 4, 3\), got \(1, 4\)"
    ) as info:
        design(x, torch.zeros(1, 4))
    assert "\n" not in str(info.value)
    with pytest.raises(
        UsageError, match=r"the input must be of a floating dtype, got torch\.int64"
    ):
        design.inverse(x.long(), torch.zeros(design.n_params, 4, 3))
    with pytest.raises(UsageError, match="params must be of a floating dtype"):
        design(x, torch.zeros(design.n_params, 4, 3, dtype=torch.int32))


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 4), (4, 3), (2, 3, 4, 2)])
def test_any_rank_gives_the_flattened_result_and_no_rows_give_none(
    design, direction, shape, uniform
):
    params, v = uniform(-3, 3, design.n_params, *shape), uniform(-1, 1, *shape, seed=1)
    flat = getattr(design, direction)(v.flatten(), params.flatten(1))
    for out, expected in zip(getattr(design, direction)(v, params), flat, strict=True):
        assert out.shape == v.shape
        torch.testing.assert_close(out.flatten(), expected, rtol=1e-10, atol=1e-10)


OPTIONS = (
    "rq(bins=16)", "rq(box=1.5)", "rq-bounded(limit=2.0)", "b-spline(bins=10)", "quadratic-spline(bins=5)", "smooth-bump(components=2)",
    "cubic-spline(floor=0.01)", "linear-rational(bins=4)", "logistic-mixture(components=2)", "monotone-network(hidden=3)",
    "affine-tanh(limit=4.0)", "affine-atan(clamp=1.0)", "cubic-rational(floor=0.5)", "cubic-rational-bounded(width=0.2)", "sinh-arcsinh(limit=3.0)",
)  # fmt: skip


@pytest.mark.parametrize("spec", OPTIONS)
def test_options_change_the_design_and_keep_it_invertible(spec, uniform):
    design = resolve(spec).make()
    params, x = uniform(-2, 2, design.n_params, 500), uniform(-2, 2, 500, seed=1)
    y, log_slope = design(x, params)
    torch.testing.assert_close(design.inverse(y, params)[0], x, rtol=0, atol=1e-8)
    assert (log_slope.exp() >= design.slope_range[0] * (1 - 1e-9)).all()
    assert (log_slope.exp() <= design.slope_range[1] * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    "spec",
    [
        "rq(bins=1)",
        "rq(floor=0.5)",
        "affine-tanh(limit=1.0)",
        "b-spline(least=2)",
        "smooth-bump(components=0)",
    ],
)
def test_impossible_options_are_refused_and_named(spec):
    with pytest.raises(UsageError, match=spec.partition("(")[2].partition("=")[0]):
        resolve(spec)


@pytest.mark.parametrize("x", [1.6e19, -1e13, 1e30])
def test_log_slope_of_the_polynomial_outlives_its_value(x):
    """x² leaves float32 from 2⁶⁴ on; with zero parameters the slope is 1 however large x is."""
    design = COUPLINGS["sum-of-squares"].obj()
    params = torch.full((7, 1), 0.5)
    ours, exact = (
        design(torch.tensor([x], dtype=p.dtype), p)[1] for p in (params, params.double())
    )
    assert torch.allclose(ours.double(), exact, rtol=1e-5)
    assert design(torch.tensor([x]), torch.zeros(7, 1))[1].abs() < 1e-5


def test_the_network_keeps_its_gradient_where_breakpoints_coincide():
    """Saturated heads: equal breakpoints, N = 0 at one of them; against central differences."""
    design, steps = COUPLINGS["monotone-network"].obj(), 1e-6 * torch.eye(14).double()
    raw = [-4.0, -4, -4, -4, 4, 4, 4, -4, -4, -4, -4, 4, 4, 4]
    params = torch.tensor(raw).double()[:, None].requires_grad_()
    x = torch.tensor([1.6122322082519531]).double()
    design(x, params)[0].sum().backward()
    with torch.no_grad():
        moved = [
            (design(x, params + s[:, None])[0] - design(x, params - s[:, None])[0]) / 2e-6
            for s in steps
        ]
    assert torch.allclose(params.grad[:, 0], torch.cat(moved), atol=1e-4)

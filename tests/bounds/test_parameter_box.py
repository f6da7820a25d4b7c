"""Couplings over boxes of their raw parameters: every sample lies within the bounds."""

import pytest
import torch

from invbench.bounds.lipschitz import Interval, Unsupported
from invbench.bounds.lipschitz.parameter_rules import DECODED, RULES, decoded_box, over_box
from invbench.bounds.lipschitz.spline_box import PIECES, _segment_terms, rational_quadratic_range
from invbench.couplings import Additive
from invbench.couplings.rational_quadratic import segment, slope_extremes
from invbench.registry import COUPLINGS
from tests.support.draws import normal

BOUNDED = list(RULES)


def a_box(design, n, seed, width=1.0):
    lo = 2 * normal(design.n_params, n, seed=seed)
    return Interval(
        lo,
        lo
        + width
        * torch.rand(lo.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)),
    )


class TestDesigns:
    @pytest.mark.parametrize("design", BOUNDED, ids=lambda d: d.__name__)
    @pytest.mark.parametrize("width", [0.0, 0.2, 2.0])
    def test_slopes_and_sensitivities_hold_for_samples_of_the_box(self, design, width):
        design = design()
        params = a_box(design, 300, 1, width)
        x_lo, x_hi = (
            torch.full((300,), -3.2, dtype=torch.float64),
            torch.full((300,), 3.5, dtype=torch.float64),
        )
        found = over_box(design, params, Interval(x_lo, x_hi))
        generator = torch.Generator().manual_seed(2)
        for _ in range(30):
            p = params.lo + (params.hi - params.lo) * torch.rand(
                params.shape, generator=generator, dtype=torch.float64
            )
            x = x_lo + (x_hi - x_lo) * torch.rand(300, generator=generator, dtype=torch.float64)
            p = p.requires_grad_()
            y, log_slope = design(x, p)
            slope = log_slope.detach().exp()
            assert (found.low * (1 - 1e-9) <= slope).all() and (
                slope <= found.high * (1 + 1e-9)
            ).all()
            (by_params,) = torch.autograd.grad(y.sum(), p)
            if found.by_params is not None:
                size = by_params.norm(dim=0)
                assert (size <= found.by_params * (1 + 1e-9)).all()
                assert (size / slope <= found.by_params_inverse * (1 + 1e-9)).all()
            held = decoded_box(design, Interval(y.detach(), y.detach()), params)
            assert (held.lo <= x + 1e-9).all() and (x - 1e-9 <= held.hi).all()

    @pytest.mark.parametrize("design", BOUNDED, ids=lambda d: d.__name__)
    def test_upper_over_lower_is_within_one_per_cent_at_a_point(self, design):
        design = design()
        params = a_box(design, 200, 3, 0.0)
        everything = torch.full((200,), torch.inf)
        found = over_box(design, params, Interval(-everything, everything))
        low, high = (b.double() for b in design.slope_bounds(params.lo))
        assert (high <= found.high).all() and (found.high <= 1.01 * high).all()
        assert (found.low <= low).all() and (low <= 1.01 * found.low).all()

    def test_corners_of_a_segment_hold_ten_thousand_boxes(self):
        lo = torch.exp(2 * normal(3, 10_000))
        hi = lo * torch.exp(normal(3, 10_000, seed=1).abs())
        s, d0, d1 = (Interval(p, q) for p, q in zip(lo, hi, strict=True))
        low, high = rational_quadratic_range(s, d0, d1)

        generator = torch.Generator().manual_seed(3)
        for _ in range(10):
            inside = lo * (hi / lo) ** torch.rand(
                3, 10_000, generator=generator, dtype=torch.float64
            )
            least, most = slope_extremes(*inside)
            assert (low <= least * (1 + 1e-9)).all() and (most <= high * (1 + 1e-9)).all()

    def test_stranger_falls_back_on_its_declared_range_or_says_so(self):
        class Declared(Additive):
            slope_range = (0.5, 2.0)

        class Silent(Additive):
            slope_range = None

        params, x = (
            Interval(torch.zeros(1, 3), torch.ones(1, 3)),
            Interval(torch.zeros(3), torch.ones(3)),
        )
        found = over_box(Declared(), params, x)
        assert found.tier == "U1" and found.low.tolist() == [0.5] * 3 and found.by_params is None
        with pytest.raises(Unsupported, match="Silent"):
            over_box(Silent(), params, x)
        with pytest.raises(Unsupported, match="Declared"):
            decoded_box(Declared(), x, params)

    @pytest.mark.parametrize("design", BOUNDED, ids=lambda d: d.__name__)
    def test_sensitivity_to_parameters_is_bounded_within_a_factor_of_what_is_attained(self, design):
        design = design()
        params = a_box(design, 64, 5, 0.0)
        x = torch.linspace(-3, 3, 601, dtype=torch.float64)[:, None].expand(-1, 64)
        p = params.lo[:, None].expand(-1, 601, -1).clone().requires_grad_()
        y, log_slope = design(x, p)
        (by_params,) = torch.autograd.grad(y.sum(), p)
        size, slope = by_params.norm(dim=0), log_slope.detach().exp()
        everywhere = torch.full((64,), 3.0, dtype=torch.float64)
        found = over_box(design, params, Interval(-everywhere, everywhere))
        for bound, attained in ((found.by_params, size), (found.by_params_inverse, size / slope)):
            ratio = bound / attained.amax(0)
            assert (ratio >= 1 - 1e-9).all() and ratio.median() < 6

    def test_every_registered_design_has_a_rule_or_is_named_as_unavailable(self):
        for name in COUPLINGS:
            design = COUPLINGS[name].obj()
            box, x = a_box(design, 5, 0), Interval(torch.zeros(5), torch.ones(5))
            if type(design) in RULES:
                assert (
                    over_box(design, box, x).tier == "U2"
                    and over_box(design, box, x).by_params is not None
                )
                assert type(design) in DECODED
                continue
            found = over_box(design, box, x)
            assert found.tier == "U1" and found.by_params is None
            assert (found.low[0].item(), found.high[0].item()) == design.slope_range

    def test_derivatives_of_a_segment_hold_on_every_piece(self):
        lo = torch.exp(normal(3, 2000))
        hi = lo * torch.exp(0.3 * normal(3, 2000, seed=1).abs())
        boxes = [Interval(p, q) for p, q in zip(lo, hi, strict=True)]
        generator = torch.Generator().manual_seed(2)
        for piece in range(PIECES):
            slope_lo, slope_hi, bend, v_hi, *by_slopes = _segment_terms(*boxes, piece)
            s, d0, d1 = lo + (hi - lo) * torch.rand(
                3, 2000, generator=generator, dtype=torch.float64
            )
            s, d0, d1 = (t.requires_grad_() for t in (s, d0, d1))
            xi = (piece + torch.rand(2000, generator=generator, dtype=torch.float64)) / PIECES
            v, log_slope = segment(xi, s, d0, d1)
            by_s, by_d0, by_d1 = torch.autograd.grad(v.sum(), (s, d0, d1))
            slope, near = log_slope.detach().exp(), 1 + 1e-9
            assert (slope_lo <= slope * near).all() and (slope <= slope_hi * near).all()
            for attained, bound in zip(
                (by_s, v, by_d0, by_d1), (bend, v_hi, *by_slopes), strict=True
            ):
                assert (attained.abs() <= bound * near).all()

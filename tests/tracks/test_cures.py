"""The track of cures: what it plans, what an attack through a cure sees, and what its columns
mean."""

from __future__ import annotations

import math

import pytest
import torch

import invbench as package
from invbench.attacks import ATTACK_BUDGETS, Inputs, frozen, run_attack
from invbench.attacks.attack import standard_attacks
from invbench.cures.guard import guard
from invbench.cures.guarded import GuardedFlow
from invbench.cures.redraw import RedrawnFlow
from invbench.data.datasets import Pair
from invbench.errors import UsageError
from invbench.report.rows import make_rows
from invbench.runner.run import measurable, options_of, plan
from invbench.store.cell import Cell
from invbench.targets import resolve
from invbench.tracks.kinds import CERTIFICATE, COST, FAULTY, RADIUS
from invbench.tracks.measuring.cures import FAULTS, _quality, _searched, measure
from tests.support.exploding import exploding_flow
from tests.support.specs import spec_named

SMOKE = options_of(budget="smoke")


def specs(*entries, **chosen):
    return plan(["cures"], list(entries), options_of(budget="smoke", **chosen))


def test_a_plan_holds_everything_once_per_training():
    found = specs("affine+guard", seeds=2)
    kinds = {kind: [s for s in found if s.measure == kind] for kind in (CERTIFICATE, COST, FAULTY)}
    assert {kind: len(cells) for kind, cells in kinds.items()} == {
        CERTIFICATE: 2,
        COST: 2,
        FAULTY: 2,
    }
    assert {s.attack for s in found if s.attack} == {"latent", "condition", "both", "out-of-range"}
    assert all(s.exclusive for s in kinds[COST])
    assert {s.severity for s in found if s.severity} == {3}
    assert all(s.weights_digest for s in found if s.seed == 0)


def test_the_track_runs_only_where_it_is_named():
    assert "cures" not in measurable()
    assert {s.track for s in specs("affine")} == {"cures"}


def test_a_cure_without_its_file_is_skipped_and_says_what_makes_it():
    (spec,) = (s for s in specs("additive+gate") if s.case == CERTIFICATE)
    assert not spec.weights_digest
    found = measure(spec, resolve("additive+gate"))
    assert found.status == "skipped" and "--cure gate" in found.reason


@pytest.mark.parametrize("entry", ["affine+guard", "affine+redraw"])
def test_other_tracks_know_what_a_cure_is_of(entry):
    assert plan(["coupling"], [entry], SMOKE) == []
    toys = plan(["toy2d"], [entry], SMOKE)
    assert bool(toys) == (entry == "affine+guard")
    with pytest.raises(UsageError, match="a cure is of a flow"):
        resolve(entry, ("coupling", "layer"))


def test_the_attack_out_of_range_is_named_or_not_run():
    assert "out-of-range" not in standard_attacks()
    flow = frozen(exploding_flow())[0]
    y = torch.rand(1, 3, 2, 2, dtype=torch.float64)
    z = flow.sample_latents(1, y, 1.0, torch.Generator().manual_seed(0))
    found = run_attack("out-of-range", flow, Inputs(y, z), 1.0, ATTACK_BUDGETS["smoke"], scale=None)
    assert 1.5 < found.inputs.y.abs().max() <= 5
    assert all(part.abs().max() <= 4 for part in found.inputs.latents)
    assert found.verdicts[0].log10_x > found.before[0].log10_x


def test_a_guard_is_searched_in_three_ways_and_holds():
    flow = exploding_flow()
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(4, 3, s, s, generator=draw, dtype=torch.float64) for s in (8, 2))
    guarded = guard(flow, [(x, y)])
    own, through, without = _searched(guarded)
    assert own is guarded and without is flow and through.straight_through
    bound = math.log10(guarded.bound().max_abs)
    z = flow.sample_latents(1, y[:1], 1.0, torch.Generator().manual_seed(0))
    for one in (own, through):
        found = run_attack(
            "latent", frozen(one)[0], Inputs(y[:1], z), 1.0, ATTACK_BUDGETS["smoke"], scale=None
        )
        assert found.verdicts[0].log10_x <= bound
    assert len(_searched(RedrawnFlow(flow))) == 2 and len(_searched(flow)) == 1


def test_straight_through_a_clamp_there_is_a_slope():
    flow = exploding_flow()
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(4, 3, s, s, generator=draw, dtype=torch.float64) for s in (8, 2))
    guarded = guard(flow, [(x, y)])
    far = torch.full((1, 3, 4, 4), 1e6, dtype=torch.float64, requires_grad=True)
    place = next(iter(guarded.guard.seen))

    def slope(one: GuardedFlow) -> float:
        (found,) = torch.autograd.grad(one.clamped(place, far).sum(), far, allow_unused=True)
        return 0.0 if found is None else found.abs().max().item()

    assert slope(guarded) == 0
    guarded.straight_through = True
    assert slope(guarded) == 1
    value = guarded.clamped(place, far)
    guarded.straight_through = False
    assert torch.equal(value, guarded.clamped(place, far))


def test_the_distance_to_the_median_sample_sees_what_a_clip_hides():
    pair = Pair("p", torch.full((3, 8, 8), 0.5), torch.full((3, 2, 2), 0.5))
    good = torch.full((10, 3, 8, 8), 0.5)
    patch = good.clone()
    patch[3, :, :4, :4] = 1e20  # a white patch, once it is clipped
    plain, broken = (_quality(s, pair, exploding_flow(), 4) for s in (good, patch))
    assert plain["median_distance"] == 0 and plain["diversity"] == 0
    assert broken["median_distance"] == pytest.approx(0.25)  # 1/2 on a quarter of the pixels
    assert broken["lr_psnr_min"] < plain["lr_psnr_min"]


def test_attacks_are_those_that_were_named():
    found = [s for s in specs("affine", attacks=("image", "radius"), inputs=1) if s.attack]
    assert [(s.attack, s.eps, s.settings["limit"]) for s in found] == [("image", 8, 1)]
    radii = [s for s in specs("affine", attacks=("radius",)) if s.measure == RADIUS]
    assert len(radii) == 1


def measured(entry, **changed):
    """The first cell of an entry of which every field in ``changed`` is so, on one photograph."""
    (spec, *_) = (
        s for s in specs(entry) if all(getattr(s, name) == v for name, v in changed.items())
    )
    return measure(spec.at(settings=spec.settings | {"limit": 1, "crop": 64}), resolve(entry))


def test_how_often_a_cure_acted_is_said_of_the_samples():
    found = measured("affine+truncated", corruption="clean", measure="").measures
    # P(|z| > 1.5/0.9), z ~ N(0, 1); the latents of the photograph itself are wider
    assert found["acted"] == [pytest.approx(0.0956, abs=0.005)]
    assert found["diversity"][0] > 0 and len(found["median_distance"]) == 1


def test_an_attack_is_judged_through_the_cure_in_float32_and_in_half():
    found = measured("affine+guard", attack="latent").measures
    bound = math.log10(package.load_flow("srflow", "affine+guard").bound(torch.float16).max_abs)
    assert found["max_abs_log10"][0] <= bound and found["half_log10"][0] <= bound
    ways = {name: n for name, n in found.items() if name.startswith("found_by")}
    assert sum(ways.values()) == 1 and len(ways) == 3
    assert found["inf"] == [0] and found["evaluations"][0] > 0


def test_a_decode_costs_what_it_costs():
    assert measured("affine", measure=COST).measures == {"decode_ratio": 1.0}
    found = measured("affine+redraw(tries=0)", measure=COST).measures
    assert min(found["ratios"]) <= found["decode_ratio"] <= max(found["ratios"])


def cell(entry, measure="", **measures):
    spec = spec_named("cures", entry, "embedded/clean").at(measure=measure)
    return Cell(key=f"{entry}{measure}", spec=spec, status="ok", measures=measures)


def test_a_row_has_the_cure_s_own_columns():
    n = {"inf": [0, 0], "error": [0, 1], "max_abs_log10": [0.1, 0.2], "names": ["a", "b"]}
    cells = [
        cell("affine+redraw", **n, acted=[0.5, 0.1], diversity=[0.2, 0.4]),
        cell("affine+redraw", COST, decode_ratio=1.5),
    ]
    (row,) = make_rows(cells, "cures")
    assert row["acted_pct"] == pytest.approx(30) and row["diversity"] == pytest.approx(0.3)
    assert row["decode_ratio"] == 1.5 and row["needs"] == "nothing"
    assert row["n"] == 2 and row["error_pct"] == 50


def test_every_fault_is_one():
    y = torch.full((3, 4, 4), 0.5)
    broken = {name: fault(y) for name, fault in FAULTS.items()}
    assert broken["nan"].isnan().sum() == 3 and broken["inf"].isinf().sum() == 3
    assert torch.equal(broken["255-times"], 255 * y) and torch.equal(y, torch.full_like(y, 0.5))

"""The map of toys: a stack trains each toy as if alone, and a planted jump is found where it is."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from invbench.flows import ConditionalFlow
from invbench.measures.depth import variance_profile
from invbench.studies.hong2023.rules_toy import mapped
from invbench.studies.study import Study
from invbench.studies.toy_map import control, phase, search
from invbench.studies.toy_map.axes import AXES, Setting, drawn, mutated, setting_of
from invbench.studies.toy_map.causes import COUPLING, LAYER, TAIL, cause
from invbench.studies.toy_map.measuring import DIRECTIONS, fit, jumps
from invbench.studies.toy_map.picture import picture
from invbench.studies.toy_map.report import counted, report
from invbench.studies.toy_map.rows import Rows
from invbench.studies.toy_map.shapes import SHAPES, batches, draw
from invbench.studies.toy_map.stack import Stack
from invbench.studies.toy_map.toy import AffineAbove, toy
from invbench.targets import resolve
from invbench.training import loop

SMALL = Setting(steps=2, batch=16, iterations=20)


def of(setting: Setting, seed: int) -> ConditionalFlow:
    return toy(setting, lambda: AffineAbove(setting.floor), seed)


def alone(setting: Setting, seed: int, monkeypatch: pytest.MonkeyPatch) -> ConditionalFlow:
    """The same toy by the training loop of all flows."""

    def constant(optimiser, recipe):
        return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)

    monkeypatch.setitem(loop.SCHEDULES, "none", constant)
    flow = of(setting, seed)
    recipe = loop.TrainingRecipe(
        "", setting.iterations, setting.batch, setting.lr, extra={"schedule": setting.decay}
    )
    loop.train(flow, batches(setting.shape, setting.batch, seed), recipe)
    return flow


def stack(*settings: Setting) -> Stack:
    seeds = range(len(settings))
    return Stack([of(s, k) for k, s in enumerate(settings)], settings, seeds)


def distance(a: ConditionalFlow, b: ConditionalFlow) -> float:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max((p.double() - q.double()).abs().max().item() for p, q in pairs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_member_of_a_stack_is_the_toy_trained_alone(monkeypatch, dtype):
    settings = [
        replace(SMALL, head=1.0, lr=3e-3, dtype=dtype),
        replace(SMALL, shape="dots", floor=0.0, decay="halved", dtype=dtype),
        replace(SMALL, actnorm="none", shape="spirals", lr=1e-2, dtype=dtype),
    ]
    made = stack(*settings)
    made.train(SMALL.iterations)
    for k, setting in enumerate(settings):
        if setting.actnorm == "none":
            continue  # the loop would set the ActNorms
        one = alone(setting, k, monkeypatch)
        assert distance(made.flow(k), one) < (1e-5 if dtype == "float32" else 1e-12)
        assert distance(made.flow(k), of(setting, k)) > 1e-3


def test_a_member_that_diverges_skips_its_steps_and_leaves_the_others_as_they_are():
    settings = [SMALL, replace(SMALL, shape="square"), replace(SMALL, shape="bar")]
    whole, without = stack(*settings), Stack([of(settings[1], 1)], [settings[1]], [1])
    x, y = whole._data[0](0)
    whole._data[0] = lambda step: (x * (float("nan") if step % 2 else 1e30), y)
    whole.train(10)
    without.train(10)
    assert whole.skipped == [10, 0, 0] and distance(whole.flow(0), of(SMALL, 0)) == 0
    assert distance(whole.flow(1), without.flow(0)) < 1e-6
    assert np.isnan(whole.losses()[0]) and np.isfinite(whole.losses()[1:]).all()


def test_what_is_fixed_stays_whatever_the_weight_decay():
    fixed = replace(SMALL, conv1x1="fixed", actnorm="fixed", weight_decay=1e-2, lr=1e-2)
    made = stack(fixed, replace(fixed, conv1x1="free"))
    made.train(5)
    for m, kinds in ((0, ("conv1x1", "actnorm")), (1, ("actnorm",))):
        before, after = dict(of(fixed, m).named_parameters()), made.flow(m).named_parameters()
        same = {name for name, value in after if torch.equal(value, before[name])}
        assert same == {n for n in before if any(f"_{kind}." in n for kind in kinds)}


def test_a_stack_goes_on_from_its_state_to_the_bit():
    made, other = stack(SMALL, SMALL), stack(SMALL, SMALL)
    made.train(4)
    other.resume(made.state())
    made.train(8)
    other.train(8)
    assert distance(made.flow(1), other.flow(1)) == 0 and made.losses() == other.losses()


def test_a_floor_per_member_is_the_design_affine_at_1e4():
    x, params = torch.linspace(-3, 3, 50), 8 * torch.randn(2, 50)
    for mine, theirs in zip(
        AffineAbove(1e-4).forward(x, params),
        resolve("affine").make().forward(x, params),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=0)
    floored = resolve("affine-floor").make().inverse(x, params)[0]
    torch.testing.assert_close(AffineAbove(0.1).inverse(x, params)[0], floored)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_lies_in_the_box_and_is_drawn_again_from_its_seed(name):
    x, y = draw(name, 2000, 3, 4)
    assert x.shape == y.shape == (2000, 2) and x.abs().max() < 0.87
    again, _ = draw(name, 2000, 3, 4)
    other, _ = draw(name, 2000, 3, 5)
    assert torch.equal(x, again) and not torch.equal(x, other)
    at = batches(name, 8, 3)
    assert torch.equal(at(101)[0], at(101)[0]) and not torch.equal(at(101)[0], at(102)[0])


class Planted(nn.Module):
    """x = z·scale(z, cond)."""

    def __init__(self, scale) -> None:
        super().__init__()
        self.scale, self.one = scale, nn.Parameter(torch.ones(()))

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * self.scale(z, cond), z.new_zeros(len(z))


def beyond(cond: Tensor) -> Tensor:
    """Rows whose condition no p(x) has."""
    return (cond.abs().amax(1) > 2)[:, None]


def planted(**scales) -> ConditionalFlow:
    """Layers from data to noise; those that are not named do nothing."""
    names = [f"step{k}_{kind}" for k in (1, 2) for kind in ("actnorm", "conv1x1", "coupling")]
    layers = {name: Planted(scales.get(name, lambda z, cond: torch.ones_like(z))) for name in names}
    return ConditionalFlow(layers, nn.Identity(), lambda y: [(2,)])


def times(factor):
    """All of a shifted batch is multiplied: the variance by factor²."""
    return lambda z, cond: torch.where(beyond(cond), factor, 1.0).expand_as(z)


def test_a_coupling_that_multiplies_the_variance_is_found_and_named():
    flow = planted(step2_coupling=times(10**2.5), step1_conv1x1=times(3.0))
    near, far = jumps(flow, "square", 0, [0.5, 5.0])
    assert (near.factor, near.ratio) == (1, 1)
    assert far.layer == "step2_coupling" and far.shift == 5 and far.direction == DIRECTIONS[0]
    assert far.factor == pytest.approx(1e5, rel=1e-5) == far.trimmed
    assert far.conv1x1 == pytest.approx(9) and far.actnorm == pytest.approx(1)
    assert far.ratio == pytest.approx(9e5, rel=1e-5)


def test_a_jump_of_another_layer_is_no_jump_of_a_coupling():
    (found,) = jumps(planted(step1_actnorm=times(10**2.5)), "square", 0, [5.0])
    assert found.factor == pytest.approx(1) and found.actnorm == pytest.approx(1e5, rel=1e-5)


def test_a_jump_of_few_samples_far_out_is_gone_without_them():
    def rare(z, cond):
        tail = torch.zeros(len(z), 1, dtype=torch.bool)
        tail[::200] = True  # half a per cent
        return torch.where(beyond(cond) & tail, 1e4, 1.0).expand_as(z)

    (found,) = jumps(planted(step1_coupling=rare), "square", 0, [5.0])
    assert found.factor > 1e4 and found.trimmed < 1.1


def test_what_overflows_is_the_doing_of_the_layer_that_it_starts_at():
    flow = planted(step2_coupling=times(float("inf")), step1_coupling=times(1e6))
    (found,) = jumps(flow, "square", 0, [5.0])
    assert (found.layer, found.factor, found.ratio) == ("step2_coupling", np.inf, np.inf)


def test_factors_are_those_of_the_sweep_of_toys():
    flow = of(replace(SMALL, head=3.0), 1)
    found = jumps(flow, "ring", 1, [0.8, 3.0], DIRECTIONS, n=300)
    _, y = draw("ring", 300, 1, 10**6)
    z = flow.sample_latents(300, y, 1.0, torch.Generator().manual_seed(1))
    inside = dict(variance_profile(flow, z, y))
    for jump in found:
        odd = variance_profile(flow, z, y + jump.shift * torch.tensor(jump.direction))
        ratios = [v / inside[name] for name, v in odd]
        factors = {odd[k][0]: ratios[k] / ratios[k - 1] for k in range(1, len(odd))}
        couplings = {name: f for name, f in factors.items() if name.endswith("coupling")}
        assert couplings[jump.layer] == max(couplings.values())
        assert jump.factor == pytest.approx(max(couplings.values()), rel=1e-4)
        assert jump.ratio == pytest.approx(max(ratios), rel=1e-4)


def test_an_exact_sampler_has_the_residual_1():
    inverse = torch.tensor([[0.7, -0.3], [-0.3, 0.7]]) / 0.4

    class Exact(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.ones(()))

        def inverse(self, z, cond):
            return (cond + 0.01 * z) @ inverse.T, z.new_zeros(len(z))

    flow = ConditionalFlow({"step1_coupling": Exact()}, nn.Identity(), lambda y: [(2,)])
    found = fit(flow, "ring", 0, 20_000)
    assert found.residual == pytest.approx(1, rel=0.03) and found.outside < 0.1


def test_settings_survive_the_file_and_mutations_change_one_or_two_axes():
    rng = np.random.Generator(np.random.Philox(key=[1, 2]))
    for _ in range(50):
        setting = drawn(rng, SMALL)
        row = {name: str(value) for name, value in asdict(setting).items()}
        assert setting_of(row) == setting
        child = mutated(rng, setting)
        changed = {n for n, v in asdict(child).items() if v != asdict(setting)[n]}
        assert len(changed) <= 2 and changed <= set(AXES)


DIGESTS = {design: resolve(design).digest for designs in phase.STACKS for design in designs}
TINY = replace(SMALL, steps=1, iterations=3)


@pytest.fixture
def few(monkeypatch):
    """A search and a phase diagram of seconds."""
    monkeypatch.setitem(AXES, "floor", (1e-4,))
    monkeypatch.setattr(search, "MEMBERS", {"random": 3, "guided": 3, "fresh": 2})
    monkeypatch.setattr(phase, "SEEDS", 2)
    monkeypatch.setattr(phase, "LENGTHS", (2, 4))
    monkeypatch.setattr(phase, "STACKS", (("affine", "affine-floor"), ("modified-rq",)))
    monkeypatch.setattr(phase, "BASE", TINY)
    return (
        search.Round("random", 0, base=TINY),
        search.Round("guided", 1, "any_jump"),
        search.Round("fresh", 2, "any_jump", replace(TINY, dtype="float64")),
    )


def test_a_search_goes_on_where_it_stopped_and_measures_nothing_twice(tmp_path, few, monkeypatch):
    path, digest = tmp_path / "toys.csv", DIGESTS["affine"]
    whole = Rows(tmp_path / "whole.csv", DIGESTS)
    ladder = Rows(tmp_path / "ladder.csv", DIGESTS)
    search.search(whole, digest, rounds=few, ladder=ladder)
    assert ladder.table.groupby("seed")["shift"].apply(tuple).tolist() == [search.LADDER] * 2
    assert (ladder.table.jump >= ladder.table.paper_jump).all()
    search.search(Rows(path, DIGESTS), digest, rounds=few[:1])
    search.search(Rows(path, DIGESTS), digest, rounds=few)
    once = Rows(path, DIGESTS)
    pd.testing.assert_frame_equal(
        once.table.drop(columns="seconds"), whole.table.drop(columns="seconds")
    )
    assert once.table.stage.tolist() == ["random"] * 3 + ["guided"] * 3 + ["fresh"] * 2
    assert set(once.table[once.table.stage == "fresh"].dtype) == {"float64"}
    monkeypatch.setattr(search, "Stack", lambda *_: pytest.fail("trained"))
    search.search(once, digest, rounds=few)
    assert Rows(path, {**DIGESTS, "affine": "another source"}).rows == []
    assert Rows(path, DIGESTS, again=True).rows == []


def test_a_phase_diagram_trains_on_from_its_snapshot(tmp_path, few, monkeypatch):
    whole, other = Rows(tmp_path / "a.csv", DIGESTS), Rows(tmp_path / "b.csv", DIGESTS)
    phase.phase(whole, DIGESTS, folder=tmp_path / "a")
    monkeypatch.setattr(phase, "LENGTHS", (2,))
    phase.phase(other, DIGESTS, folder=tmp_path / "b")
    monkeypatch.setattr(phase, "LENGTHS", (2, 4))
    steps = []
    monkeypatch.setattr(Stack, "_advance", count(Stack._advance, steps))
    phase.phase(other, DIGESTS, folder=tmp_path / "b")
    assert steps == [2, 3] * 2  # of each stack the last two
    a, b = (one.table.drop(columns="seconds") for one in (whole, other))
    pd.testing.assert_frame_equal(a, b)
    assert len(a) == 3 * 2 * 2 * len(phase.SHIFTS) and set(a.design) == set(DIGESTS) - {
        "cubic-rational-bounded"
    }
    # the floors differ, the seeds' networks do not
    pair = a[(a.iterations == 4) & (a.seed == 1)].groupby("design").train_nll.first()
    assert pair["affine"] != pair["affine-floor"]


def count(advance, steps):
    def counted(self):
        steps.append(self.step)
        advance(self)

    return counted


def toys_of(jumps_, **columns):
    """Made-up rows of the search: one per factor; every toy has learned."""
    row = {"stage": "random", "number": 0, "climbs": "nothing", "design": "affine"}
    row |= asdict(Setting()) | {"skipped": 0, "train_nll": 0.0, "outside_in": 0.0, "seconds": 1.0}
    row |= {"any_shift": 10.0, "any_direction": "1 -1", "residual": 1.0}
    for kind in ("paper", "any"):
        row |= {f"{kind}_actnorm": 1.1, f"{kind}_conv1x1": 1.2, f"{kind}_at": "step1_coupling"}
    return [
        {**row, "seed": k, "digest": "d", "paper_jump": 1.0, "paper_trimmed": 1.0}
        | {"any_jump": jump, "any_trimmed": jump}
        | columns
        for k, jump in enumerate(jumps_)
    ]


def points_of(**factors):
    """Made-up rows of the phase diagram: design → factor at shift 10; 1 at the paper's."""
    row = {"iterations": 300, "residual": 1.0, "seconds": 1.0, "trimmed": 1.0}
    return [
        {**row, "design": design.replace("_", "-"), "seed": seed, "shift": shift, "jump": jump}
        for design, factor in factors.items()
        for seed in range(10)
        for shift, jump in ((0.8, 1.0), (10.0, factor))
    ]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, COUPLING),
        ({"any_trimmed": 2.0}, TAIL),
        ({"any_actnorm": 1e6}, LAYER),
        ({"any_trimmed": float("nan")}, TAIL),
    ],
)
def test_a_jump_is_of_the_coupling_of_another_layer_or_of_the_tail(columns, said):
    (row,) = toys_of([1e5], **columns)
    assert cause(row, "any_") == said


def test_the_page_counts_what_was_tried_and_how_many_jump():
    toys = pd.DataFrame(toys_of([1.0, 2.0, 2e5, 3e4]) + toys_of([1e9], residual=50.0))
    points = pd.DataFrame(points_of(affine=2e4, modified_rq=1.5))
    steps = [
        {"number": 8, "climbs": "any_jump", "dtype": "float32", "seed": seed, "shift": s, "jump": j}
        for seed in range(10)
        for s, j in ((0.8, 2.0), (10.0, 5e4))
    ]
    beside = [
        {"design": design, "seed": seed, "residual": residual, "shift": shift, "jump": jump}
        | {"iterations": 500}
        for design, residual, jump in (("affine", 2.0, 3e4), ("modified-rq", 9.0, 1.5))
        for seed in range(10)
        for shift in (0.8, 3.2, 6.4, 10.0)
    ]
    text = report(toys, points, pd.DataFrame(steps), pd.DataFrame(beside))
    assert "| modified-rq | 500          | 0 of 10   | 1.5 [1.5, 1.5] " in text
    assert "| 10      | 5e+04 [5e+04, 5e+04]; 10 of 10 [69.2, 100.0 %]" in text
    assert "5 affine toys of the search and 20 of the phase diagram" in text
    # 2 of 4 that learned: Clopper and Pearson's table has 6.8 and 93.2 %
    assert "Largest factor of a coupling at any shift of up to 10: 2e+05" in text
    assert "2 of 4 [6.8, 93.2 %]" in text and "did not learn, too: 1e+09" in text
    assert counted(0, 10) == "0 of 10 [0.0, 30.8 %]" and counted(10, 10).endswith("[69.2, 100.0 %]")
    assert "2e+04 [2e+04, 2e+04]; 10 of 10 [69.2, 100.0 %]" in text
    assert "In 3 of 4 points no seed has 10⁴ or more." in text
    assert "Planned and not measured yet: 6 of 8 rows" in text
    pictures = picture(points)
    assert pictures["toy_map.png"].startswith(b"\x89PNG") and b"<svg" in pictures["toy_map.svg"]


@pytest.mark.parametrize(
    ("jumps_", "columns", "factor", "outcomes"),
    [
        ([1.0, 2.0], {}, 1.5, ["no", "no", "not testable", "yes"]),
        ([1e5] * 8, {}, 1.5, ["no", "yes", "yes", "yes"]),
        ([1e5] * 8, {"paper_jump": 2e4}, 20.0, ["yes", "yes", "yes", "no"]),
        ([1e5] * 8, {"residual": 6.0}, 1.5, ["no", "no", "not testable", "yes"]),
        ([1e5] * 8, {"any_trimmed": 5.0}, 1.5, ["no", "yes", "no", "yes"]),
    ],
)
def test_c1_reads_the_map(study, jumps_, columns, factor, outcomes):
    made = study(
        paper__toy_map_search=toys_of(jumps_, **columns),
        paper__toy_map_phase=points_of(affine=2e4, modified_rq=factor),
    )
    parts = mapped(made)
    assert [part.outcome for part in parts] == outcomes
    assert (
        f"of {len(jumps_)} tried" in parts[0].found
        and "shape ring" in parts[1].found
        or ("residual" in columns)
    )
    assert mapped(Study(made.root / "nothing")) == []


def beside(affine, spline):
    """Made-up rows of the control at two shifts; a toy jumps at the second."""
    return [
        {"design": design, "seed": seed, "shift": shift, "jump": jump if shift == 10.0 else 1.0}
        for design, jumps in (("affine", affine), ("modified-rq", spline))
        for seed, jump in enumerate(jumps)
        for shift in (0.8, 10.0)
    ]


@pytest.mark.parametrize(
    ("affine", "spline", "said"),
    [
        ([1e5, 1.0], [2.0, 3.0], "yes"),
        ([1e5, 1.0], [2.0, 2e4], "no"),
        ([1e5, 1.0], [2.0, float("nan")], "no"),
        ([10.0, 1.0], [2.0, 3.0], "not testable"),
    ],
)
def test_c1_asks_the_spline_where_affine_jumps(study, affine, spline, said):
    made = study(
        paper__toy_map_search=toys_of([1.0]),
        paper__toy_map_phase=points_of(affine=1.0, modified_rq=1.0),
        paper__toy_map_control=beside(affine, spline),
    )
    assert mapped(made)[-1].outcome == said


def test_the_control_trains_each_design_once_in_the_best_setting(tmp_path, monkeypatch):
    trained = []

    class Noted(Stack):
        def train(self, steps):
            trained.append((len(self.settings), self.settings[0].shape))

    monkeypatch.setattr(control, "Stack", Noted)
    monkeypatch.setattr(control, "CONTROLS", ("affine", "modified-rq"))
    monkeypatch.setattr(control, "SEEDS", (1, 2))
    monkeypatch.setattr(control, "LENGTHS", (1, 2))
    digests = dict.fromkeys(("affine", "modified-rq"), "d")
    toys = toys_of([3.0]) + toys_of([9.0], shape="moons", floor=1e-4) + toys_of([99.0], floor=0.0)
    rows = Rows(tmp_path / "c.csv", digests)
    control.control(rows, toys, digests)
    assert trained == [(2, "moons")] * 4 and len(rows.rows) == 2 * 2 * 2 * len(search.LADDER)
    control.control(Rows(tmp_path / "c.csv", digests), toys, digests)
    assert len(trained) == 4

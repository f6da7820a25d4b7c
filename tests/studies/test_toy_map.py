"""The map of toys: a stack trains each toy as if alone, and a planted jump is found where it is."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from invbench.flows import ConditionalFlow
from invbench.measures.depth import variance_profile
from invbench.studies.toy_map.axes import AXES, Setting, drawn, mutated, setting_of
from invbench.studies.toy_map.measuring import DIRECTIONS, fit, jumps
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

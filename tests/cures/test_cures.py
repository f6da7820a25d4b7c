"""Each cure does what it says on a flow that explodes, changes nothing elsewhere, and fails where it
must."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import invbench as package
from invbench.cures.cured import CuredFlow, error_rows
from invbench.cures.gate import GatedFlow, fit_gate, load_gate
from invbench.cures.latents import CooledFlow, TruncatedFlow
from invbench.cures.learned_prior import PriorFlow, fit_prior, load_prior, save_prior
from invbench.cures.redraw import RedrawnFlow
from invbench.cures.wide import WideFlow
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.registry import CURES
from invbench.tracks.cures import NEEDS, needs
from tests.support.exploding import attacks, exploding_flow


@pytest.fixture(scope="module")
def subject():
    """(flow, batches of its data)."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return exploding_flow(), [(draw(8, 3, 8, 8), draw(8, 3, 2, 2)) for _ in range(4)]


@pytest.fixture(scope="module")
def tame(subject):
    """The flow with weights so small that only far latents make it explode."""
    flow = copy.deepcopy(subject[0])
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if "conv1x1" not in name:
                parameter.mul_(0.0 if "actnorm" in name else 0.1)
    return flow


@pytest.fixture(scope="module")
def gate(subject):
    return fit_gate(*subject)


def drawn(flow, y, temperature=1.0):
    return flow.sample_latents(len(y), y, temperature, torch.Generator().manual_seed(1))


def test_every_cure_is_named_with_what_it_needs():
    assert set(CURES) == set(NEEDS)
    table = {name: CURES[name].obj for name in CURES}
    assert {name: cure.needs for name, cure in table.items()} == NEEDS
    assert all(cure.needs_file == (cure.needs != "nothing") for cure in table.values())
    assert [needs(e) for e in ("affine", "affine+guard", "affine+prior", "rq", "rq+clip")] == [
        "nothing",
        "photographs",
        "a small network",
        "training anew",
        "training anew",
    ]


@pytest.mark.parametrize("cured", [CuredFlow, CooledFlow, TruncatedFlow, RedrawnFlow, WideFlow])
def test_a_cure_shares_the_weights_and_encodes_as_the_flow_does(subject, cured):
    flow, ((x, y), *_) = subject
    found = cured(flow)
    assert {id(p) for p in found.parameters()} == {id(p) for p in flow.parameters()}
    assert torch.equal(found.encode(x, y)[1], flow.encode(x, y)[1])
    with pytest.raises(UsageError, match="already"):
        cured(found)


def test_a_lower_temperature_only_draws_smaller_latents(subject):
    flow, ((_, y), *_) = subject
    cooled = CooledFlow(flow, tau=0.25)
    for cold, warm in zip(drawn(cooled, y), drawn(flow, y), strict=True):
        assert torch.allclose(cold, 0.25 * warm)
    z = drawn(flow, y)
    assert torch.equal(cooled.decode(z, y), flow.decode(z, y))
    with pytest.raises(UsageError, match="tau"):
        CooledFlow(flow, tau=-1)


def test_truncated_latents_are_those_of_the_box(subject):
    flow, ((_, y), *_) = subject
    z, cut = drawn(flow, y), TruncatedFlow(flow, limit=0.5)
    assert torch.equal(cut.decode(z, y), flow.decode([t.clamp(-0.5, 0.5) for t in z], y))
    assert 0.4 < cut.activity < 0.8  # P(|z| > 1/2) = 0.617
    assert TruncatedFlow(flow, limit=100).decode(z, y).equal(flow.decode(z, y))
    with pytest.raises(UsageError, match="limit"):
        TruncatedFlow(flow, limit=0)


def test_only_a_sample_that_explodes_is_drawn_again(subject, tame):
    flow, ((_, y), *_) = tame, subject[1]
    z = drawn(flow, y, 0.05)
    z[0][3] = 1e4
    plain, again = flow.decode(z, y), RedrawnFlow(flow, tries=8, tau=0.05)
    x, bad = again.decode(z, y), error_rows(flow.decode(z, y))
    assert bad[3] and torch.equal(x[~bad], plain[~bad])
    assert again.activity > 0 and error_rows(x).sum() < bad.sum()
    # neither the batch nor the order decides what is drawn
    alone = again.decode([t[3:4] for t in z], y[3:4])
    assert torch.allclose(alone[0], x[3])
    *_, (name, last) = again.trace(z, y)
    assert name == "data" and torch.allclose(last, x)
    assert torch.equal(RedrawnFlow(flow, tries=0).decode(z, y), plain)


def test_float64_ends_rounding_and_nothing_else(subject):
    flow, ((_, y), *_) = subject
    single, z = copy.deepcopy(flow).float(), drawn(flow, y)
    wide = WideFlow(single)
    x = wide.decode([t.float() for t in z], y.float())
    # what is left is the rounding of weights, latents and condition to float32 on the way in
    right = (
        copy.deepcopy(single).double().decode([t.float().double() for t in z], y.float().double())
    )
    assert x.dtype == torch.float32 and torch.equal(x, right.float())
    assert next(single.parameters()).dtype == torch.float32


def test_a_clip_hides_every_explosion(subject):
    flow, ((_, y), *_) = subject
    clipped = CURES["clip"].obj.make(flow, None)
    for name, (z, condition) in attacks(flow, y).items():
        x = clipped.decode(z, condition)
        assert ((x >= 0) & (x <= 1)).all(), name
    assert clipped.activity > 0 and package.certify(clipped).max_abs == 1


def test_a_gate_refuses_at_its_rate_and_what_is_far(subject, gate):
    flow, ((_, y), *_) = subject
    gated = GatedFlow(flow, gate, refusals=0.25)
    near = torch.cat([y for _, y in subject[1][2:]])  # those that set the threshold
    assert gated.refused(near).float().mean() == pytest.approx(0.25, abs=1 / len(near))
    z, far = drawn(flow, y), 500 * (y - 0.5)
    x = gated.decode(z, far)
    assert gated.activity == 1 and ((x >= 0) & (x <= 1)).all()
    assert torch.allclose(x, flow._base(far).clamp(0, 1).expand_as(x))
    broken = gated.decode(z, torch.full_like(y, torch.nan))
    assert gated.activity == 1 and broken.isfinite().all()
    kept = ~gated.refused(y)
    assert torch.equal(gated.decode(z, y)[kept], flow.decode(z, y)[kept])
    cool = GatedFlow(flow, gate, refusals=0.25, then="cool")
    assert torch.equal(cool.decode(z, far), flow.decode([0 * t for t in z], far))
    for wrong in ({"refusals": 0.0}, {"refusals": 1.0}, {"then": "laugh"}):
        with pytest.raises(UsageError):
            GatedFlow(flow, gate, **wrong)


def test_a_gate_needs_conditions(subject):
    flow, ((x, y), *_) = subject
    with pytest.raises(UsageError, match="four conditions"):
        fit_gate(flow, [(x[:3], y[:3])])


def test_a_learned_prior_learns_and_leaves_the_flow_alone(subject, tame):
    batches = subject[1]
    before = {name: p.clone() for name, p in tame.named_parameters()}

    def loss(one: ConditionalFlow) -> float:
        with torch.no_grad():
            zeros = [0 * t for t in drawn(tame, batches[0][1])]
            return sum((one.decode(zeros, y) - x).abs().mean().item() for x, y in batches)

    prior = fit_prior(tame, batches * 30)
    assert loss(prior) < 0.95 * loss(tame)
    assert all(torch.equal(p, before[name]) for name, p in tame.named_parameters())
    z = drawn(tame, batches[0][1])
    assert torch.equal(prior.decode(z, batches[0][1]), prior.decode([], batches[0][1]))
    with pytest.raises(UsageError, match="batches"):
        fit_prior(tame, [])


def test_files_come_back_and_are_refused_where_they_do_not_belong(subject, gate, tmp_path):
    flow, ((x, y), *_) = subject
    gate_file, prior_file = tmp_path / "g.safetensors", tmp_path / "p.safetensors"
    gate.save(gate_file)
    again = load_gate(flow, gate_file, refusals=0.25)
    assert torch.equal(again.refused(y), GatedFlow(flow, gate, refusals=0.25).refused(y))
    prior = PriorFlow(flow, fit_prior_once(flow, x, y))
    save_prior(prior, prior_file)
    z = drawn(flow, y)
    assert torch.equal(load_prior(flow, prior_file).decode(z, y), prior.decode(z, y))
    other = copy.deepcopy(flow)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    for load, file in ((load_gate, gate_file), (load_prior, prior_file)):
        with pytest.raises(UsageError, match="made for weights"):
            load(other, file)
    with pytest.raises(UsageError, match="a prior, not a gate"):
        load_gate(flow, prior_file)
    Path(gate_file).write_bytes(Path(gate_file).read_bytes()[:200])
    with pytest.raises(UsageError, match="not a gate"):
        load_gate(flow, gate_file)


def fit_prior_once(flow, x, y):
    """The predictor after one step, where the loss of an exploding flow may be anything."""
    return fit_prior(flow, [(x, y)]).predictor


@pytest.mark.parametrize("planted", ["never draws again", "draws the same again"])
def test_planted_faults_of_a_redraw_are_seen(subject, tame, planted, monkeypatch):
    flow, ((_, y), *_) = tame, subject[1]
    z = drawn(flow, y, 0.05)
    z[0][3] = 1e4
    if planted == "never draws again":
        monkeypatch.setattr("invbench.cures.redraw.error_rows", lambda x: torch.zeros(len(x)) > 1)
    else:
        monkeypatch.setattr(RedrawnFlow, "_fresh", lambda self, latents, attempt: latents)
    bad = error_rows(flow.decode(z, y))
    found = error_rows(RedrawnFlow(flow, tries=8, tau=0.05).decode(z, y))
    assert found.sum() == bad.sum()  # what the test above would not let pass

"""A guard keeps every decode within what data were seen to have, whatever comes in; planted faults
show that these tests would notice."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from invbench.couplings import Affine
from invbench.cures.activations import BASE
from invbench.cures.guard import guard
from invbench.cures.guarded import GuardedFlow
from invbench.data.conditions import sizes_only
from invbench.flows import Split
from invbench.flows.example_layers import randomized
from invbench_models.glow.model import glow
from invbench_models.llflow import llflow
from invbench_models.multiscale import multiscale
from invbench_models.srflow import srflow
from tests.support.exploding import attacks, exploding_flow
from tests.support.published import SPECS


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def subject():
    """(flow, batches of its data)."""
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.rand, generator=generator, dtype=torch.float64)
    return exploding_flow(), [(draw(4, 3, 8, 8), draw(4, 3, 2, 2)) for _ in range(3)]


def seen_by_hand(flow, batches):
    """Place → (least, largest) per channel, layer by layer, without the code under test."""
    parts: dict[str, list[torch.Tensor]] = {}
    with torch.no_grad():
        for x, y in batches:
            base, cond = flow._base(y), flow.conditions(y)
            h = x - base
            parts.setdefault("data", []).append(base)
            for name, layer in flow.layers.items():
                parts.setdefault(name, []).append(h)
                h = layer(h)[0] if isinstance(layer, Split) else layer(h, cond.like(h))[0]
    joined = {name: torch.cat(list(p)).movedim(1, 0).flatten(1) for name, p in parts.items()}
    ends = {name: (v.amin(1), v.amax(1)) for name, v in joined.items()}
    first = ends[next(iter(flow.layers))]
    ends["data"] = (ends["data"][0] + first[0], ends["data"][1] + first[1])  # x = residual + base
    return ends


def escapes(guarded, ends, latents, y):
    """Places where a value of the decode lies outside of what was seen, or is not a number."""
    found = []
    with torch.no_grad():
        for name, h in guarded.trace(list(latents), y):
            if name in ends:
                low, high = (end.view(-1, *[1] * (h.ndim - 2)) for end in ends[name])
                slack = 1e-12 if name == "data" else 0  # a sum
                if not ((h >= low - slack) & (h <= high + slack)).all():
                    found.append(name)
    return found


def test_no_value_leaves_what_data_were_seen_to_have(subject):
    flow, batches = subject
    ends, guarded = seen_by_hand(flow, batches), guard(flow, batches)
    largest = guarded.bound().max_abs
    for name, (latents, y) in attacks(flow, batches[0][1]).items():
        assert escapes(guarded, ends, latents, y) == [], name
        assert guarded.decode(latents, y).abs().max() <= largest, name
    exploded = flow.decode(*attacks(flow, batches[0][1])["far condition"])
    assert not exploded.abs().max() < 1e6, "the planted flow explodes without its guard"


def ascended(flow, latents, y, steps=60):
    """Latents and condition after sign steps of growing Σ|x|."""
    latents, y = [t.clone().requires_grad_() for t in latents], y.clone().requires_grad_()
    for _ in range(steps):
        value = flow.decode(list(latents), y).abs().sum()
        grads = torch.autograd.grad(value, [*latents, y], allow_unused=True)
        with torch.no_grad():
            for part, g in zip([*latents, y], grads, strict=True):
                part += 0.2 * (0 if g is None else g.nan_to_num().sign())
    return [t.detach() for t in latents], y.detach()


def test_gradient_ascent_stays_within_the_bound_through_the_clamp_and_through_the_flow_without_it(
    subject,
):
    flow, batches = subject
    guarded, y = guard(flow, batches), batches[0][1][:1]
    z = flow.sample_latents(1, y, 0.9, torch.Generator().manual_seed(1))
    largest = guarded.bound().max_abs
    start = guarded.decode(z, y).abs().sum()
    own, of_the_flow = ascended(guarded, z, y), ascended(flow, z, y)
    reached = guarded.decode(*own).abs()
    assert reached.sum() > 1.5 * start, "the search finds its way through the clamps"
    assert reached.max() <= largest
    assert (
        guarded.decode(*of_the_flow).abs().max()
        <= largest
        < 100 * largest
        < flow.decode(*of_the_flow).abs().max()
    )


class ClampsBefore(GuardedFlow):
    """Clamps what a layer takes in, in place of what it gives out."""

    def trace(self, latents, y):
        cond = self.conditions(y)
        *waiting, h = latents
        h = h + self.prior(cond.features)
        previous = None
        for name, layer in reversed(list(self.layers.items())):
            h = h if previous is None else self.clamped(previous, h)
            h, _ = layer.inverse(h, waiting.pop() if isinstance(layer, Split) else cond.like(h))
            previous = name
            yield name, h
        yield "data", h + self.clamped(BASE, self._base(y))


class Forgets(GuardedFlow):
    """Leaves the last channel of every place as it is."""

    def clamped(self, place, h):
        return torch.cat((super().clamped(place, h)[:, :-1], h[:, -1:]), dim=1)


class LetsNaN(GuardedFlow):
    def clamped(self, place, h):
        return torch.where(h.isnan(), h, super().clamped(place, h))


class Shares(GuardedFlow):
    """One interval over all channels of a place."""

    def __init__(self, flow, found):
        seen = {}
        for place, ends in found.seen.items():
            seen[place] = torch.stack(
                (ends[0].min().expand_as(ends[0]), ends[1].max().expand_as(ends[1]))
            )
        super().__init__(flow, replace(found, seen=seen))


class ForgetsTheBase(GuardedFlow):
    def clamped(self, place, h):
        return h if place == BASE else super().clamped(place, h)


@pytest.mark.parametrize("fault", [ClampsBefore, Forgets, LetsNaN, Shares, ForgetsTheBase])
def test_planted_faults_are_seen(subject, fault):
    flow, batches = subject
    ends, faulty = seen_by_hand(flow, batches), fault(flow, guard(flow, batches).guard)
    found = {
        name: escapes(faulty, ends, *inputs)
        for name, inputs in attacks(flow, batches[0][1]).items()
    }
    assert any(found.values())


def test_data_come_back_as_without_a_guard(subject):
    flow, batches = subject
    exact, wide = guard(flow, batches), guard(flow, batches, margin=1.000001)
    with torch.no_grad():
        for x, y in batches:
            latents, _ = flow.encode(x, y)
            # to the bit, once the extremes themselves have room for the rounding of the round trip
            assert torch.equal(wide.decode(latents, y), flow.decode(latents, y))
            assert sum(acted.changed for acted in wide.acted.values()) == 0
            assert (exact.decode(latents, y) - x).abs().max() < 1e-9
            assert torch.equal(exact.encode(x, y)[0][0], latents[0])
            assert torch.equal(exact.log_prob(x, y), flow.log_prob(x, y))


@pytest.mark.parametrize(
    "name", ["srflow", "srflow 4×", "srflow 8×", "fs_ncsr 4×", "llflow", "glow", "toy"]
)
def test_any_flow_keeps_its_face(name, tiny_flow, uniform):
    if name in SPECS:
        flow = multiscale(SPECS[name], Affine, 0)
    else:
        flow = {"srflow": srflow, "llflow": llflow, "glow": glow, "toy": lambda _: tiny_flow()}[
            name
        ](Affine)
    flow = randomized(flow.eval(), 0, 0.02)
    scale = flow.spec.scale if name in SPECS or name == "srflow" else 1
    shape = (2,) if name == "toy" else (3, 32, 32)
    x = uniform(0, 1, 2, *shape, dtype=torch.float32)
    y = sizes_only(x) if name == "glow" else x if name == "toy" else x[:, :, ::scale, ::scale]
    guarded = guard(flow, [(x, y)])
    draw = partial(guarded.sample_latents, 2, y, 30.0)
    latents = draw(torch.Generator().manual_seed(0))
    with torch.no_grad():
        names = [place for place, _ in guarded.trace(list(latents), y)]
        assert names == [place for place, _ in flow.trace(list(latents), y)]
        assert guarded.decode(latents, y).abs().max() <= guarded.bound().max_abs
    assert sum(acted.changed for acted in guarded.acted.values()) > 0
    assert set(guarded.state_dict()) == {k for k in flow.state_dict() if not k.startswith("unused")}
    assert all(guarded.layers[place] is layer for place, layer in flow.layers.items())


def test_counts_are_of_the_last_decode_alone(subject):
    flow, batches = subject
    guarded = guard(flow, batches)
    latents, y = attacks(flow, batches[0][1])["drawn"]
    guarded.decode(latents, y)
    assert list(guarded.acted) == [*reversed(list(flow.layers)), BASE]
    begun = guarded.trace(latents, y)
    names = [next(begun)[0] for _ in range(4)]
    assert names == ["latent", "prior", "split2", "coupling2"] and list(guarded.acted) == names[2:]


def test_half_precision_is_finite_and_within_its_bound(subject):
    flow, batches = subject
    guarded = guard(flow, batches)
    largest = guarded.bound(torch.float16).max_abs
    single = guard(exploding_flow().float(), batches)
    half = GuardedFlow(exploding_flow().half(), guarded.guard)
    with torch.no_grad():
        for latents, y in attacks(flow, batches[0][1]).values():
            with torch.autocast("cpu", torch.float16):
                x = single.decode([t.float() for t in latents], y.float())
            assert x.abs().max() <= single.bound(torch.float16).max_abs
            assert half.decode([t.half() for t in latents], y.half()).abs().max() <= largest

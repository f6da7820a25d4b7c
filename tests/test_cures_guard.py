"""A guard keeps every decode within what data were seen to have, whatever comes in; planted faults show that these tests would notice."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from invbench.couplings import Affine
from invbench.cures.activations import BASE
from invbench.cures.guard import Guard, guard
from invbench.cures.guarded import GuardedFlow
from invbench.errors import UsageError
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, ConvConditioner, Split, Squeeze
from invbench.flows.registered import shaken
from invbench.reference_models.glow.model import glow, sizes_only
from invbench.reference_models.llflow import llflow
from invbench.reference_models.multiscale import multiscale
from invbench.reference_models.srflow import srflow

from .published import SPECS

conv = partial(ConvConditioner, width=6)
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def exploding_flow():
    """Two levels of squeeze, affine step and affine split on (3, 8, 8) given (3, 2, 2), with base and prior; its scales are unbounded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers: dict[str, nn.Module] = {}
        for level, channels in ((1, 12), (2, 24)):
            layers[f"squeeze{level}"] = Squeeze()
            layers[f"actnorm{level}"] = ActNorm(channels)
            layers[f"conv1x1{level}"] = Conv1x1(channels)
            layers[f"injector{level}"] = ConditionalCoupling(Affine(), channels, 0, 4, conv)
            layers[f"coupling{level}"] = ConditionalCoupling(Affine(), channels, channels // 2, 4, conv)
            layers[f"split{level}"] = Split(channels, conv)
        encoder, prior = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 12, 1)
    shapes = [(6, 4, 4), (12, 2, 2), (12, 2, 2)]
    flow = ConditionalFlow(layers, encoder, lambda y: shapes, lambda y: y.mean((2, 3), keepdim=True), prior)
    return shaken(flow.double().eval(), 1, 0.1)


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


def attacks(flow, y):
    """Name → (latents, condition) that the flow was never trained for."""
    z = flow.sample_latents(len(y), y, 1.0, torch.Generator().manual_seed(3))
    first_nan, first_inf = [t.clone() for t in z], [t.clone() for t in z]
    for found, value in ((first_nan, NAN), (first_inf, -INF)):
        for t in found:
            t[0, 0] = value
    return {
        "drawn": (z, y),
        "far latents": ([40 * t for t in z], y),
        "NaN latents": (first_nan, y),
        "Inf latents": (first_inf, y),
        "far condition": (z, 500 * (y - 0.5)),
        "NaN condition": (z, torch.full_like(y, NAN)),
        "Inf condition": (z, torch.full_like(y, INF)),
        "both far": ([1e3 * t for t in z], -1e3 * y),
    }


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


def test_gradient_ascent_stays_within_the_bound_through_the_clamp_and_through_the_flow_without_it(subject):
    flow, batches = subject
    guarded, y = guard(flow, batches), batches[0][1][:1]
    z = flow.sample_latents(1, y, 0.9, torch.Generator().manual_seed(1))
    largest = guarded.bound().max_abs
    start = guarded.decode(z, y).abs().sum()
    own, of_the_flow = ascended(guarded, z, y), ascended(flow, z, y)
    reached = guarded.decode(*own).abs()
    assert reached.sum() > 1.5 * start, "the search finds its way through the clamps"
    assert reached.max() <= largest
    assert guarded.decode(*of_the_flow).abs().max() <= largest < 100 * largest < flow.decode(*of_the_flow).abs().max()


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
            seen[place] = torch.stack((ends[0].min().expand_as(ends[0]), ends[1].max().expand_as(ends[1])))
        super().__init__(flow, replace(found, seen=seen))


class ForgetsTheBase(GuardedFlow):
    def clamped(self, place, h):
        return h if place == BASE else super().clamped(place, h)


@pytest.mark.parametrize("fault", [ClampsBefore, Forgets, LetsNaN, Shares, ForgetsTheBase])
def test_planted_faults_are_seen(subject, fault):
    flow, batches = subject
    ends, faulty = seen_by_hand(flow, batches), fault(flow, guard(flow, batches).guard)
    found = {name: escapes(faulty, ends, *inputs) for name, inputs in attacks(flow, batches[0][1]).items()}
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


@pytest.mark.parametrize("name", ["srflow", "srflow 4×", "srflow 8×", "fs_ncsr 4×", "llflow", "glow", "toy"])
def test_any_flow_keeps_its_face(name, tiny_flow, uniform):
    if name in SPECS:
        flow = multiscale(SPECS[name], Affine, 0)
    else:
        flow = {"srflow": srflow, "llflow": llflow, "glow": glow, "toy": lambda _: tiny_flow()}[name](Affine)
    flow = shaken(flow.eval(), 0, 0.02)
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


def identity(base=None):
    """x ↔ itself, two channels: an ActNorm at its initial weights."""
    return ConditionalFlow({"only": ActNorm(2)}, nn.Identity(), lambda y: [(2,)], base).eval()


X = torch.tensor([[0.0, 10.0], [1.0, 14.0], [0.5, 11.0]])


@pytest.mark.parametrize(
    ("margin", "low", "high"),
    [(1.0, [0.0, 10.0], [1.0, 14.0]), (2.0, [-0.5, 8.0], [1.5, 16.0]), (0.5, [0.25, 11], [0.75, 13])],
)
def test_intervals_and_what_they_do_by_hand(margin, low, high):
    guarded = guard(identity(), [(X[:1], X[:1]), (X[1:], X[1:])], margin)
    for found, expected in zip(guarded.guard.interval("only"), (low, high), strict=True):
        assert found.tolist() == expected
    z = torch.tensor([[-9.0, 12.0], [NAN, 12.5], [INF, -INF], [0.5, 12.0]])
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    assert guarded.acted == {}
    found = guarded.decode([z], z)
    assert found.tolist() == [[low[0], 12.0], [middle[0], 12.5], [high[0], low[1]], [0.5, 12.0]]
    assert guarded.acted["only"] == (4, 8)
    assert guarded.acted["only"].share == 0.5
    bound = guarded.bound()
    assert (bound.max_abs, bound.max_intermediate, bound.layers) == (high[1], high[1], {"only": high[1]})


def test_the_bound_of_a_sum_is_that_of_its_parts():
    guarded = guard(identity(lambda y: 2 * y), [(3 * X, X)])  # residual X, base 2X
    bound = guarded.bound()
    assert bound.layers == {"only": 14.0, BASE: 28.0}
    assert bound.max_abs == pytest.approx(42.0) and bound.max_abs >= 42.0
    far = torch.full((1, 2), 1e9)
    assert guarded.decode([far], far).tolist() == [[3.0, 42.0]]


def test_gradients_are_those_of_the_clamp():
    guarded = guard(identity(), [(X, X)])
    z = torch.tensor([[0.5, 99.0], [NAN, 12.0]], requires_grad=True)
    guarded.decode([z], X[:2]).sum().backward()
    assert z.grad.tolist() == [[1.0, 0.0], [0.0, 1.0]]


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


def test_an_interval_beyond_float16_ends_at_its_largest_number():
    far = guard(identity().double(), [(X.double() * 1e5, X)])
    half = GuardedFlow(identity().half(), far.guard)
    assert half.decode([torch.full((1, 2), INF).half()], X[:1].half()).tolist() == [[65504.0, 65504.0]]
    assert half.bound(torch.float16).layers["only"] >= 65504


def test_quantiles_leave_out_their_share_and_no_more():
    x = torch.stack((torch.arange(1000.0), torch.arange(1000.0) ** 2), dim=1)
    found = guard(identity(), [(x[:300], x[:300]), (x[300:], x[300:])], quantile=0.99).guard
    for channel in range(2):
        low, high = (end[channel] for end in found.interval("only"))
        bin_ = (x[-1, channel] - x[0, channel]) / 2048
        for outside, exact in (
            ((x[:, channel] < low).sum(), low - x[10, channel]),
            ((x[:, channel] > high).sum(), x[-11, channel] - high),
        ):
            assert outside <= 10
            assert -bin_ <= exact <= 0 or outside == 10
    whole = guard(identity(), [(x, x)], quantile=1.0).guard
    assert torch.equal(whole.seen["only"], guard(identity(), [(x, x)]).guard.seen["only"])


def test_quantile_of_a_constant_is_the_constant():
    x = torch.full((5, 2), 0.3)
    assert guard(identity(), [(x, x)], quantile=0.6).guard.seen["only"].tolist() == [[x[0, 0].item()] * 2] * 2


def test_calibration_leaves_the_flow_as_it_was():
    flow = ConditionalFlow({"only": ActNorm(2)}, nn.Identity(), lambda y: [(2,)]).train()
    told = []
    guarded = guard(flow, iter([(X, X), (X, X)]), quantile=0.9, progress=told.append)
    assert flow.training and not flow.layers["only"].initialised
    assert flow.layers["only"].logs.tolist() == [0.0, 0.0]
    assert told == [1, 2, 3, 4]
    assert guarded.guard.pairs == 6


class OwnTrace(ConditionalFlow):
    def trace(self, latents, y):
        yield "data", latents[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: guard(identity(), []), "no images"),
        (lambda: guard(identity(), [(X * NAN, X)]), "'only' are not finite"),
        (lambda: guard(identity(), [(X, X), (X * INF, X)]), "'only' are not finite"),
        (lambda: guard(identity(lambda y: y * NAN), [(X, X)]), "not finite"),
        (lambda: guard(identity(), [(X, X)], margin=0), "margin"),
        (lambda: guard(identity(), [(X, X)], margin=-1), "margin"),
        (lambda: guard(identity(), [(X, X)], margin=NAN), "margin"),
        (lambda: guard(identity(), [(X, X)], quantile=0.5), "quantile"),
        (lambda: guard(identity(), [(X, X)], quantile=1.01), "quantile"),
        (lambda: guard(identity(), [(X, X)], quantile=NAN), "quantile"),
        (lambda: guard(guard(identity(), [(X, X)]), [(X, X)]), "already"),
        (lambda: guard(OwnTrace({}, nn.Identity(), lambda y: []), [(X, X)]), "OwnTrace does not decode"),
        (lambda: GuardedFlow(exploding_flow(), guard(identity(), [(X, X)]).guard), "another flow: it has 'only'"),
        (lambda: GuardedFlow(identity(), Guard({}, "", "", 1)), "another flow: it lacks 'only'"),
    ],
)
def test_what_cannot_be_guarded_is_refused_in_one_line(call, said):
    with pytest.raises(UsageError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_guard_with_other_channels_is_refused_where_it_would_clamp():
    found = guard(identity(), [(X, X)]).guard
    with pytest.raises(UsageError, match="other channels"):
        GuardedFlow(identity(), replace(found, seen={"only": torch.zeros(2, 3)}, architecture="other"))
    wrong = GuardedFlow(identity(), replace(found, seen={"only": torch.zeros(2, 3, dtype=torch.float64)}))
    with pytest.raises(UsageError, match="3 channels at 'only', this flow has 2"):
        wrong.decode([X], X)

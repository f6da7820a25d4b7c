"""Certificates of the reference flows with options: finite, never exceeded by an ascent, and no
looser than is needed."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.bounds import certify
from invbench.bounds.enclosures import enclosed
from invbench.bounds.lipschitz.certified import certify_flow
from invbench.bounds.lipschitz.interval import Interval
from invbench.couplings import CubicRationalBounded, RQBounded
from invbench.errors import UsageError
from invbench.flows import BoundedSplit, OrthogonalConv1x1
from invbench.flows.example_layers import randomized
from invbench.targets import resolve

RADIUS, TAU = 4.0, 0.9
FLOWS = {
    "orthogonal, bounded": (
        "srflow(conv1x1=orthogonal,split=bounded)",
        "cubic-rational-bounded(shift=2)",
    ),
    "orthogonal, design": (
        "srflow(conv1x1=orthogonal,split=design)",
        "rq-bounded(bins=4,box=1,shift=1.5)",
    ),
    "frozen, design": ("fs_ncsr(conv1x1=frozen,split=design)", "cubic-rational-bounded(shift=1)"),
    "free, bounded": ("srflow(split=bounded)", "cubic-rational-bounded(shift=2)"),
    "glow": ("glow(conv1x1=orthogonal,split=design)", "cubic-rational-bounded(shift=1)"),
    "llflow": ("llflow(conv1x1=orthogonal)", "cubic-rational-bounded(shift=2)"),
}


def built(name: str, seed: int = 0, far: float = 0.2):
    """The mini with random weights in float64; 1×1 and ActNorm stay near what they start as."""
    flow, coupling = FLOWS[name]
    flow = resolve(flow, ("flow",)).make(resolve(coupling).make, "mini", seed)
    kept = {n: v.clone() for n, v in flow.state_dict().items() if n.endswith("conv1x1.weight")}
    flow = randomized(flow, seed, far)
    flow.load_state_dict(flow.state_dict() | kept)
    return flow.double().eval()


def condition(flow, generator):
    channels, side = (0, 8) if type(flow).__name__ == "UnconditionalFlow" else (3, 8)
    return torch.rand(1, channels, side, side, generator=generator, dtype=torch.float64)


def climbed(flow, seed: int, steps: int = 10) -> float:
    """Largest |residual| that sign steps on latents, |z| ≤ 4τ, and on the condition come to."""
    generator = torch.Generator().manual_seed(seed)
    y = 6 * condition(flow, generator) - 3
    z = [
        RADIUS * TAU * (2 * torch.rand(v.shape, generator=generator, dtype=v.dtype) - 1)
        for v in flow.sample_latents(1, y, 1.0, generator)
    ]
    worst = 0.0
    for _ in range(steps):
        z, y = [v.detach().requires_grad_() for v in z], y.detach().requires_grad_()
        x = flow.decode(z, y)
        residual = x if flow._base is None else x - flow._base(y)
        worst = max(worst, residual.detach().abs().max().item())
        *of_z, of_y = torch.autograd.grad(residual.abs().amax(), [*z, y], allow_unused=True)
        with torch.no_grad():
            limit = RADIUS * TAU
            z = [(v + 2 * g.sign()).clamp(-limit, limit) for v, g in zip(z, of_z, strict=True)]
            y = y if of_y is None else y + of_y.sign()
    return worst


@pytest.mark.parametrize("name", FLOWS)
def test_no_ascent_on_latents_and_condition_exceeds_it(name):
    flow = built(name)
    found = certify(flow, RADIUS, TAU)
    assert found.finite and not found.reason and not found.unbounded
    reached = max(climbed(flow, seed) for seed in (0, 1))
    assert 0.03 * found.max_residual < reached <= found.max_residual


@pytest.mark.parametrize("name", ["orthogonal, bounded", "orthogonal, design"])
def test_one_condition_leaves_less_and_what_it_decodes_is_within(name):
    flow = built(name, far=0.02)
    generator = torch.Generator().manual_seed(0)
    y = condition(flow, generator)
    every, own = certify(flow, RADIUS, TAU), certify(flow, RADIUS, TAU, conditions=y)
    assert own.max_residual < 0.9 * every.max_residual and not own.notes
    z = [v.clamp(-3.6, 3.6) for v in flow.sample_latents(32, y, 2.0, generator)]
    with torch.no_grad():
        x = flow.decode(z, y.expand(32, -1, -1, -1))
    assert x.abs().max().item() <= own.max_abs


def test_each_option_is_needed():
    """Free shifts, and exp(logs), have no bound; an orthogonal 1×1 has no larger one than W⁻¹."""
    free = resolve("srflow(split=bounded)", ("flow",)).make(CubicRationalBounded, "mini", 0)
    assert certify(free).reason.endswith("has an unbounded shift")
    affine = resolve("srflow(conv1x1=orthogonal)", ("flow",))
    flow = affine.make(resolve("cubic-rational-bounded(shift=2)").make, "mini", 0)
    assert certify(flow).reason == "level1_split: the affine split's exp(logs) is unbounded"


def test_float16_decodes_stay_below_their_own_certificate():
    flow = built("orthogonal, bounded", far=0.1).half()
    found = certify(flow, RADIUS, TAU)
    assert found.dtypes[0] == "float16"
    y = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).half()
    z = flow.sample_latents(4, y, 5.0, torch.Generator().manual_seed(2))
    with torch.no_grad():
        x = flow.decode([v.clamp(-3.6, 3.6) for v in z], y)
    assert x.isfinite().all() and x.abs().max().item() <= found.max_abs


@pytest.mark.parametrize("part", ["shift", "split"])
def test_a_bound_that_is_exceeded_is_refused(part):
    flow = built("orthogonal, bounded")

    class Boasts(BoundedSplit):
        def reach(self, radius):
            return radius

    for layer in flow.layers.values():
        if part == "split" and isinstance(layer, BoundedSplit):
            layer.__class__ = Boasts
        elif part == "shift" and hasattr(layer, "coupling"):
            layer.coupling.shift_bound, layer.coupling.shift_of = 0.1, lambda p: 2 * p[2].tanh()
    with pytest.raises(UsageError, match="declares"):
        certify(flow)


def test_a_matrix_of_another_formula_is_bounded_by_none():
    class Stretched(OrthogonalConv1x1):
        def matrix(self):
            return 3 * super().matrix()

    flow = built("orthogonal, bounded")
    flow.layers["level1_step1_conv1x1"].__class__ = Stretched
    assert certify(flow).reason.endswith("no rule for a layer of type Stretched")


@pytest.mark.parametrize("design", [CubicRationalBounded(shift=2), RQBounded(bins=4, shift=2)])
def test_over_a_box_the_shift_is_the_saturated_one(design):
    """A raw t of 40 to 41 moves by 2, not by 40; one of −0.1 to 0.1 by 0.1, not by 2."""
    v = torch.zeros(1, 1, dtype=torch.float64)
    raw = torch.zeros(design.n_params, 1, 1, dtype=torch.float64)
    for lo, hi in ((40.0, 41.0), (-0.1, 0.1), (1.0, 1.2)):
        low, high = raw.clone(), raw.clone()
        low[-1], high[-1] = lo, hi
        found = enclosed(design, Interval(v, v), Interval(low, high), 3.8)
        for t in torch.linspace(lo, hi, 9, dtype=torch.float64):
            low[-1] = t
            x = design.inverse(v, low)[0]
            assert (x - found.slope * v - found.offset).abs() <= found.by + 1e-12
            assert math.isclose(x.item(), -2 * math.tanh(t.item() / 2), abs_tol=1e-6)
        if isinstance(design, CubicRationalBounded):  # a spline may move by its box beside
            assert found.by.item() <= 0.2


@pytest.mark.parametrize("name", ["orthogonal, bounded", "orthogonal, design"])
def test_the_lipschitz_bound_holds_for_decodes_of_a_small_box(name):
    flow = built(name, far=0.02)
    generator = torch.Generator().manual_seed(0)
    y = condition(flow, generator)[..., :2, :2]
    z = flow.sample_latents(1, y, 0.5, generator)
    boxes = [Interval.around(v, 1e-3) for v in z]
    found = certify_flow(flow, boxes, Interval(y, y))
    assert math.isfinite(found.value), [layer.reason for layer in found.layers]
    step = [1e-3 * torch.randn(v.shape, generator=generator).sign().double() for v in z]
    with torch.no_grad():
        moved = flow.decode([a + b for a, b in zip(z, step, strict=True)], y) - flow.decode(z, y)
    size = torch.cat([s.flatten() for s in step]).norm()
    assert moved.norm() <= found.value * size

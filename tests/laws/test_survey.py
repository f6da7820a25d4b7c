"""What is assumed of a layer that declares nothing: only on positive evidence, and never of a fault
that looks alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invbench.declaration import space_name
from invbench.errors import UsageError
from invbench.laws import Subject, check, subject_of
from invbench.registry import Registered
from invbench.targets import Target

DIM = 4


def target_of(make: Callable[[], nn.Module], **declared: Any) -> Target:
    metadata = {"event_shape": (DIM,), **declared}
    return Target(
        "made", Registered("made", "layer", lambda seed: make(), f"{__file__}:0", metadata)
    )


def surveyed(
    make: Callable[[], nn.Module], dtype: torch.dtype = torch.float64, **declared: Any
) -> Subject:
    return subject_of(target_of(make, **declared), dtype)


def assumed(subject: Subject) -> dict[str, Any]:
    """What the survey added to the declaration."""
    found = subject.declaration.as_dict()
    found.pop("event_shape")
    found.pop("cond_shape", None)
    return found


class Layer(nn.Module):
    """z = f(x) element by element, from ``up``, ``down`` and ``log_slope`` of x."""

    def forward(self, x):
        return self.up(x), self.log_slope(x).sum(1)

    def inverse(self, z):
        x = self.down(z)
        return x, -self.log_slope(x).sum(1)


# spaces


class Logit(Layer):
    def up(self, x):
        return x.log() - (-x).log1p()

    def down(self, z):
        return z.sigmoid()

    def log_slope(self, x):
        return -x.log() - (-x).log1p()


class Log(Layer):
    def up(self, x):
        return x.log()

    def down(self, z):
        return z.exp()

    def log_slope(self, x):
        return -x.log()


class Atanh(Layer):
    def up(self, x):
        return x.atanh()

    def down(self, z):
        return z.tanh()

    def log_slope(self, x):
        return -(1 - x * x).log()


class Refuses(Log):
    def up(self, x):
        if (x <= 0).any():
            raise ValueError("x must be positive")
        return x.log()


class Sigmoid(Layer):
    def up(self, x):
        return x.sigmoid()

    def down(self, z):
        return z.log() - (-z).log1p()

    def log_slope(self, x):
        return nn.functional.logsigmoid(x) + nn.functional.logsigmoid(-x)


class Exp(Layer):
    def up(self, x):
        return x.exp()

    def down(self, z):
        return z.log()

    def log_slope(self, x):
        return x


class Identity(Layer):
    def up(self, x):
        return x

    down = up

    def log_slope(self, x):
        return torch.zeros_like(x)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Logit, {"domain": "unit_interval"}),
        (Log, {"domain": "positive"}),
        (Refuses, {"domain": "positive"}),
        (Atanh, {"domain": "interval(-1, 1)"}),
        (Sigmoid, {"codomain": "unit_interval"}),
        (Exp, {"codomain": "positive"}),
        (Identity, {}),
    ],
)
def test_domain_and_codomain(make, found, dtype):
    subject = surveyed(make, dtype)
    assert assumed(subject) == found
    assert len(subject.assumed) == len(found)
    for what, name in found.items():
        assert f"declare it: {what}={name!r}" in subject.assumed[0]


def test_what_is_declared_stays():
    assert assumed(surveyed(Log, domain="greater_than(2)")) == {"domain": "greater_than(2)"}
    assert surveyed(Log, domain="greater_than(2)").assumed == ()


class NanNearTwo(Identity):
    """A fault: NaN in a small interval, which no domain explains."""

    def up(self, x):
        return torch.where((x > 0.5) & (x < 0.7), torch.nan, x)


class ClampedInverse(Identity):
    """A fault: the inverse holds its result within ±10."""

    def down(self, z):
        return z.clamp(-10, 10)


class InverseNeedsLess(Identity):
    """A fault: the inverse is NaN above 1, and forward goes beyond."""

    def down(self, z):
        return torch.where(z > 1, torch.nan, z)


class LearntBox(Identity):
    """A fault: forward ends in a bound that moves with the weights."""

    def __init__(self):
        super().__init__()
        self.bound = nn.Parameter(torch.tensor(2.0))

    def up(self, x):
        return self.bound * x.tanh()

    def down(self, z):
        return (z / self.bound).atanh()


@pytest.mark.parametrize("make", [NanNearTwo, ClampedInverse, InverseNeedsLess, LearntBox])
def test_a_fault_that_looks_like_a_space_is_not_assumed(make, dtype):
    assert assumed(surveyed(make, dtype)) == {}


# circles


class Turn(Layer):
    """An angle moves on, by 0.7 and a little sine."""

    def __init__(self, low: float = -math.pi, period: float = 2 * math.pi):
        super().__init__()
        self.low, self.period = low, period

    def wrapped(self, v):
        return self.low + torch.remainder(v - self.low, self.period)

    def up(self, x):
        return self.wrapped(x + 0.7)

    def down(self, z):
        return self.wrapped(z - 0.7)

    def log_slope(self, x):
        return torch.zeros_like(x)


@pytest.mark.parametrize(
    ("low", "period"),
    [(-math.pi, 2 * math.pi), (0.0, 2 * math.pi), (0.0, 1.0)],
    ids=("pi", "2pi", "1"),
)
def test_circle(low, period, dtype):
    subject = surveyed(lambda: Turn(low, period), dtype)
    found = assumed(subject)
    assert found["domain"] == found["codomain"] and found["domain"].startswith("circle(")
    assert subject.declaration.domain.period == pytest.approx(period)
    assert float(subject.declaration.domain.lower_bound) == pytest.approx(low)


class NearIdentity(Layer):
    """An affine map near to the identity: no angle, though small turns of it look alike."""

    def up(self, x):
        return 1.0000001 * x + 1e-6

    def down(self, z):
        return (z - 1e-6) / 1.0000001

    def log_slope(self, x):
        return torch.full_like(x, math.log(1.0000001))


class Sine(Layer):
    """A fault: sine is the same after a turn, but undoes nothing beyond a half of it."""

    def up(self, x):
        return 0.5 * x.sin()

    def down(self, z):
        return (2 * z).asin()

    def log_slope(self, x):
        return (0.5 * x.cos()).abs().log()


class Constant(Layer):
    def up(self, x):
        return 0 * x + 1.0

    down = up

    def log_slope(self, x):
        return 0 * x


@pytest.mark.parametrize("make", [NearIdentity, Constant, Identity])
def test_other_maps_are_no_circle(make, dtype):
    subject = surveyed(make, dtype)
    assert not str(assumed(subject).get("domain", "")).startswith("circle")


def test_a_circle_does_not_excuse_a_fold(dtype):
    target = target_of(Sine)
    report = check(
        target, str(dtype).removeprefix("torch."), budget="smoke", properties=["round-trip-x"]
    )
    assert not report.sound and report.failures[0].kind == "defect"


# conditions


class Conditional(nn.Module):
    """x + shift(condition)."""

    def shift(self, cond):
        raise NotImplementedError

    def forward(self, x, cond):
        return x + self.shift(cond), x.new_zeros(len(x))

    def inverse(self, z, cond):
        return z - self.shift(cond), z.new_zeros(len(z))


class OfLabel(Conditional):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, DIM)

    def shift(self, cond):
        return self.table(cond)[:, 0] if cond.ndim == 2 else self.table(cond)


class OfRealLabel(Conditional):
    """Labels that come as floats."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(3, DIM)

    def shift(self, cond):
        return self.table(cond[:, 0].long())


class OfPositive(Conditional):
    def shift(self, cond):
        return cond.log()


class OfMask(Conditional):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def shift(self, cond):
        if not ((cond == 0) | (cond == 1)).all():
            raise ValueError("a mask holds 0 and 1")
        return self.scale * torch.where(cond.bool(), 1.0, -1.0).to(self.scale)


class OfReal(Conditional):
    def shift(self, cond):
        return 2 * cond


@pytest.mark.parametrize(
    ("make", "shape", "found"),
    [
        (OfLabel, (1,), "label(5)"),
        (OfRealLabel, (1,), "label(3)"),
        (OfPositive, (DIM,), "positive"),
        (OfMask, (DIM,), "label(2)"),  # the same numbers as of a mask
        (OfReal, (DIM,), None),
    ],
)
def test_condition(make, shape, found, dtype):
    subject = surveyed(make, dtype, cond_shape=shape)
    assert assumed(subject).get("condition") == found
    assert subject.labels is (make is OfLabel)
    assert set(assumed(subject)) <= {"condition"}


class OfBrokenReal(Conditional):
    """A fault: raises for any condition."""

    def shift(self, cond):
        raise RuntimeError("no such thing")


def test_a_condition_that_always_raises_is_not_explained():
    assert "condition" not in assumed(surveyed(OfBrokenReal, cond_shape=(DIM,)))


def test_a_declared_condition_that_is_refused_is_a_usage_error():
    with pytest.raises(UsageError, match="refuses such conditions"):
        surveyed(OfMask, cond_shape=(DIM,), condition="positive")


# random numbers


class Dequantise(nn.Module):
    def forward(self, x):
        return (x + torch.rand_like(x)), x.new_zeros(len(x))

    def inverse(self, z):
        return z.floor(), z.new_zeros(len(z))


class Augment(nn.Module):
    """Noise is added to the first half, and the second tells how much."""

    def forward(self, x):
        noise = torch.randn_like(x)
        return torch.cat((x + noise, noise), 1), x.new_zeros(len(x))

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        return a - b, z.new_zeros(len(z))


class Hutchinson(nn.Module):
    """A linear map whose log_det is estimated with random signs."""

    def __init__(self):
        super().__init__()
        self.m = 0.3 * torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(1))

    def estimate(self, x):
        v = torch.randint(0, 2, x.shape).to(x) * 2 - 1
        return torch.einsum("bi,ij,bj->b", v, self.m.to(x), v)

    def forward(self, x):
        return x @ torch.linalg.matrix_exp(self.m.to(x)), self.estimate(x)

    def inverse(self, z):
        return z @ torch.linalg.matrix_exp(-self.m.to(z)), -self.estimate(z)


def test_stochastic(dtype):
    found = assumed(surveyed(Dequantise, dtype))
    assert found["stochastic"] is True and found["domain"].startswith(("integers", "label"))


def test_stochastic_with_more_latents(dtype):
    found = assumed(surveyed(Augment, dtype))
    assert found["stochastic"] is True and found["latent_shape"] == (2 * DIM,)
    assert "domain" not in found


def test_estimate(dtype):
    assert assumed(surveyed(Hutchinson, dtype)) == {"log_det": "estimate"}


class SmallNoise(Identity):
    """A fault: noise of 1e-7."""

    def up(self, x):
        return x + 1e-7 * torch.randn_like(x)


class Dropout(Identity):
    """A fault: dropout that the inverse knows nothing of."""

    def up(self, x):
        return nn.functional.dropout(x, 0.3, training=True)


class NoisyInverse(Identity):
    """A fault: an inverse that is somewhere near."""

    def down(self, z):
        return z + 0.5 * torch.randn_like(z)


@pytest.mark.parametrize("make", [SmallNoise, Dropout, NoisyInverse])
def test_noise_is_no_stochastic_layer(make, dtype):
    assert assumed(surveyed(make, dtype)) == {}


# directions and shapes


class NoInverse(nn.Module):
    def forward(self, x):
        return x.sinh(), x.cosh().log().sum(1)


class NotImplementedInverse(NoInverse):
    def inverse(self, z):
        raise NotImplementedError("no inverse")


class RaisingInverse(NoInverse):
    """A fault, not a layer without an inverse."""

    def inverse(self, z):
        raise RuntimeError("shapes do not fit")


def test_no_inverse():
    assert assumed(surveyed(NoInverse)) == {"inverse": "none"}
    assert assumed(surveyed(NotImplementedInverse)) == {"inverse": "none"}
    assert assumed(surveyed(RaisingInverse)) == {}


class Fold(nn.Module):
    """(4,) → (2, 2)."""

    def forward(self, x):
        return x.unflatten(1, (2, 2)), x.new_zeros(len(x))

    def inverse(self, z):
        return z.flatten(1), z.new_zeros(len(z))


class Early(nn.Module):
    """Half of the numbers leave early."""

    def forward(self, x):
        return [x[:, :1], 2 * x[:, 1:]], x.new_full((len(x),), 3 * math.log(2))

    def inverse(self, zs):
        return torch.cat((zs[0], zs[1] / 2), 1), zs[0].new_full((len(zs[0]),), -3 * math.log(2))


class Lost(nn.Module):
    """A fault: an element is lost, and the inverse makes one up."""

    def forward(self, x):
        return x[:, 1:], x.new_zeros(len(x))

    def inverse(self, z):
        return torch.cat((z[:, :1], z), 1), z.new_zeros(len(z))


def test_latent_shape(dtype):
    assert assumed(surveyed(Fold, dtype)) == {"latent_shape": (2, 2)}
    assert assumed(surveyed(Early, dtype)) == {"latent_shape": ((1,), (3,))}
    assert assumed(surveyed(Lost, dtype)) == {}


def test_a_latent_shape_that_is_not_returned_is_a_usage_error():
    with pytest.raises(UsageError, match=r"latent_shape=\(3,\), and forward returns"):
        surveyed(Fold, latent_shape=(3,))


class StickBreaking(nn.Module):
    """Rⁿ to the simplex of n + 1 parts, as torch.distributions has it."""

    def __init__(self):
        super().__init__()
        self.map = torch.distributions.StickBreakingTransform()

    def forward(self, x):
        z = self.map(x)
        return z, self.map.log_abs_det_jacobian(x, z)

    def inverse(self, z):
        x = self.map.inv(z)
        return x, -self.map.log_abs_det_jacobian(x, z)


def test_simplex(dtype):
    found = assumed(surveyed(StickBreaking, dtype))
    assert found == {"latent_shape": (DIM + 1,), "codomain": "simplex"}


# iterations


class Bisection(Layer):
    """x + tanh(x)/2, undone by so many halvings."""

    steps = 24

    def up(self, x):
        return x + x.tanh() / 2

    def down(self, z):
        low, high = z - 0.5, z + 0.5
        for _ in range(self.steps):
            middle = (low + high) / 2
            below = middle + middle.tanh() / 2 < z
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    def log_slope(self, x):
        return (1 + (1 - x.tanh() ** 2) / 2).log()


class ToTheLastDigit(Bisection):
    steps = 70


class Autoregressive(nn.Module):
    """A loop over elements is no iteration: it is exact."""

    def forward(self, x):
        return x + self.shift(x), x.new_zeros(len(x))

    def shift(self, x):
        return torch.cat((torch.zeros_like(x[:, :1]), x.cumsum(1)[:, :-1].tanh()), 1)

    def inverse(self, z):
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):
            x = z - self.shift(x)
        return x, z.new_zeros(len(z))


class WithoutGradients(Layer):
    def up(self, x):
        return x.sinh()

    @torch.no_grad()
    def down(self, z):
        return z.asinh()

    def log_slope(self, x):
        return x.cosh().log()


def test_a_tolerance_is_assumed_of_what_stops_early():
    found = assumed(surveyed(Bisection))
    assert found["tolerance"] == 1e-4 and "inverse" not in found
    assert "tolerance" not in assumed(surveyed(ToTheLastDigit))
    assert assumed(surveyed(Autoregressive)) == {}
    assert surveyed(Bisection, tolerance=1e-6).assumed == ()


class StraightAndInexact(Identity):
    """A fault: an inverse that is off by 1e-5, without any loop."""

    def down(self, z):
        return z * (1 + 1e-5)


def test_no_tolerance_without_a_loop(dtype):
    assert assumed(surveyed(StraightAndInexact, dtype)) == {}


def test_an_inverse_for_sampling_is_seen(dtype):
    assert assumed(surveyed(WithoutGradients, dtype)) == {"inverse": "sampling"}


# conduct of the survey itself


def test_the_survey_leaves_the_random_state_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    surveyed(Dequantise)
    assert torch.equal(before, torch.random.get_rng_state())


def test_two_surveys_find_the_same():
    for make in (Logit, Dequantise, Hutchinson, Bisection):
        assert assumed(surveyed(make)) == assumed(surveyed(make))


class Broken(nn.Module):
    def forward(self, x):
        raise RuntimeError("broken")

    inverse = forward


class ReturnsNothing(nn.Module):
    def forward(self, x) -> Tensor | None:
        return None

    inverse = forward


@pytest.mark.parametrize("make", [Broken, ReturnsNothing])
def test_a_broken_layer_is_no_error_of_the_survey(make, dtype):
    assert assumed(surveyed(make, dtype)) == {}


def test_a_space_of_unknown_kind_on_both_sides_is_a_usage_error():
    class Odd(torch.distributions.constraints.Constraint):
        def check(self, value):
            return value == value

    odd = Odd()
    assert space_name(odd)
    with pytest.raises(UsageError, match="cannot be drawn"):
        surveyed(Identity, domain=odd, codomain=odd)
    assert surveyed(Identity, codomain=odd).image == {"z"}

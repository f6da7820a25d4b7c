"""The laws of a distribution: each kills its planted faults, none accuses what is sound, and their
references are right."""

from __future__ import annotations

import math
import time

import pytest
import torch
from scipy import stats
from torch import distributions as td
from torch import nn

from invbench.errors import UsageError
from invbench.laws.distributions.importance import Proposal
from invbench.laws.distributions.law import DistributionCase
from invbench.laws.distributions.laws import DISTRIBUTION_LAWS, check_distribution
from invbench.laws.distributions.reading import distribution_of
from invbench.laws.judging.exchange import KERNELS, exchange
from invbench.laws.judging.recast import recast
from tests.support.faults.distributions import (
    DISTRIBUTION_MUTANTS,
    SOUND_DISTRIBUTIONS,
    Whole,
    distribution_target,
)
from tests.support.faults.distributions_sound import Flow, TwoModes, seeded

FAULTS = [
    (law, name, whole)
    for law, wholes in DISTRIBUTION_MUTANTS.items()
    for name, whole in wholes.items()
]


def check_whole(whole: Whole, name: str = "it", **options):
    return check_distribution(distribution_target(whole, name), **{"budget": "smoke", **options})


def stand_of(obj, dtype=torch.float64, rows=4096, evaluations=65536):
    target = distribution_target(Whole(lambda seed: obj), "it")
    return DistributionCase(distribution_of(target, dtype), 0, rows, evaluations, 1)


def test_every_law_has_a_planted_fault_and_states_its_reference():
    assert set(DISTRIBUTION_MUTANTS) == set(DISTRIBUTION_LAWS)
    assert [n for n, law in DISTRIBUTION_LAWS.items() if "eference" not in law.statement] == []


@pytest.mark.parametrize(
    ("law", "name", "whole"), FAULTS, ids=[f"{law}-{name}" for law, name, _ in FAULTS]
)
def test_law_kills_its_fault(law, name, whole):
    found = check_whole(whole, name, properties=[law])
    assert [f for f in found.failures if f.kind != "ill-conditioned"], found.measures


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        pytest.param(
            "float64",
            marks=pytest.mark.slow(reason="11 s: what float32 has, again in the other dtype"),
        ),
    ],
)
@pytest.mark.parametrize("name", SOUND_DISTRIBUTIONS)
def test_no_law_accuses_what_is_sound(name, dtype):
    if SOUND_DISTRIBUTIONS[name].missing:
        pytest.skip("its library is not installed")
    report = check_whole(SOUND_DISTRIBUTIONS[name], name, dtype=dtype)
    assert report.sound, [
        f"{f.property}: {f.message}" for f in report.failures if f.breaks_soundness
    ]
    assert not [f for f in report.failures if f.kind == "crash"]


@pytest.mark.parametrize(
    "name",
    ["flow", "conditional", "Cauchy", "dirichlet", "von Mises", "beta", "multivariate normal"],
)
def test_ordinary_densities_are_decided_and_not_passed_over(name):
    measures = check_whole(SOUND_DISTRIBUTIONS[name]).measures
    assert (
        measures["decided"]["integrates-to-one"]
        == measures["decided"]["samples-follow-density"]
        == 1
    )


def test_what_was_not_decided_has_a_reason():
    undecided = check_whole(SOUND_DISTRIBUTIONS["flow in ten dimensions"]).measures["undecided"]
    assert undecided["integrates-to-one"] == "more than 6 dimensions"
    assert "condition-reaches" not in check_whole(SOUND_DISTRIBUTIONS["flow"]).measures["decided"]
    asked = check_whole(SOUND_DISTRIBUTIONS["flow"], properties=["condition-reaches"]).measures
    assert asked["undecided"] == {"condition-reaches": "no condition is declared"}


def test_a_missing_constant_is_named():
    faults = DISTRIBUTION_MUTANTS["integrates-to-one"]
    for name, d in (("no constant", 2), ("no constant in six dimensions", 6)):
        (failure,) = check_whole(faults[name], properties=["integrates-to-one"]).failures
        assert failure.value == pytest.approx(d / 2 * math.log(2 * math.pi), rel=0.02)
        assert "without the −d/2·log 2π" in failure.message


def test_a_value_on_the_edge_of_its_dtype_is_not_held_against_the_code():
    """tanh of N(0, 5) is exactly 1 in float32 for 7 % of the samples, where no log_prob is
    finite."""
    report = check_whole(SOUND_DISTRIBUTIONS["tanh, saturated"])
    assert report.sound and [(f.property, f.kind) for f in report.failures] == [
        ("log-prob-finite", "ill-conditioned")
    ]


def test_report_is_the_same_twice_and_leaves_torch_as_it_was():
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    first, second = (
        check_whole(SOUND_DISTRIBUTIONS["conditional"], dtype="float64", rows=1024).as_dict()
        for _ in range(2)
    )
    for report in (first, second):
        report["measures"].pop("seconds")
    assert first == second
    assert torch.equal(state, torch.get_rng_state()) and torch.get_default_dtype() == dtype


def test_the_object_itself_is_not_changed():
    flow = Flow().train()
    before = {k: v.clone() for k, v in flow.state_dict().items()}
    check_distribution(flow, dtype="float64", budget="smoke")
    assert flow.training and flow.shift.dtype == torch.float32
    assert all(torch.equal(v, before[k]) for k, v in flow.state_dict().items())


class Slow(Flow):
    def log_prob(self, x):
        time.sleep(0.05)
        return super().log_prob(x)


class Crawls(Flow):
    def log_prob(self, x):
        time.sleep(0.01 * len(x))
        return super().log_prob(x)


@pytest.mark.slow(reason="8 s: a distribution that is slow on purpose")
def test_a_slow_distribution_gets_fewer_rows_and_is_not_accused_of_it():
    rows = [
        check_whole(seeded(c), properties=["log-prob-shape"]).measures["rows"] for c in (Slow, Flow)
    ]
    assert rows[0] < 4096 == rows[1]
    report = check_whole(seeded(Crawls))
    assert report.sound and report.measures["rows"] == 64 and report.measures["seconds"] < 20
    assert "too slow" in report.measures["undecided"]["integrates-to-one"]


# ---- how it is called


CALLED = {
    "normal": "obj.sample((n,))",
    "by element": "obj.sample((n,))",
    "flow": "obj.sample(n)",
    "conditional": "obj.sample(n, context=c), of shape (1, n, …)",
    "conditional, paired": "obj.sample(n, context=c of n rows)",
    "lazy": "obj(c).sample((n,)), of shape (n, 1, …)",
}


@pytest.mark.parametrize("name", CALLED)
def test_the_report_says_how_it_was_called(name):
    guesses = check_whole(SOUND_DISTRIBUTIONS[name], properties=["log-prob-shape"]).measures[
        "guesses"
    ]
    assert any(CALLED[name] in g for g in guesses), guesses


class NoArgument(Flow):
    def sample(self):
        return super().sample(1)[0]


class Keyword(Flow):
    def sample(self, *, num_samples):
        return super().sample(num_samples)


class ConditionFirst(nn.Module):
    def log_prob(self, c, x):
        return td.Normal(c[:, :2], 1.0).log_prob(x).sum(1)

    def sample(self, c):
        return c[:, :2] + torch.randn(len(c), 2)


@pytest.mark.parametrize(
    ("cls", "declared"),
    [(NoArgument, {}), (Keyword, {}), (ConditionFirst, {"cond_shape": (3,), "event_shape": (2,)})],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_rare_conventions_are_read(cls, declared):
    report = check_whole(seeded(cls, **declared), rows=256)
    assert report.sound and report.measures["decided"]["log-prob-deterministic"], report.as_dict()


class NoSample(nn.Module):
    def log_prob(self, x):
        return x.sum(1)


class ListSample(NoSample):
    def sample(self, n):
        return [[0.0, 0.0]] * n


class Exits(NoSample):
    def sample(self, n):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (seeded(NoSample), "no way of drawing samples"),
        (seeded(ListSample), "returns list"),
        (seeded(Exits), "SystemExit"),
        (seeded(ConditionFirst), "cond_shape"),
        (Whole(lambda seed: 1 / 0), "cannot be built: ZeroDivisionError"),
        (seeded(Flow, domain="unit_intervall"), "did you mean 'unit_interval'"),
        (Whole(lambda seed: 3), "has no methods log_prob and sample"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error_that_says_what_to_write(whole, message):
    with pytest.raises(UsageError) as error:
        check_whole(whole)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "float16"},
        {"budget": "huge"},
        {"properties": ["nice"]},
        {"rows": 7},
        {"device": "tpu"},
    ],
)
def test_wrong_options_are_usage_errors(options):
    with pytest.raises(UsageError):
        check_whole(SOUND_DISTRIBUTIONS["flow"], **options)


# ---- the references


@pytest.mark.parametrize(
    "distribution",
    [
        td.Normal(3.0, 1e-3),
        td.Cauchy(0.0, 1.0),
        td.Beta(0.5, 3.0),
        td.Uniform(0.0, 1.0),
        td.StudentT(1.5),
    ],
    ids=lambda d: type(d).__name__,
)
def test_quadrature_in_one_dimension_is_within_its_error_of_one(distribution):
    stand = stand_of(distribution)
    found = stand.integral(stand.places[0])
    assert abs(found.total - 1) <= found.error <= 5e-3


def test_quadrature_finds_peaks_a_thousandth_wide_or_says_that_it_did_not():
    modes = SOUND_DISTRIBUTIONS["steep mixture"].make(0)
    stand = stand_of(modes, evaluations=262144)
    found = stand.integral(stand.places[0])
    assert abs(found.total - 1) <= found.error


@pytest.mark.parametrize("d", [1, 3, 6])
def test_importance_sampling_is_within_six_standard_errors(d):
    stand = stand_of(td.Independent(td.Laplace(torch.zeros(d), torch.ones(d)), 1))
    for which in (0, 1):
        found = stand.weighed(stand.places[0], which, True)
        assert not found.problem and abs(found.total - 1) < 6 * found.error < 0.3


def test_the_proposal_is_the_density_that_it_draws_from():
    """In one dimension q integrates to 1 and its samples pass Kolmogorov's test against its own
    integral."""
    generator = torch.Generator().manual_seed(0)
    q = Proposal(torch.randn(500, 1, generator=generator, dtype=torch.float64), 0, generator)
    grid = torch.linspace(-400, 400, 800_001, dtype=torch.float64)
    density = q.log_density(grid[:, None]).exp()
    cumulated = torch.cumulative_trapezoid(density, grid)
    assert cumulated[-1].item() == pytest.approx(1, abs=3e-3)  # a Cauchy's tail lies beyond
    x = q.sample(4000, generator)[:, 0]
    at = torch.searchsorted(grid, x.clamp(-399, 399)) - 1
    assert stats.kstest(cumulated[at].numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("kernel", KERNELS)
def test_chain_keeps_its_error_rate(kernel):
    """Of 200 p-values under a true density as few are below 0.05 as Bonferroni's bound allows."""
    stand = stand_of(TwoModes(), rows=256)
    place = stand.places[0]
    density, pool = stand.density(place), stand.lines(place, 0)
    p = [
        exchange(
            density, stand.lines(place, 100 + k), pool, kernel, torch.Generator().manual_seed(k)
        )[0]
        for k in range(200)
    ]
    assert sum(v < 0.05 for v in p) <= stats.binom.isf(1e-4, 200, 0.05)


def test_recast_reaches_tensors_that_a_module_does_not_own():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.base = td.Independent(td.Normal(torch.zeros(2), torch.ones(2)), 1)
            self.layers = {"exp": [td.ExpTransform().inv]}
            self.weight = nn.Parameter(torch.ones(3))
            self.call = self.weight.sum

    made = recast(holder := Holder(), torch.float64, "cpu")
    assert made.base.base_dist.loc.dtype == made.weight.dtype == torch.float64
    assert isinstance(made.weight, nn.Parameter) and next(iter(made.parameters())) is made.weight
    assert made.layers["exp"][0](torch.ones(2)).tolist() == [0, 0]
    assert holder.base.base_dist.loc.dtype == torch.float32 and not made.training

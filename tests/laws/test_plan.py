"""How many rows and cases a check takes: by the cost of a call, and kept so that it can be
repeated."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from invbench.laws import LAWS, check, subject_of
from invbench.laws.cases import plan
from invbench.laws.cases.plan import LIMITS, SECONDS, Clock, Plan, interleaved, planned
from invbench.registry import Registered
from invbench.targets import Target


class Shift(nn.Module):
    def forward(self, x):
        return x + 1, x.new_zeros(len(x))

    def inverse(self, z):
        return z - 1, z.new_zeros(len(z))


class Slow(Shift):
    """The same map, in so many steps."""

    operations = 400

    def forward(self, x):
        for _ in range(self.operations):
            x = x + 1 / self.operations
        return x, x.new_zeros(len(x))


def target_of(make: type[nn.Module], **metadata: Any) -> Target:
    entry = Registered(
        make.__name__,
        "layer",
        lambda seed: make(),
        f"{__file__}:0",
        {"event_shape": (4,), **metadata},
    )
    return Target(make.__name__, entry)


class Hours:
    """Seconds go by with calls of layers, not with time: ``base`` a call and ``slope`` a row."""

    def __init__(self, base: float, slope: float) -> None:
        self.base, self.slope, self.now = base, slope, 0.0

    def process_time(self) -> float:
        return self.now

    perf_counter = monotonic = process_time

    def on(self, module: nn.Module) -> None:
        def timed(direction: Callable[..., Any]) -> Callable[..., Any]:
            def call(x: torch.Tensor) -> Any:
                self.now += self.base + self.slope * len(x)
                return direction(x)

            return call

        module.forward, module.inverse = timed(module.forward), timed(module.inverse)


def plan_of(
    monkeypatch: pytest.MonkeyPatch, base: float, slope: float, budget: str = "smoke"
) -> Plan:
    hours = Hours(base, slope)
    subject = subject_of(target_of(Shift), torch.float32)
    hours.on(subject.module)
    monkeypatch.setattr(plan, "time", hours)
    return planned(subject, budget, 128, 20)


def test_a_quick_layer_gets_every_row(monkeypatch):
    found = plan_of(monkeypatch, 1e-6, 1e-9)
    assert (found.rows, found.few_rows, found.limit) == (128, 96, LIMITS["smoke"])


def test_a_slower_layer_never_gets_more(monkeypatch):
    plans = [plan_of(monkeypatch, 10.0**power, 10.0 ** (power - 2)) for power in range(-6, 1)]
    for a, b in itertools.pairwise(plans):
        assert a.rows >= b.rows and a.few_rows >= b.few_rows
    assert plans[-1].rows == 3 and plans[-1].few_rows < plans[0].few_rows


def test_a_larger_budget_gives_more(monkeypatch):
    small, large, deep = (plan_of(monkeypatch, 3e-3, 1e-4, budget) for budget in SECONDS)
    assert small.rows < large.rows <= deep.rows and small.limit < large.limit < deep.limit


def test_no_law_may_take_all_of_the_budget():
    assert all(LIMITS[budget] < SECONDS[budget] for budget in SECONDS)


@pytest.mark.parametrize("count", [1, 2, 17, 34, 100])
def test_every_beginning_of_the_corpus_is_a_spread_sample(count: int):
    order = interleaved(count)
    assert sorted(order) == list(range(count)) and order[0] == 0
    for done in range(4, count):
        begun = sorted([*order[:done], count])
        gaps = [b - a for a, b in itertools.pairwise(begun)]
        assert max(gaps) <= 3 * count / done + 1


def test_the_clock_counts_what_is_left(monkeypatch):
    hours = Hours(1.0, 0.0)
    monkeypatch.setattr(plan, "time", hours)
    clock = Clock("smoke")
    hours.now = 1.5
    assert clock.spent() == 1.5
    assert clock.left() == SECONDS["smoke"] - 1.5 and clock.left(0.5) == SECONDS["smoke"] / 2 - 1.5


def test_a_layer_of_many_operations_gets_fewer_rows():
    quick, slow = (subject_of(target_of(make), torch.float32) for make in (Shift, Slow))
    slow.module.operations = 20_000
    first, second = (planned(s, "smoke", 128, 20) for s in (quick, slow))
    assert second.rows < first.rows and second.few_rows < first.few_rows


def test_a_layer_that_raises_is_planned_all_the_same():
    subject = subject_of(target_of(Shift), torch.float32)
    subject.module.forward = None
    assert planned(subject, "smoke", 128, 20).rows >= 3


FEWER = Plan(rows=6, few_rows=8, limit=4.0, few=1, cases=5)
ASKED = ["round-trip-x", "round-trip-z", "log-det", "shape", "row-independence"]


def told(report: Any) -> dict[str, Any]:
    """What a report says, but for the seconds."""
    return {k: v for k, v in report.as_dict()["measures"].items() if k != "seconds"}


def test_a_plan_that_is_given_is_kept_to_and_repeats():
    first, again = (
        check(target_of(Slow), budget="smoke", properties=ASKED, plan=FEWER) for _ in range(2)
    )
    assert first.measures["plan"] == FEWER.as_dict()
    assert told(first) == told(again)
    assert [f.message for f in first.failures] == [f.message for f in again.failures]
    assert set(first.measures["decided"]) == set(ASKED)
    assert first.measures["decided"]["round-trip-x"] == FEWER.rows * FEWER.cases


def test_the_plan_of_a_report_repeats_it():
    first = check(target_of(Slow), budget="smoke", properties=ASKED)
    kept = json.loads(json.dumps(first.measures["plan"]))
    again = check(target_of(Slow), budget="smoke", properties=ASKED, plan=Plan(**kept))
    assert again.measures["decided"] == first.measures["decided"]
    assert again.measures["plan"]["cases"] == first.measures["plan"]["cases"]


def test_an_expensive_layer_still_decides():
    least = Plan(rows=3, few_rows=4, limit=4.0, few=1, cases=1)
    report = check(target_of(Shift), budget="smoke", properties=ASKED, plan=least)
    assert report.sound
    assert report.measures["decided"]["round-trip-x"] == 3
    assert report.measures["decided"]["log-det"] == 3


def test_a_law_that_is_left_out_is_said():
    rest = [name for name in ASKED if LAWS[name].scope == "value-independent"]
    assert rest
    without = Plan(rows=3, few_rows=4, limit=4.0, few=1, cases=1, left_out=tuple(rest))
    report = check(target_of(Shift), budget="smoke", properties=ASKED, plan=without)
    assert set(report.measures["undecided"]) == set(rest)
    assert not set(rest) & set(report.measures["decided"])

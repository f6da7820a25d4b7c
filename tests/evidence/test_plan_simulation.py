"""The simulated plan, against what can be worked out by hand."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "evidence" / "plan_simulation.py"
if not SCRIPT.is_file():
    pytest.skip("benchmarks lie beside the tests in a checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def plan():
    spec = importlib.util.spec_from_file_location("plan_simulation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_without_failures_it_is_list_scheduling(plan):
    """Costs 1 1 1 1 4 on two workers: 6 s in this order, 4 s longest first; all work is done and
    none is lost."""
    jobs = [plan.Job(place, cost, cost) for place, cost in enumerate((1.0, 1.0, 1.0, 1.0, 4.0))]
    for order, seconds in (("as planned", 6.0), ("longest first, true cost", 4.0)):
        found = plan.simulate(sorted(jobs, key=plan.ORDERS[order]), 2, 0.0, random.Random(0))
        assert found == plan.Outcome(makespan=seconds, work=8.0, lost=0.0, failures=0)


def test_one_worker_takes_the_sum_and_more_workers_than_jobs_the_longest(plan):
    jobs = [plan.Job(k, float(k + 1), 1.0) for k in range(10)]
    assert plan.simulate(jobs, 1, 0.0, random.Random(0)).makespan == 55
    assert plan.simulate(jobs, 50, 0.0, random.Random(0)).makespan == 10


def test_failures_are_those_of_a_poisson_process_and_every_cell_is_done(plan):
    """2 000 jobs of 36 s at one failure per hour: e^0.01 − 1 failures per job are to be expected,
    20.1 ± 4.5 in all."""
    jobs = [plan.Job(k, 36.0, 36.0) for k in range(2000)]
    found = plan.simulate(jobs, 10, 1.0, random.Random(1))
    assert found.work == 2000 * 36
    assert 7 <= found.failures <= 34  # three standard deviations
    assert 0 < found.lost < 36 * found.failures
    alone = plan.simulate(jobs, 1, 1.0, random.Random(1))
    assert alone.makespan == pytest.approx(
        alone.work + alone.lost + plan.REPLACEMENT * alone.failures
    )

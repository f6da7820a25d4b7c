"""What the suites share: the Hypothesis profile of a budget, the parameters, known failures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# before torch is there: two workers of two threads each are many times slower
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

import invbench
from invbench.extras import absent, install
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.law import CATEGORIES, SCOPES
from invbench.registry import Registry
from invbench.targets import Target, replay_command, resolve
from invbench.testing.known_failures import KnownFailure
from invbench.testing.options import folder, value
from invbench.testing.plugin import CASE, added_targets, chosen_laws, known_failures
from invbench.testing.requirements import missing
from invbench.testing.violation_rows import append, merge

INVBENCH_SUITES = True  # by this the plugin knows that the short names of its options are wanted
LAST = pytest.StashKey["tuple[Target, str, InputRecipe]"]()
EXAMPLES = {"smoke": 5, "default": 25, "deep": 400}
KNOWN = Path(__file__).with_name("known_failures.toml")


class Missing(pytest.UsageError, pytest.Collector.CollectError):
    """One line, whether this file is read at the start or, as by ``--pyargs``, while tests are
    collected."""


def pytest_configure(config: pytest.Config) -> None:
    if problem := missing(pytest.__version__, "hypothesis"):
        raise Missing(f"the suites need {problem}")
    for category, what in CATEGORIES.items():
        config.addinivalue_line("markers", f"{category}: {what}")
    import torch
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "invbench",
        max_examples=EXAMPLES[value(config, "budget") or "default"],
        deadline=None,
        derandomize=config.getoption("hypothesis_seed", None) is None,  # a seed of the user's own
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    settings.load_profile("invbench")
    torch.set_num_threads(1)
    if value(config, "device") != "cpu" and not torch.cuda.is_available():
        raise pytest.UsageError(
            f"--device {value(config, 'device')}: no such device here; invbench doctor shows "
            f"what is"
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names, config = set(metafunc.fixturenames), metafunc.config
    if {"target", "law"} <= names:
        pairs = _laws(config, metafunc.module.KIND, *metafunc.function.laws)
        listed = {(k.target, k.property) for k in known_failures(config, KNOWN)}
        pairs = [(t, n) for t, n in pairs if (t.name, n) not in listed]
        metafunc.parametrize(
            ("target", "law"), [pytest.param(t, n, id=f"{t.name}-{n}") for t, n in pairs]
        )
    if {"target", "known"} <= names:
        table = {
            (t.name, n): t
            for s in CATEGORIES
            for t, n in _laws(config, metafunc.module.KIND, s, tuple(SCOPES))
        }
        chosen = [k for k in known_failures(config, KNOWN) if (k.target, k.property) in table]
        params = [
            pytest.param(table[k.target, k.property], k, id=f"{k.target}-{k.property}")
            for k in chosen
        ]
        metafunc.parametrize(("target", "known"), params)
    if "flow_name" in names:
        chosen = _flows(
            config, metafunc.module.FLOWS, metafunc.module.PROPERTY, "known_failure" in names
        )
        metafunc.parametrize(("flow_name", "coupling"), chosen)
    if "any_flow" in names:
        wanted = metafunc.module.ANY_FLOWS, metafunc.module.PROPERTY
        params = {p.id: p for listed in (False, True) for p in _flows(config, *wanted, listed)}
        metafunc.parametrize(
            "any_flow",
            [pytest.param(p.values, id=name, marks=p.marks) for name, p in params.items()],
        )


def _laws(
    config: pytest.Config, kind: str, category: str, scopes: tuple[str, ...]
) -> list[tuple[Target, str]]:
    from invbench.adapters import of_library
    from invbench.registry import COUPLINGS, LAYERS
    from invbench.testing import applicable

    registry = {"coupling": COUPLINGS, "layer": LAYERS}[kind]
    chosen = chosen_laws(config)
    added = added_targets(config)[kind]
    _refuse_broken(registry)
    targets = {
        t.name: t for t in [resolve(n, (kind,)) for n in registry if not of_library(n)] + added
    }
    return [
        (t, n) for t in targets.values() for n in applicable(t, category, scopes) if n in chosen
    ]


def _refuse_broken(registry: Registry[Any]) -> None:
    """A plugin that cannot be imported ends the session: its things would be missing silently."""
    for plugin, reason in registry.broken:
        raise pytest.UsageError(f"plugin {plugin} cannot be imported: {reason}")


def _flows(config: pytest.Config, own: tuple[str, ...], property: str, listed: bool) -> list[Any]:
    """(flow, coupling) pairs that have weights, of the ``own`` flows and those added: with
    ``listed``, those known to break the property; else the others. An own flow that is not
    installed is one skipped pair."""
    from invbench.registry import FLOWS
    from invbench.runner.run import builtin_entries
    from invbench.training.weights import find_weights

    added = added_targets(config)
    absent = [flow for flow in own if flow not in FLOWS]
    _refuse_broken(FLOWS)
    pairs = []
    for flow in dict.fromkeys([*own, *(t.name for t in added["flow"])]):
        if flow in absent:
            continue
        targets = {
            t.name: t for t in [resolve(n) for n in builtin_entries(flow)] + added["coupling"]
        }
        pairs += [(flow, t) for t in targets.values() if find_weights(flow, t, "mini", 0)]
    known = {k.target for k in known_failures(config, KNOWN) if k.property == property}
    return [pytest.param(flow, None, id=flow, marks=_skipped(flow)) for flow in absent] + [
        pytest.param(flow, t, id=f"{flow}:{t.name}")
        for flow, t in pairs
        if (f"{flow}:{t.name}" in known) == listed
    ]


def _skipped(flow: str) -> pytest.MarkDecorator:
    return pytest.mark.skip(
        reason=f"{flow} is not installed here: pip install invbench-reference-models"
    )


@pytest.fixture(scope="session")
def known_failure(request: pytest.FixtureRequest) -> Callable[[str, str], KnownFailure]:
    """(name of a flow, property) → its entry in the file of known failures."""
    table = {(k.target, k.property): k for k in known_failures(request.config, KNOWN)}
    return lambda target, property: table[target, property]


@pytest.fixture(scope="session")
def keep(request: pytest.FixtureRequest) -> Callable[[Target, str, InputRecipe, str], None]:
    """Append a violation to this worker's file below --results. A counterexample is made of it
    later."""
    results = folder(request.config)

    def write(target: Target, law: str, recipe: InputRecipe, message: str) -> None:
        request.config.stash[LAST] = (target, law, recipe)
        if results is not None:
            record = {
                "target": target.name,
                "property": law,
                "recipe": recipe.as_dict(),
                "message": message,
            }
            append(results, record)

    return write


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Save a counterexample of a failed law below --results. Its recipe is the one that Hypothesis
    shrank to."""
    report = yield
    broken, results = item.config.stash.get(LAST, None), folder(item.config)
    if report.when == "call" and broken is not None:
        del item.config.stash[LAST]
        if report.failed:
            report.user_properties.append((CASE, str(call.excinfo.value) if call.excinfo else ""))
        if report.failed and results is not None:
            from invbench.laws.cases.counterexample import save_counterexample

            options = value(item.config, "dtype"), value(item.config, "device")
            try:
                text = replay_command(
                    save_counterexample(results, *broken, *options), broken[0].spec
                )
            except ValueError as error:  # it does not show again
                text = f"no counterexample saved: {error}"
            report.sections.append(("invbench", text))
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    _merge(session.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    _merge(session.config)


def _merge(config: pytest.Config) -> None:
    results = folder(config)
    if results is not None and not hasattr(config, "workerinput"):
        for problem in merge(results):
            sys.stderr.write(f"invbench: {problem}\n")


# photographs and their measures come with an extra
collect_ignore = ["test_attacks.py", "test_flows.py"] if absent("bench") else []


def pytest_report_header(config: pytest.Config) -> str:
    import hypothesis
    import torch

    what = (
        f"{value(config, 'dtype')} on {value(config, 'device')}, budget "
        f"{value(config, 'budget') or 'default'}, seed {value(config, 'seed')}"
    )
    return (
        f"invbench {invbench.__version__}, torch {torch.__version__}, Hypothesis "
        f"{hypothesis.__version__}: {what}, one thread per worker"
        + (f"; trained flows are left out: {install('bench')}" if collect_ignore else "")
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``-m soundness``, ``-m design``, ``-m capability``; and what Hypothesis draws by
    ``--invbench-seed``."""
    if missing(pytest.__version__, "hypothesis"):
        return  # said already, and nothing is collected
    import hypothesis

    seed = value(config, "seed")
    for item in items:
        function = getattr(item, "function", None)
        if (laws := getattr(function, "laws", None)) is not None:
            item.add_marker(laws[0])
        if seed and hypothesis.is_hypothesis_test(function):
            hypothesis.seed(seed)(function)


@pytest.fixture(scope="session")
def blame(
    keep: Callable[[Target, str, InputRecipe, str], None],
) -> Callable[[Target, str, InputRecipe, str, str], None]:
    """Keep a violation that the code is to blame for, and fail the test."""

    def fail(target: Target, law: str, recipe: InputRecipe, kind: str, message: str) -> None:
        keep(target, law, recipe, message)
        text = f"{target.name} breaks {law} ({kind}): {message}\nrecipe: {recipe}"
        pytest.fail(text, pytrace=False)

    return fail


@pytest.fixture(scope="session")
def obey(dtype: str, device: str, blame: Any) -> Callable[[Target, str, InputRecipe], None]:
    """Judge one law on one recipe that Hypothesis drew."""
    from invbench.testing import violations

    def judge(target: Target, law: str, recipe: InputRecipe) -> None:
        for violation in violations(target, law, dtype, device, recipe):
            blame(target, law, recipe, violation.kind, violation.message)

    return judge


@pytest.fixture(scope="session")
def obey_sweep(dtype: str, device: str, blame: Any) -> Callable[[Target, str], None]:
    """Judge one law that does not depend on the values, as ``invbench check`` does."""
    from invbench.laws import check
    from invbench.laws.cases.plan import Plan

    plan = Plan(rows=96, few_rows=96, limit=60.0, few=4, cases=1)

    def judge(target: Target, law: str) -> None:
        for failure in check(target, dtype, device, "smoke", [law], plan=plan).failures:
            if failure.breaks_soundness:
                recipe = InputRecipe(**failure.recipe)
                blame(target, law, recipe, failure.kind, failure.message)

    return judge


@pytest.fixture(scope="session")
def replay_known(dtype: str, device: str) -> Callable[[Target, KnownFailure], None]:
    """Replay a listed failure from its recipe. It is an expected failure; an entry that no longer
    fails is stale, which is an error."""
    from invbench.testing import violations

    def replay(target: Target, known: KnownFailure) -> None:
        recipe = InputRecipe(**known.recipe)
        if not violations(target, known.property, dtype, device, recipe):
            pytest.fail(
                f"stale entry: {known.target} no longer breaks {known.property}; remove it",
                pytrace=False,
            )
        pytest.xfail(known.reason)

    return replay


@pytest.fixture(scope="session")
def report(dtype: str, device: str) -> Callable[[Target, str], None]:
    """Check a law of another category than soundness. What it finds is an expected failure, with
    the message as its reason."""
    from invbench.laws import check

    def ask(target: Target, law: str) -> None:
        failures = check(target, dtype, device, "smoke", [law]).failures
        if failures:
            pytest.xfail(f"{failures[0].severity}: {failures[0].message}")

    return ask


@pytest.fixture(scope="session")
def results_folder(request: pytest.FixtureRequest) -> Path | None:
    return folder(request.config)


@pytest.fixture(scope="session")
def dtype(request: pytest.FixtureRequest) -> str:
    return str(value(request.config, "dtype"))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    return str(value(request.config, "device"))

"""The pytest plugin: options that say what to test, and how a failure is shown.

Every pytest session of the environment loads it. It imports nothing but pytest, and takes no name
that another project may want, before a suite or the decorator asks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from invbench.testing.options import OPTIONS, add_options, add_short_names, folder, value

if TYPE_CHECKING:
    from invbench.targets import Target
    from invbench.testing.known_failures import KnownFailure
    from invbench.testing.law_check import LawCheck

CASE = "invbench_case"  # the property of a failed test that shows its smallest case
SLOT = "invbench_slot"  # the key under which xdist sends a worker its environment
MARKERS = {
    "invbench": "every test of the laws of invertible layers",
    "invbench_soundness": "laws of soundness (invbench list properties)",
    "invbench_capability": "what a layer cannot do, and is expected not to",
    "invbench_design": "findings about a design that are expected",
}
PACKAGE = "invbench.suites"  # where a wheel has the suites
SUITES = "INVBENCH_SUITES"  # the name by which the suites' conftest is known


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    """After everybody else has added options: the short names, when our suites are asked for."""
    yield
    if _asks_for_suites(early_config, args):
        add_short_names(parser)


def _asks_for_suites(config: pytest.Config, args: list[str]) -> bool:
    """Whether the command line names the suites, as a folder, file or package, or pytest is
    started in their folder."""
    modules = (p for p in config.pluginmanager.get_plugins() if isinstance(p, ModuleType))
    if any(SUITES in vars(module) for module in modules):
        return True
    if "--pyargs" in args and any(
        arg == PACKAGE or arg.startswith((f"{PACKAGE}.", f"{PACKAGE}::")) for arg in args
    ):
        return True
    here = Path.cwd() / "conftest.py"
    try:
        return here.is_file() and f"{SUITES} =" in here.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return False


def pytest_configure(config: pytest.Config) -> None:
    for name, what in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {what}")
    # before a worker uses torch: it sees the GPU of its slot alone
    os.environ.update(getattr(config, "workerinput", {}).get(SLOT, {}))
    config.option.invbench_seed = str(value(config, "seed"))  # of today: one day for all workers


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto`` on a GPU: as many workers as its memory holds, not one per core."""
    return len(_slots(config)) or None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """One worker of xdist, before it starts: which GPU it has."""
    if slots := _slots(node.config):
        number = int(node.workerinput["workerid"].removeprefix("gw"))
        node.workerinput[SLOT] = slots[number % len(slots)]


def _slots(config: pytest.Config) -> list[dict[str, str]]:
    """The environment of each worker on a GPU. Empty on the CPU, and where there is no GPU: the
    suites report that."""
    if value(config, "device") == "cpu":
        return []
    from invbench.runner.gpu_slots import environments, slots, visible_gpus
    from invbench.runner.scheduler import default_workers

    asked = getattr(config.option, "numprocesses", None)
    names = slots(visible_gpus(), default_workers())
    if names and isinstance(asked, int) and asked > 0:
        names = [names[k % len(names)] for k in range(asked)]
    return environments(names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hand the options to the tests that ``parametrize_with_properties`` or ``LayerLaws`` made."""
    kind = getattr(sys.modules.get("invbench.testing.law_check"), "LawCheck", ())
    made = [
        (item, p["subject"], p["law"])
        for item in items
        if isinstance((p := _params(item)).get("law"), kind)
    ]
    if not made:
        return
    wanted = chosen_laws(config)
    known = {(k.target, k.property): k for k in known_failures(config)}
    for item, subject, law in made:
        _configure(law, config)
        if (entry := known.get((subject.name, law.name))) and law.expected is None:
            law.expected = entry.reason
            item.add_marker(expected_failure(entry.reason))
    left_out = {item for item, _, law in made if law.name not in wanted}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _configure(law: LawCheck, config: pytest.Config) -> None:
    law.dtype = law.dtype or value(config, "dtype")
    law.budget = law.budget or value(config, "budget")
    law.device, law.seed, law.results = (
        value(config, "device"),
        value(config, "seed"),
        folder(config),
    )


def _params(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def expected_failure(reason: str) -> pytest.MarkDecorator:
    """A law that must be broken: one that holds is a stale entry, which is an error."""
    return pytest.mark.xfail(reason=reason, raises=AssertionError, strict=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """The smallest case as a property of the test, which JUnit XML has; a stale expectation says
    what to do."""
    error = call.excinfo.value if call.excinfo is not None else None
    if text := getattr(error, CASE, None):
        item.user_properties.append((CASE, text))
    outcome = yield
    law: Any = _params(item).get("law")
    report = outcome.get_result()
    if getattr(law, "expected", None) and str(report.longrepr).startswith("[XPASS(strict)]"):
        report.longrepr += f" (it holds now: take the expected failure of {law.name!r} out)"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """On GitHub, an annotation for each failed law with its smallest case."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from invbench.testing.annotations import of_report

    for report in terminalreporter.stats.get("failed", []):
        if line := of_report(report, CASE, terminalreporter.config.rootpath):
            terminalreporter.write_line(line)


def chosen_laws(config: pytest.Config) -> list[str]:
    """The laws of ``--invbench-property``, or all."""
    from invbench.laws import LAWS

    chosen: list[str] = value(config, "property") or list(LAWS)
    if unknown := sorted(set(chosen) - set(LAWS)):
        raise pytest.UsageError(
            f"--invbench-property {unknown[0]}: no such law (invbench list properties)"
        )
    return chosen


def pytest_report_header(config: pytest.Config) -> str | None:
    """What was asked for; nothing in a session that asks for nothing."""
    given = [
        f"{name} {one}"
        for name, option in OPTIONS.items()
        for one in (value(config, name) if option.many else [value(config, name)])
        if option.many or str(one) != str(option.default)
    ]
    return f"invbench: {', '.join(given)}" if given else None


@lru_cache(maxsize=8)
def added_targets(config: pytest.Config) -> dict[str, list[Target]]:
    """The targets of the command line by kind, resolved once. A wrong one ends the session with a
    line that says why."""
    from invbench.errors import UsageError
    from invbench.targets import resolve_all

    try:
        return {
            kind: [t for spec in value(config, kind) for t in resolve_all(spec, (kind,))]
            for kind in ("coupling", "layer", "flow")
        }
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def known_failures(config: pytest.Config, *shipped: Path) -> list[KnownFailure]:
    """The ``shipped`` known failures and those of ``--invbench-xfails``."""
    from invbench.errors import UsageError
    from invbench.testing.known_failures import read_known_failures

    given = value(config, "xfails")
    files = [*shipped, *([Path(given)] if given else [])]
    try:
        return [known for file in files for known in read_known_failures(file)]
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None

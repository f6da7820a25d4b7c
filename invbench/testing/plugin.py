"""The pytest plugin: options that say what to test, and parameters for the suites.

Every pytest session of the environment loads it, so it imports nothing heavy before a suite asks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from invbench.targets import Target
    from invbench.testing.known_failures import KnownFailure

SLOT = "invbench_slot"  # the key under which xdist sends a worker its environment
MARKERS = ("soundness", "design", "capability")  # the categories of laws
ADDED = pytest.StashKey["dict[str, list[Target]]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("invbench", "invbench: crash tests of invertible networks")
    add = group.addoption
    add(
        "--coupling",
        action="append",
        default=[],
        metavar="TARGET",
        help="also test this coupling: name, file.py, module:Name",
    )
    add(
        "--layer",
        action="append",
        default=[],
        metavar="TARGET",
        help="also test this invertible layer",
    )
    add(
        "--flow",
        action="append",
        default=[],
        metavar="TARGET",
        help="also test this conditional flow",
    )
    add(
        "--property",
        action="append",
        default=[],
        metavar="NAME",
        help="test these laws only (invbench list properties)",
    )
    add("--device", default="cpu", help="cpu or cuda")
    add("--dtype", default="float32", help="float32 or float64")
    add(
        "--budget",
        choices=("smoke", "default", "deep"),
        help="how many examples (suites: default, decorator: smoke)",
    )
    add("--results", metavar="DIR", help="write violations and counterexamples below DIR")
    add("--xfails", default=None, metavar="FILE", help="known failures of your targets (TOML)")


def pytest_configure(config: pytest.Config) -> None:
    for category in MARKERS:
        config.addinivalue_line(
            "markers", f"{category}: laws of {category} (invbench list properties)"
        )
    # before a worker uses torch: it sees the GPU of its slot alone
    os.environ.update(getattr(config, "workerinput", {}).get(SLOT, {}))
    # two workers of two threads each are many times slower
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


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
    if config.getoption("device") == "cpu":
        return []
    from invbench.runner.gpu_slots import environments, slots, visible_gpus
    from invbench.runner.scheduler import default_workers

    asked = getattr(config.option, "numprocesses", None)
    names = slots(visible_gpus(), default_workers())
    if names and isinstance(asked, int) and asked > 0:
        names = [names[k % len(names)] for k in range(asked)]
    return environments(names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hand the options to the tests that ``parametrize_with_properties`` made. Its arguments come
    first."""
    from_decorator = getattr(sys.modules.get("invbench.testing.decorator"), "LawCheck", ())
    made = [
        (item, p["subject"], p["law"])
        for item in items
        if isinstance((p := _params(item)).get("law"), from_decorator)
    ]
    if not made:
        return
    wanted = chosen_laws(config)
    known = {(k.target, k.property): k for k in known_failures(config)}
    folder = config.getoption("results")
    for item, subject, law in made:
        law.dtype = law.dtype or config.getoption("dtype")
        law.budget = law.budget or config.getoption("budget")
        law.device = config.getoption("device")
        law.results = Path(folder) if folder else None
        if entry := known.get((subject.name, law.name)):
            item.add_marker(
                pytest.mark.xfail(reason=entry.reason, raises=AssertionError, strict=True)
            )
    left_out = {item for item, _, law in made if law.name not in wanted}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _params(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def chosen_laws(config: pytest.Config) -> list[str]:
    """The laws of ``--property``, or all."""
    from invbench.laws import LAWS

    chosen = config.getoption("property") or list(LAWS)
    if unknown := sorted(set(chosen) - set(LAWS)):
        raise pytest.UsageError(f"--property {unknown[0]}: no such law (invbench list properties)")
    return chosen


def pytest_report_header(config: pytest.Config) -> str | None:
    chosen = [
        f"{kind} {spec}"
        for kind in ("coupling", "layer", "flow")
        for spec in config.getoption(kind)
    ]
    if not chosen:
        return None
    return (
        f"invbench: {', '.join(chosen)}; {config.getoption('dtype')} on "
        f"{config.getoption('device')}"
    )


def added_targets(config: pytest.Config) -> dict[str, list[Target]]:
    """The targets of the command line by kind, resolved once. A wrong one ends the session with a
    line that says why."""
    if ADDED not in config.stash:
        from invbench.errors import UsageError
        from invbench.targets import resolve_all

        try:
            config.stash[ADDED] = {
                kind: [t for spec in config.getoption(kind) for t in resolve_all(spec, (kind,))]
                for kind in ("coupling", "layer", "flow")
            }
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[ADDED]


def known_failures(config: pytest.Config, *shipped: Path) -> list[KnownFailure]:
    """The ``shipped`` known failures and those of ``--xfails``."""
    from invbench.errors import UsageError
    from invbench.testing.known_failures import read_known_failures

    files = [*shipped] + ([Path(config.getoption("xfails"))] if config.getoption("xfails") else [])
    try:
        return [known for file in files for known in read_known_failures(file)]
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None

"""The options of the pytest plugin: ``--invbench-NAME`` on the command line, ``invbench_NAME`` in
an ini file; in the suites the short ``--NAME`` too.

Every pytest session of the environment reads this, so nothing but pytest is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from invbench.testing.seed import seed_of

__all__ = ["OPTIONS", "PREFIX", "Option", "add_options", "add_short_names", "folder", "value"]

PREFIX = "invbench"


@dataclass(frozen=True)
class Option:
    """One option. ``many``: it is repeatable, and a list of lines in an ini file. ``path``: it
    names a file or folder, in an ini file relative to pytest's rootdir. ``read`` turns the text
    into the value, and raises ``ValueError`` that says what would be one."""

    name: str
    help: str
    metavar: str | None = None
    default: Any = None
    many: bool = False
    path: bool = False
    choices: tuple[str, ...] = ()
    read: Callable[[str], Any] = str

    @property
    def dest(self) -> str:
        return f"{PREFIX}_{self.name}"


OPTIONS = {
    option.name: option
    for option in (
        Option("coupling", "also test this coupling: name, file.py, module:N", "TARGET", many=True),
        Option("layer", "also test this invertible layer", "TARGET", many=True),
        Option("flow", "also test this conditional flow", "TARGET", many=True),
        Option("property", "test these laws only (invbench list properties)", "NAME", many=True),
        Option("device", "cpu or cuda", "DEVICE", "cpu"),
        Option("dtype", "float32, float64, bfloat16 or float16", "DTYPE", "float32"),
        Option(
            "budget",
            "how many examples: smoke, default or deep (suites: default, decorator: smoke)",
            choices=("smoke", "default", "deep"),
        ),
        Option("results", "write violations and counterexamples below DIR", "DIR", path=True),
        Option("xfails", "known failures of your targets (TOML)", "FILE", path=True),
        Option("seed", "what is drawn: 0, another number, or today", "SEED", "0", read=seed_of),
    )
}  # fmt: skip


def add_options(parser: pytest.Parser) -> None:
    """The prefixed options and their ini equivalents."""
    group = parser.getgroup(PREFIX, "invbench: crash tests of invertible networks")
    for option in OPTIONS.values():
        group.addoption(f"--invbench-{option.name}", **_keywords(option))
        kind: Any = "linelist" if option.many else "string"
        parser.addini(option.dest, f"--invbench-{option.name}", type=kind, default=None)


def add_short_names(parser: pytest.Parser) -> None:
    """``--budget`` for ``--invbench-budget``, and so on. A name that another plugin or conftest has
    taken stays theirs."""
    group = parser.getgroup(f"{PREFIX} suites", "invbench: the same in its own suites")
    for option in OPTIONS.values():
        if _is_free(parser, f"--{option.name}"):
            group.addoption(f"--{option.name}", **_keywords(option))


def _is_free(parser: pytest.Parser, flag: str) -> bool:
    try:
        unknown = parser.parse_known_and_unknown_args([f"{flag}=0"])[1]
    except pytest.UsageError:  # a flag of theirs that takes no value, or not this one
        return False
    return f"{flag}=0" in unknown


def _keywords(option: Option) -> dict[str, Any]:
    more: dict[str, Any] = {"action": "append", "default": []} if option.many else {}
    if option.choices:
        more["choices"] = option.choices
    else:
        more["metavar"] = option.metavar
    return {"dest": option.dest, "help": option.help, **more}


@lru_cache(maxsize=64)
def value(config: pytest.Config, name: str) -> Any:
    """What the command line says, else the ini file, else the default. Raises
    ``pytest.UsageError`` that names the place of a value that cannot be."""
    option = OPTIONS[name]
    given: Any = getattr(config.option, option.dest, None)
    place = f"--invbench-{name}"
    if not given:
        given, place = config.getini(option.dest), f"{option.dest} ({config.inipath})"
        if given and option.path:
            given = str(config.rootpath / given)
        elif given and option.many:
            given = [_rooted(one, config.rootpath) for one in given]
    if not given:
        given = [] if option.many else option.default
    if option.many or given is None:
        return list(given) if option.many else None
    if option.choices and given not in option.choices:
        raise pytest.UsageError(f"{place}: {given!r} is not one of {', '.join(option.choices)}")
    try:
        return option.read(given)
    except ValueError as error:
        raise pytest.UsageError(f"{place}: {error}") from None


def _rooted(target: str, rootdir: Path) -> str:
    """``file.py:Name`` of an ini file, whose files lie relative to pytest's rootdir."""
    name, suffix, rest = target.partition(".py")
    file = rootdir / f"{name}.py"
    return f"{file}{rest}" if suffix and file.is_file() else target


def folder(config: pytest.Config) -> Path | None:
    """The folder of ``--invbench-results``."""
    given = value(config, "results")
    return None if given is None else Path(given)

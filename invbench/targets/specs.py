"""What a target's text says by itself: its file, its options, its cure."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

from invbench.errors import UsageError

__all__ = [
    "absolute",
    "file_of",
    "guarded_by",
    "replay_command",
    "runs_new_code",
    "split_call",
    "split_cure",
    "without_options",
]

_CALL = re.compile(r"^(?P<name>[^()]+)\((?P<options>.*)\)$", re.DOTALL)
# a name, and options in which a text may hold parentheses
_CURE = re.compile(
    r"""^(?P<plain>.+)\+(?P<cure>[A-Za-z][\w-]*(\((?:[^()'"]|'[^']*'|"[^"]*")*\))?)$""", re.DOTALL
)


def split_cure(spec: str) -> tuple[str, str]:
    """(the target without its cure, the cure with its options): ``affine+guard(margin=2)`` is
    ``affine`` and ``guard(margin=2)``. The cure is empty where there is none."""
    found = _CURE.match(spec)
    return (found["plain"], found["cure"]) if found else (spec, "")


def guarded_by(spec: str, file: Path) -> str:
    """The target behind the guard in a file. Raises ``UsageError`` for one that has a cure."""
    if cure := split_cure(spec)[1]:
        raise UsageError(f"{spec} has the cure {cure} already; leave --guard out")
    return f"{spec}+guard(file={str(file.absolute())!r})"


def without_options(spec: str) -> str:
    """The part of a target before its options, and without its cure."""
    return split_cure(spec)[0].partition("(")[0]


def runs_new_code(spec: str) -> bool:
    """Whether resolving the target imports a file or module that it names, with or without options;
    registered and library names do not."""
    name = without_options(spec)
    return ":" in name or name.strip().endswith(".py")


def replay_command(folder: Path, target: str, flow: str = "") -> str:
    """The line that runs a saved case again. A target or flow that is a file or module is named in
    it: it runs only when the user says so."""
    named = [
        part
        for flag, spec in (("--flow", flow), ("--target", target))
        if runs_new_code(spec)
        for part in (flag, spec)
    ]
    return shlex.join(["invbench", "replay", folder.as_posix(), *named])


def file_of(spec: str) -> tuple[Path, str] | None:
    """(the file that a target names, absolute; what follows it, as in ``:Name(option=1)+guard``);
    None for a target of another kind."""
    plain, cure = split_cure(spec)
    name, bracket, options = plain.partition("(")
    where, colon, attribute = name.rpartition(":")
    path = Path(where if colon else name).expanduser()
    if path.suffix != ".py" or not path.is_file():
        return None
    rest = colon + (attribute if colon else "") + bracket + options
    return path.absolute(), rest + ("+" + cure if cure else "")


def absolute(spec: str) -> str:
    """The same target for a process that stands in another folder: a file's path is made absolute,
    any other target is as it was."""
    found = file_of(spec)
    return f"{found[0]}{found[1]}" if found else spec


def split_call(spec: str) -> tuple[str, dict[str, Any]]:
    """(name, options) of ``name(option=literal, …)``. Raises ``UsageError`` for anything else in
    the parentheses."""
    match = _CALL.match(spec)
    if match is None:
        return spec, {}
    try:
        call = ast.parse(f"f({match['options']})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not all(k.arg for k in call.keywords):
            raise ValueError("not options")
        options = {
            # a bare word is a text
            str(k.arg): k.value.id if isinstance(k.value, ast.Name) else ast.literal_eval(k.value)
            for k in call.keywords
        }
        if len(options) < len(call.keywords):
            raise ValueError("an option twice")
        return match["name"], options
    except (SyntaxError, ValueError):
        raise UsageError(
            f"{spec}: options must be name=literal or name=word, each once, as in rq(bins=16)"
        ) from None

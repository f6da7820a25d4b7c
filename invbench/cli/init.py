"""The verb that writes the test file of a package: its bijections under every law."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invbench.cli.declare import shape_of
from invbench.console import JsonFlag, err, out, print_json
from invbench.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from invbench.testing.candidates import Candidate

__all__ = ["init"]

NO_PACKAGES = {"tests", "test", "docs", "doc", "examples", "benchmarks", "scripts", "build", "dist"}
FILE = '''"""The bijections of {package} under the laws of invertible layers (invbench)."""

from invbench.testing import Layer, parametrize_with_properties

LAYERS = [
{lines}
]


@parametrize_with_properties(LAYERS)
def test_invertible(subject, law):
    law(subject)
'''


def init(
    module: Annotated[
        str | None, typer.Option(help="The package to look into. Default: the one in this folder.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take all that can be built.")] = (
        False
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file. Default: tests/test_invertible.py."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a test file for the package in this folder: each of its bijections under every law. It
    asks which they are, and never overwrites.

    Examples: `invbench init`, `invbench init --yes`, `invbench init --module my_flows -o
    tests/test_flows.py`
    """
    path = output or _default_path()
    if path.exists():
        raise UsageError(f"{path} is there already and stays as it is; name another: -o FILE")
    asks = not (yes or module or as_json)
    if asks and not sys.stdin.isatty():
        raise UsageError("init asks which bijections to test; without a terminal say --yes")
    package = module or _package(Path.cwd())
    installed = _importable(package)
    from invbench.testing.candidates import candidates

    found, problems = candidates(package)
    for line in problems:
        err.print(f"left out: {line}", markup=False, soft_wrap=True, highlight=False)
    answers = [(one, _asked(one) if asks else _as_it_is(one)) for one in found]
    chosen = [line for _, line in answers if line]
    left = [one for one, line in answers if not line and one.problem]
    if not chosen:
        raise UsageError(_nothing(package, left))
    _write(path, _text(package, chosen, left))
    if as_json:
        print_json(
            {"file": str(path), "layers": len(chosen), "left_out": [one.spec for one in left]}
        )
        return
    out.print(f"{path}: {len(chosen)} layers under every law", markup=False, soft_wrap=True)
    if left:
        out.print(f"{len(left)} more are in it as comments to complete", markup=False)
    if not installed:
        out.print(f"{package} is not installed here: pip install -e . makes pytest find it")
    out.print(f"run it: pytest {path}", markup=False, soft_wrap=True, highlight=False)


def _default_path() -> Path:
    folder = next((Path(name) for name in ("tests", "test") if Path(name).is_dir()), Path())
    return folder / "test_invertible.py"


def _package(here: Path) -> str:
    """The package of a project's folder. Raises ``UsageError`` when there is none, or several."""
    places = [folder for folder in (here / "src", here) if folder.is_dir()]
    names = [
        init_file.parent.name
        for folder in places
        for init_file in sorted(folder.glob("*/__init__.py"))
        if init_file.parent.name not in NO_PACKAGES and init_file.parent.name.isidentifier()
    ]
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(f"{here} has no package in it; say which one: invbench init --module NAME")
    raise UsageError(f"which of {', '.join(names)}? Say it: invbench init --module {names[0]}")


def _importable(package: str) -> bool:
    """Whether the package is found without this folder, which is added where it is not."""
    if importlib.util.find_spec(package.partition(".")[0]) is not None:
        return True
    sys.path[:0] = [str(Path(place).resolve()) for place in ("src", ".") if Path(place).is_dir()]
    return False


def _as_it_is(candidate: Candidate) -> str:
    return "" if candidate.problem else _line(candidate.spec)


def _line(spec: str, declared: str = "") -> str:
    """A layer as the test file has it. Options in the target may have quotes of their own."""
    quoted = repr(spec) if '"' in spec else f'"{spec}"'
    return f"Layer({quoted}{declared}),"


def _asked(candidate: Candidate) -> str:
    """The line of what a person says of it; empty: it is left out."""
    spec, about = candidate.spec, candidate.spec
    if candidate.summary:
        about += f" ({candidate.summary})"
    if not candidate.problem:
        return _line(spec) if typer.confirm(f"{about}: test it?", default=True) else ""
    from invbench.testing.candidates import tried

    if candidate.needs:
        question = f"{about}\n  needs {', '.join(candidate.needs)}; arguments as dim=4, or Enter"
    elif candidate.shapeless:
        question = f"{about}\n  shape of one x without the batch, as 3,32,32, or Enter"
    else:
        return ""
    while given := str(typer.prompt(question, default="", show_default=False)).strip():
        try:
            shape = None if candidate.needs else shape_of("event shape", given)
            called = f"{spec}({given})" if candidate.needs else spec
            if not (problem := tried(called, shape)):
                return _line(called, f", event_shape={shape}" if shape else "")
        except UsageError as error:
            problem = str(error)
        err.print(f"  {problem}", markup=False, soft_wrap=True, highlight=False)
    return ""


def _nothing(package: str, left: list[Candidate]) -> str:
    if not left:
        return f"{package} has nothing that goes both ways: no module with forward and inverse"
    first = left[0]
    return (
        f"nothing in {package} can be built as it is ({len(left)} need arguments, first "
        f"{first.spec}: {', '.join(first.needs) or first.problem}); run invbench init on a "
        f"terminal, or register a factory: docs/adopt.md"
    )


def _text(package: str, chosen: list[str], left: list[Candidate]) -> str:
    lines = [f"    {line}" for line in chosen]
    for one in left:
        arguments = f"({', '.join(f'{name}=…' for name in one.needs)})" if one.needs else ""
        declared = ", event_shape=…" if one.shapeless else ""
        why = f"needs {', '.join(one.needs)}" if one.needs else _short(one.problem)
        why = "needs the shape of one x" if one.shapeless else why
        lines.append(f"    # {_line(one.spec + arguments, declared)}  # {why}")
    return FILE.format(package=package, lines="\n".join(lines))


def _short(problem: str) -> str:
    return re.sub(r"\s+", " ", problem)[:120]


def _write(path: Path, text: str) -> None:
    """A new file; one that appears meanwhile is not overwritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already and stays as it is") from None
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}") from None

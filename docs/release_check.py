"""Is this checkout fit for a release? python docs/release_check.py [--only STEP]

Versions agree; numbers and written pages are current; both distributions are built and accepted by
twine; the wheels work in an empty folder. Ends with code 1 at the first that fails, and says which.
Needs: pip install build twine. docs/release.md has the rest of the checklist.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent
TORCH = "torch==2.13.0"  # as in the README: any other name of it may fetch another build


class Unfit(Exception):
    """Why this is no release."""


def versions(root: Path = ROOT) -> dict[str, str]:
    """Where a version stands → the version."""
    places = {
        "invbench/__init__.py": r'^__version__ = "([^"]+)"',
        "reference_models/invbench_models/__init__.py": r'^__version__ = "([^"]+)"',
        "CITATION.cff": r"^version: (\S+)",
        "CHANGELOG.md": r"^## (\d\S*)",
    }
    found = {}
    for name, pattern in places.items():
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        if not match:
            raise Unfit(f"{name} states no version")
        found[name] = match[1]
    return found


def check_versions(root: Path = ROOT) -> None:
    """One version everywhere, and numbers of three parts. Raises ``Unfit``."""
    found = versions(root)
    if len(set(found.values())) > 1:
        raise Unfit("versions differ: " + ", ".join(f"{k} {v}" for k, v in found.items()))
    version = next(iter(found.values()))
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", version):
        raise Unfit(f"version {version} is not MAJOR.MINOR.PATCH")


def call(*command: str | Path, cwd: Path = ROOT) -> None:
    """Raises ``Unfit`` with the end of the output when a command fails."""
    # what is tested is what was built, not the checkout
    known = {k: v for k, v in os.environ.items() if cwd == ROOT or k != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=known, text=True, capture_output=True)
    if done.returncode:
        raise Unfit(f"{' '.join(words)}\n{(done.stdout + done.stderr)[-3000:]}")


def check_numbers() -> None:
    call(sys.executable, "docs/fill_numbers.py", "--check")


def check_pages() -> None:
    call(sys.executable, "-m", "pytest", "-q", "tests/docs", "tests/report/test_explain.py")


def check_wheels() -> None:
    """Build both, let twine read them, install the wheels alone and use them."""
    with tempfile.TemporaryDirectory() as folder:
        empty, dist = Path(folder), Path(folder) / "dist"
        for project in (ROOT, ROOT / "reference_models"):
            call(sys.executable, "-m", "build", "--outdir", dist, project)
        built = sorted(dist.iterdir())
        call(sys.executable, "-m", "twine", "check", "--strict", *built)
        call(sys.executable, "-m", "venv", empty / "venv")
        tools = empty / "venv" / "bin"
        wheels = [path for path in built if path.suffix == ".whl"]
        own = next(path for path in wheels if path.name.startswith("invbench-"))
        call(tools / "pip", "install", "-q", TORCH)
        call(tools / "pip", "install", "-q", f"{own}[bench]", *(w for w in wheels if w != own))
        check = ("check", "modified-rq", "--budget", "smoke")
        call(tools / "invbench", *check, cwd=empty)
        run = ("run", "--track", "coupling", "--budget", "smoke", "--entry", "affine")
        call(tools / "invbench", *run, cwd=empty)
        call(tools / "invbench", "table", "--track", "coupling", cwd=empty)


STEPS: dict[str, Callable[[], None]] = {
    "versions": check_versions,
    "numbers": check_numbers,
    "pages": check_pages,
    "wheels": check_wheels,
}


def main(
    only: Annotated[list[str], typer.Option(help="A step; repeatable. Default: all.")] = [],  # noqa: B006
) -> None:
    for name in only:
        if name not in STEPS:
            print(f"no such step: {name}; choose from {', '.join(STEPS)}", file=sys.stderr)
            raise SystemExit(2)
    for name, step in STEPS.items():
        if only and name not in only:
            continue
        try:
            step()
        except Unfit as why:
            print(f"{name}: {why}", file=sys.stderr)
            raise SystemExit(1) from None
        print(f"{name}: fine", flush=True)


if __name__ == "__main__":
    typer.run(main)

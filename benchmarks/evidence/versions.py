"""Do the laws hold under another Python and another torch? python benchmarks/evidence/versions.py
[--pair 3.10:2.6.0] [--pair 3.13:2.14.1] …

Each pair is a fresh environment in a temporary folder: ``pythonX.Y -m venv``, that torch (a CPU or a
CUDA build, whichever installs), invbench with its extra ``bench``; then the tests of the laws and of
the couplings. Adds a line to results/evidence/versions.md, and keeps the log beside it. Gigabytes
are downloaded where a torch is a CUDA build; ``--find-links FOLDER`` takes wheels from a folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from runs import ROOT

from invbench.console import err
from invbench.files import write_atomically

DEFAULT = ["3.10:2.6.0", "3.13:2.14.1"]  # the lowest and the newest
TESTS = ("tests/laws", "tests/couplings")
HEAD = """# Under other versions

`python benchmarks/evidence/versions.py`: the tests of the laws and of the couplings in a fresh environment of each pair.

| date | Python | torch | tests | seconds |
|:--|:--|:--|:--|--:|
"""


def interpreter(version: str) -> str:
    """The Python of that version on the path or among pyenv's. Raises ``typer.BadParameter``."""
    own = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(p) for p in sorted(own.glob(f"{version}.*/bin/python"))]
    found += [path for path in [shutil.which(f"python{version}")] if path]
    if not found:
        raise typer.BadParameter(f"no Python {version} on this machine")
    return found[0]


def tested(
    python: str, torch: str, links: Path | None, workers: int, tests: Sequence[str]
) -> tuple[str, str, str]:
    """(version of torch, last line of pytest, whole log) in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([interpreter(python), "-m", "venv", folder], check=True)
        own = Path(folder, "bin", "python")
        wheels = ["--find-links", str(links)] if links else []
        for what in (
            [f"torch=={torch}"],
            [f"{ROOT}[bench]", "mpmath", str(ROOT / "reference_models")],
        ):
            subprocess.run([own, "-m", "pip", "install", "-q", *wheels, *what], check=True)
        said = subprocess.run(
            [own, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True
        ).stdout.strip()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "INVBENCH_CACHE": f"{folder}/cache"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            [own, "-m", "pytest", "-q", "-n", str(workers), "-p", "no:cacheprovider", *tests],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    log = done.stdout + done.stderr
    last = (done.stdout.strip().splitlines() or ["nothing ran"])[-1].strip("= ")
    return said, last, log


def main(
    pair: Annotated[
        list[str] | None,
        typer.Option(help="PYTHON:TORCH; repeatable. Default: 3.10:2.6.0 3.13:2.14.1"),
    ] = None,
    find_links: Annotated[Path | None, typer.Option(help="A folder of wheels.")] = None,
    workers: Annotated[int, typer.Option(help="pytest -n.")] = 2,
    test: Annotated[
        list[str] | None,
        typer.Option(help="These tests only; repeatable. The line says which."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT / "results/evidence",
) -> None:
    page = output / "versions.md"
    text = page.read_text("utf-8") if page.exists() else HEAD
    failed = False
    for one in pair or DEFAULT:
        python, _, torch = one.partition(":")
        err.print(f"Python {python}, torch {torch} …")
        started = time.monotonic()
        version, last, log = tested(python, torch, find_links, workers, test or TESTS)
        failed |= "failed" in last or "passed" not in last
        seconds = time.monotonic() - started
        last += f"; of {', '.join(test)} only" if test else ""
        text += f"| {time.strftime('%Y-%m-%d')} | {python} | {version} | {last} | {seconds:.0f} |\n"
        write_atomically(page, text.encode())
        write_atomically(output / f"versions-{python}-{torch}.log", log.encode())
        err.print(last)
    raise SystemExit(failed)


if __name__ == "__main__":
    typer.run(main)

"""Run every command of docs/tutorial.md in an empty folder, one after the other.

    python docs/run_tutorial.py [PAGE]

A block of Python with a title is written to that file. A block of bash must end with exit code 0, or
with the code that the comment above it names: <!-- exit 1 -->. Every line of a block of text must
stand in what the command before it printed; … stands for anything. A block below another comment is
not run: the comment says who runs it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from pages import ROOT, blocks

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}  # terminals wrap lines, and this reads them


class Stumble(Exception):
    """A command or an output of a page that is not as the page says."""


def environment(folder: Path) -> dict[str, str]:
    """``invbench`` and ``pytest`` are those of this Python; caches are of this run alone."""
    tools = folder / ".bin"
    tools.mkdir()
    for name, module in (("invbench", "invbench"), ("pytest", "pytest"), ("python", "")):
        text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {"-m " + module if module else ""} "$@"\n'
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), os.environ.get("PATH", "")])
    return {**os.environ, **WIDE, "PATH": path, "INVBENCH_CACHE": str(folder / ".cache")}


def run_page(page: Path, folder: Path) -> int:
    """How many blocks were run. Raises ``Stumble`` at the first that is not as the page says."""
    known, printed, done = environment(folder), "", 0
    (folder / "suites").symlink_to(ROOT / "suites")  # the page is read in a clone
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}, line {block.line}"
        if block.title:
            (folder / block.title).write_text(block.code)
        elif block.language == "text":
            for line in filter(None, (line.strip() for line in block.code.splitlines())):
                parts = [re.escape(" ".join(part.split())) for part in line.split("…")]
                if not re.search(".*".join(parts), " ".join(printed.split())):
                    raise Stumble(f"{where}: {line!r} is not in what was printed:\n{printed}")
        elif block.language == "bash" and (not block.mark or block.mark.startswith("exit ")):
            expected = int(block.mark.removeprefix("exit ") or 0)
            began = time.monotonic()
            ended = subprocess.run(
                ["bash", "-ec", block.code], cwd=folder, env=known, text=True, capture_output=True
            )
            printed, done = ended.stdout + ended.stderr, done + 1
            seconds = time.monotonic() - began
            print(f"{seconds:6.1f} s  {block.code.splitlines()[0][:100]}", flush=True)
            if ended.returncode != expected:
                raise Stumble(f"{where}: exit code {ended.returncode}, not {expected}:\n{printed}")
    return done


def main(page: Annotated[Path, typer.Argument()] = ROOT / "docs" / "tutorial.md") -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = run_page(page, Path(folder))
        except Stumble as stumble:
            print(stumble, file=sys.stderr)
            raise SystemExit(1) from None
    print(f"{page.name}: {done} blocks run")


if __name__ == "__main__":
    typer.run(main)

r"""Is invbench sound and fast on this GPU: python benchmarks/gpu_acceptance.py [--device cuda|cpu]

One call of at most --limit-s seconds (480). Ten parts (``gpu/part.py``), each in a process of its
own with its own limit, so that one that fails, hangs or dies costs itself alone: laws of all
designs and layers, CPU = GPU in seven precisions, fused kernels, cells of the tracks, the suites,
ns per element and share of the memory bandwidth, a short training, the published size, the recipe
``medium``. The exit code is 1 when one of them is not in order.

**Needs** this repository, in a clone, and torch with CUDA and Triton; no network, no data set, no
installation (a clone that is not installed gets its entry points from ``gpu/clone.py``). Packages:
those of the extra [bench] in ``pyproject.toml``. On a CPU all parts but ``paper`` run, scaled down,
which shows that the script works: .ci/run does that.

**Results**: --out, by default $OUT, else ``results-acceptance``: ``acceptance.json`` (provenance,
parts, their numbers), ``acceptance.csv``, ``acceptance.log``, and the cells as ``sr.jsonl`` and
``lowlight.jsonl``. Five flat files. ``invbench merge FOLDER`` takes the cells.

**Here**: ``python benchmarks/gpu_acceptance.py``, or ``--device cpu``; ``--part speed`` for one.

**On the lent machine** (the tool ``run``, /work/.library/device; python3 there is 3.12 with torch
2.11, CUDA and Triton). It lacks four packages, which travel as wheels, with typing_extensions:

    echo /.whl/ >> .git/info/exclude
    python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 \
      --implementation cp --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
      -d .whl pydantic==2.14.4 pydantic_core==2.50.5 annotated_types==0.8.0 \
      typing_inspection==0.4.5 typing_extensions==4.16.0

At most 64 MiB travel, and git has 86 MiB. What no part reads is set aside for the call, in the
clone of the session, and brought back after it:

    git rm -rq results reference_models/invbench_models/fs_ncsr/weights
    git restore -SW results reference_models    # after the call

The call, with ``timeout_s`` 560 and ``carry`` [".whl"]; COMMIT is git's HEAD here:

    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
      --target /tmp/site .whl/*.whl && export PYTHONPATH=/tmp/site || exit; \
      python3 benchmarks/gpu_acceptance.py --commit COMMIT
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from gpu.clone import ROOT, environment
from gpu.isolated import BAD, Outcome, run_part
from gpu.part import PARTS, Part, Setting
from gpu.summary import table, write_summary
from rich.console import Console

__all__ = ["accept"]

RESERVE = 3.0  # seconds for the summary
CPU_SECONDS = 600.0  # of a part on a CPU, which may be shared


def accept(
    parts: Sequence[Part],
    device: str,
    out: Path,
    work: Path,
    limit: float,
    provenance: dict[str, Any],
    console: Console,
) -> list[Outcome]:
    """Run the parts one after another, and write the summary after each."""
    out.mkdir(parents=True, exist_ok=True)
    started, outcomes, given = time.monotonic(), [], environment(work)
    lost = ""
    for part in parts:
        left = limit - RESERVE - (time.monotonic() - started)
        if device == "cpu" and part.not_on_cpu:
            lost_here = part.not_on_cpu
        elif left < part.least:
            lost_here = f"it needs {part.least:g} s, and {max(0.0, left):.0f} s are left"
        else:
            lost_here = lost
        if lost_here:
            outcome = Outcome(part, "skipped", reasons=[lost_here])
        else:
            seconds = min(left, CPU_SECONDS if device == "cpu" else part.seconds)
            console.print(f"{part.name}: {part.what}, at most {seconds:.0f} s", highlight=False)
            own = work / part.name
            answer = str(own / "answer.json")
            setting = Setting(device, seconds, str(own), str(out.absolute()), answer)
            outcome = run_part(part, setting, given)
        outcomes.append(outcome)
        if part.first:
            provenance |= outcome.answer.rows[0] if outcome.answer.rows else {}
            lost = f"{part.name}: {outcome.reasons[0]}" if outcome.status in BAD else ""
        said = outcome.answer.said or "; ".join(outcome.reasons)
        console.print(f"  {outcome.status}, {outcome.seconds:.0f} s: {said}", markup=False)
        write_summary(out, provenance, outcomes)
    return outcomes


def commit_here() -> str:
    """The commit of the clone, with +changes when it is not clean; empty where git cannot say."""
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+changes" if changes else "")


def main(
    device: Annotated[str, typer.Option(help="cuda, or cpu for a scaled-down run.")] = "cuda",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results. Default: $OUT, or one here.")
    ] = None,
    limit_s: Annotated[float, typer.Option(help="Seconds for all parts together.")] = 480.0,
    part: Annotated[list[str] | None, typer.Option(help="This part only; repeatable.")] = None,
    commit: Annotated[str, typer.Option(help="The commit, where git cannot say it.")] = "",
) -> None:
    if unknown := sorted(set(part or ()) - {one.name for one in PARTS}):
        names = ", ".join(one.name for one in PARTS)
        raise typer.BadParameter(f"{unknown[0]}: no such part; there are {names}")
    if device not in ("cpu", "cuda"):
        raise typer.BadParameter(f"device {device}: cpu or cuda")
    console = Console(emoji=False, width=110 if not sys.stdout.isatty() else None)
    folder = out or Path(os.environ.get("OUT") or "results-acceptance")
    begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
    provenance = {"commit": commit or commit_here(), "begun": begun, "limit_s": limit_s}
    chosen = [one for one in PARTS if one.first or not part or one.name in part]
    with tempfile.TemporaryDirectory(prefix="invbench-gpu-", ignore_cleanup_errors=True) as work:
        found = accept(chosen, device, folder, Path(work), limit_s, provenance, console)
    console.print(table(found))
    console.print(f"results: {folder}", markup=False, highlight=False)
    if any(one.status in BAD for one in found):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)

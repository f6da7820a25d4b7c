"""Do the suites say the same whatever Hypothesis draws? python benchmarks/evidence/repeat_suites.py
[--runs 20] [--budget smoke] [--output results/laws]

Runs `pytest suites/` with --hypothesis-seed=0, 1, …, not derandomised, and compares the outcome of
every test. repeats.csv: a row per run; repeats.md: the tests whose outcome differed between runs.
Interrupted, the same command goes on from the last finished run.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from invbench.files import cache_dir, write_atomically
from invbench.store.provenance import provenance

SUITES = Path(__file__).parents[2] / "suites"


def outcomes(report: Path) -> dict[str, str]:
    """Test → passed, failed, error, xfailed or skipped, from JUnit XML that pytest wrote here."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag: child.get("type", "") for child in case}
        if "failure" in kinds or "error" in kinds:
            outcome = "failed" if "failure" in kinds else "error"
        elif "skipped" in kinds:
            outcome = "xfailed" if kinds["skipped"] == "pytest.xfail" else "skipped"
        else:
            outcome = "passed"
        found[f"{case.get('classname')}::{case.get('name')}"] = outcome
    return found


def one_run(seed: int, budget: str, folder: Path) -> dict[str, object]:
    """Run the suites once, or read what an earlier call left of this seed."""
    kept = folder / f"{budget}-{seed}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    report = folder / f"{budget}-{seed}.xml"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(SUITES),
        "-n",
        "auto",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--budget", budget, f"--hypothesis-seed={seed}", f"--junitxml={report}"]
    environment = {k: v for k, v in os.environ.items() if k != "CI"}
    started = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"pytest ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
        )
    found: dict[str, object] = {
        "seconds": round(time.monotonic() - started),
        "outcomes": outcomes(report),
    }
    write_atomically(kept, json.dumps(found).encode())
    return found


def main(
    runs: Annotated[int, typer.Option(help="Runs, with seeds 0, 1, ….")] = 20,
    budget: Annotated[str, typer.Option(help="Budget of the suites.")] = "smoke",
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("results/laws"),
) -> None:
    origin = provenance("cpu", 0.0, f"{__file__}:1")
    folder = cache_dir() / "repeats" / (str(origin["commit"]) or "wheel")
    rows, by_test = [], defaultdict(list)
    for seed in range(runs):
        found = one_run(seed, budget, folder)
        tests: dict[str, str] = found["outcomes"]  # type: ignore[assignment]
        rows.append(
            {"seed": seed, "budget": budget, "seconds": found["seconds"], **Counter(tests.values())}
        )
        for name, outcome in tests.items():
            by_test[name].append(outcome)
        print(
            f"seed {seed}: {dict(Counter(tests.values()))}, {found['seconds']} s", file=sys.stderr
        )
    frame = pd.DataFrame(rows).fillna(0)
    differing = {
        name: Counter(seen)
        for name, seen in by_test.items()
        if len(set(seen)) > 1 or len(seen) < runs
    }
    lines = [
        f"- `{name}`: " + ", ".join(f"{o} {n}×" for o, n in seen.items())
        for name, seen in sorted(differing.items())
    ]
    text = (
        f"# {runs} runs of the suites with other seeds\n\n{len(by_test)} tests at budget "
        f"`{budget}`, Hypothesis seeds 0 to {runs - 1}, not "
        f"derandomised; a run took {frame.seconds.median():.0f} s in the median (slowest "
        f"{frame.seconds.max():.0f} s) on {os.cpu_count()} cores, "
        f"which may have been shared.\n\n**Tests whose outcome differs between runs: "
        f"{len(differing)}.**\n\n"
        + "".join(f"{line}\n" for line in lines)
        + f"\ntorch {torch.__version__}, Python {platform.python_version()}, commit "
        f"{str(origin['commit'])[:12]}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}. Measured by `python "
        f"benchmarks/evidence/repeat_suites.py --runs {runs} --budget {budget}`.\n"
    )
    write_atomically(output / "repeats.csv", frame.to_csv(index=False).encode())
    write_atomically(output / "repeats.md", text.encode())


if __name__ == "__main__":
    typer.run(main)

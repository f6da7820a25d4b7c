"""Checks in several processes, rows kept as they come, and the line that says what a table was made
with."""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # the corpus lies beside the tests

from invbench.console import progress_bar  # noqa: E402
from invbench.errors import UsageError  # noqa: E402
from invbench.files import write_atomically  # noqa: E402
from invbench.laws import check  # noqa: E402
from invbench.targets import Target  # noqa: E402

Row = dict[str, Any]


def judged(target: Target, dtype: str, **options: Any) -> Row:
    """What ``check`` says: sound, seconds, the laws that accuse, those that no row decided."""
    started = time.monotonic()
    try:
        report = check(target, dtype, **options)
    except UsageError as error:  # neither sound nor caught
        said = " ".join(str(error).split())[:200]
        return {
            "sound": "",
            "seconds": round(time.monotonic() - started, 2),
            "laws": f"UsageError: {said}",
        }
    laws = dict.fromkeys(f.property for f in report.failures if f.breaks_soundness)
    return {
        "sound": str(report.sound),
        "seconds": round(time.monotonic() - started, 2),
        "laws": " ".join(laws),
        "undecided": " ".join(report.measures.get("undecided", {})),
    }


def known(path: Path, columns: list[str]) -> pd.DataFrame:
    """The rows of a table that is there already, as text; none where it is not."""
    if not path.exists():
        return pd.DataFrame(columns=columns)
    return pd.read_csv(path, dtype=str, keep_default_na=False).reindex(
        columns=columns, fill_value=""
    )


def save(path: Path, table: pd.DataFrame) -> None:
    write_atomically(path, table.to_csv(index=False).encode())


def in_parallel(work: Callable[[Any], Row], jobs: list[Any], workers: int) -> Iterator[Row]:
    """The row of each job, in the order in which they end; one thread a process."""
    context = multiprocessing.get_context("spawn")
    with (
        progress_bar() as bar,
        ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool,
    ):
        task = bar.add_task("checks", total=len(jobs))
        for done in as_completed([pool.submit(work, job) for job in jobs]):
            bar.advance(task)
            yield done.result()


def made_with() -> str:
    """``2026-11-28, `python …`, CPU; Python 3.11.7, torch 2.13.0, commit abc1234``; ``+``: with
    changes since."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    command = " ".join(
        ["python", Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix(), *sys.argv[1:]]
    )
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    commit = git("rev-parse", "--short", "HEAD") or "none"
    return f"{time.strftime('%Y-%m-%d')}, `{command}`, CPU; {versions}, commit {commit}{changed}"

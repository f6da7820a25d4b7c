"""How fast families are: taskset -c 0 python benchmarks/families.py [--repeats 7] [--note TEXT]
[--output results/benchmarks]

CPU seconds of ``corrupt`` on a batch of 16 conditions of 128×128 at severity 3, one thread,
families and references taking turns after one untimed turn each; medians. The reference of the
ratio is clamp(y + σ·n, 0, 1) with torch's own normal numbers, in the same turns.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

import invbench  # noqa: F401  registers the families
from invbench.corruptions import corrupt
from invbench.data.datasets import Pair, sr_pairs
from invbench.data.resample import bicubic, quantise
from invbench.files import write_atomically
from invbench.registry import CORRUPTIONS

SIDE, BATCH, SEVERITY, TARGET = 128, 16, 3, 200.0
NOISE, COPY = "(reference) clamp(y + σ·n)", "(reference) copy"


def conditions() -> list[Pair]:
    """Crops of the embedded photographs, 128×128, as conditions; enlarged ×4 they are the ground
    truth that some families start from."""
    crops = [pair.high.contiguous() for pair in sr_pairs("embedded", SIDE, 3, BATCH)]
    return [Pair(str(k), quantise(bicubic(y, 4)), y) for k, y in enumerate(crops)]


def tasks(pairs: list[Pair]) -> dict[str, Callable[[], object]]:
    lows = [pair.low for pair in pairs]
    found: dict[str, Callable[[], object]] = {
        NOISE: lambda: (torch.stack(lows) + 0.1 * torch.randn(BATCH, *lows[0].shape)).clamp(0, 1),
        COPY: lambda: torch.stack(lows),
    }
    for name, entry in CORRUPTIONS.items():
        severity = min(SEVERITY, len(entry.metadata["strengths"]))
        found[name] = lambda name=name, severity=severity: corrupt(
            name, severity, pairs, 0, batch=BATCH
        )
    return found


def measured(repeats: int) -> pd.DataFrame:
    contestants = tasks(conditions())
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, call in contestants.items():
            started = time.thread_time()
            call()
            if turn > 0:  # the first fills caches: kernels, tables of Poisson numbers
                seconds[name].append(time.thread_time() - started)
    median = {name: statistics.median(found) / BATCH for name, found in seconds.items()}
    rows = [
        {
            "family": name,
            "needs_truth": name in CORRUPTIONS
            and CORRUPTIONS[name].metadata["corruption"].needs_high,
            "images_per_second": 1 / each,
            "ms_per_image": 1000 * each,
            "times_reference": each / median[NOISE],
            "spread_pct": 100 * (max(seconds[name]) - min(seconds[name])) / BATCH / each,
        }
        for name, each in median.items()
    ]
    return pd.DataFrame(rows).sort_values("images_per_second", ignore_index=True)


def verdict(table: pd.DataFrame) -> str:
    speed = table.loc[~table["family"].str.startswith("(reference)")].set_index("family")[
        "images_per_second"
    ]
    harmonic, slow = statistics.harmonic_mean(speed), speed[speed < TARGET]
    missed = ", ".join(f"{name} ({value:.0f})" for name, value in slow.items())
    return (
        f"Mean over {len(speed)} families, images of {SIDE}×{SIDE} per second and core: "
        f"harmonic {harmonic:.0f}, arithmetic "
        f"{speed.mean():.0f}; target {TARGET:.0f} on average: "
        f"{'met' if harmonic >= TARGET else 'MISSED'} by the harmonic mean. "
        f"Single families below {TARGET:.0f}: {missed or 'none'}."
    )


def provenance(repeats: int, note: str) -> str:
    folder = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=folder
    )
    cpu = next(
        (
            r.split(":")[1].strip()
            for r in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in r
        ),
        "",
    )
    return (
        f"{time.strftime('%Y-%m-%d')}, commit {commit.stdout.strip()}, {cpu} "
        f"({platform.machine()}), 1 thread, float32, CPU time, "
        f"medians of {repeats} turns, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} "
        f"cores{note and '; '}{note}; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def main(
    repeats: Annotated[int, typer.Option(help="Timed turns.")] = 7,
    note: Annotated[
        str, typer.Option(help="What else the reader should know, such as a shared machine.")
    ] = "",
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = measured(repeats)
    columns = (
        f"Batch of {BATCH}, severity {SEVERITY} (`clean` has one). `needs_truth`: made from a "
        f"ground truth of {4 * SIDE}×{4 * SIDE}, which is 16 "
        f"times the pixels. `times_reference`: time beside "
        f"{NOISE.removeprefix('(reference) ')} with torch's own normal numbers in the "
        "same turns. `spread_pct`: slowest less fastest turn, of the median."
    )
    formats = ("", "", ".0f", ".3f", ".2f", ".0f")
    text = f"{table.to_markdown(index=False, floatfmt=formats)}\n\n{verdict(table)}\n\n{columns}\n\n{provenance(repeats, note)}\n"
    typer.echo(text)
    write_atomically(output / "families.md", text.encode())
    write_atomically(
        output / "families.csv", table.to_csv(index=False, float_format="%.4g").encode()
    )


if __name__ == "__main__":
    typer.run(main)

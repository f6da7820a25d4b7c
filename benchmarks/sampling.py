"""How long do samples and their measures take: python benchmarks/sampling.py [--threads 2]
[--output results/benchmarks]

K = 10 samples of each of 100 LR images of 32×32 with a mini flow, every measure of track sr
included (target: 3 minutes on 2 cores). The images are crops of the embedded photographs, the cell
is that of ``embedded/clean`` with more crops. Seconds of the wall and of the processor, side by
side for the cheapest design, the paper's and the slowest.
"""

from __future__ import annotations

import os
import platform
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from invbench.data.datasets import sr_pairs
from invbench.files import write_atomically
from invbench.store.cell import CellSpec
from invbench.tracks.measuring.samples import measure_samples
from invbench.tracks.measuring.sr import SAMPLES, TEMPERATURE, quality
from invbench.training.weights import load_flow

IMAGES, CROP, TARGET = 100, 128, 180.0
DESIGNS = ("affine", "modified-rq", "rq(bins=4)")


def main(
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
) -> None:
    torch.set_num_threads(threads)
    pairs = sr_pairs("embedded", CROP, 17, IMAGES)
    conditions = [pair.low for pair in pairs]
    settings = {"samples": SAMPLES, "temperature": TEMPERATURE}
    spec = CellSpec(
        track="sr",
        entry="",
        dataset="embedded",
        corruption="clean",
        entry_digest="",
        batch_size=SAMPLES,
        settings=settings,
    )
    rows = []
    for design in DESIGNS:
        flow = load_flow("srflow", design)
        measure_samples(spec, flow, pairs[:2], conditions[:2], partial(quality, scale=4))  # warm
        began, used = time.perf_counter(), time.process_time()
        found = measure_samples(spec, flow, pairs, conditions, partial(quality, scale=4)).measures
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        reached = "yes" if seconds <= TARGET else "no"
        row = {
            "coupling": design,
            "images": int(str(found["inputs"])),
            "samples": SAMPLES,
            "wall_s": round(seconds, 1),
        }
        rows.append(
            row | {"cpu_s": round(cpu, 1), "load": round(os.getloadavg()[0], 1), "reached": reached}
        )
        typer.echo(str(rows[-1]), err=True)
    table = pd.DataFrame(rows)
    note = (
        f"{time.strftime('%Y-%m-%d')}, {threads} threads, {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"torch {torch.__version__}. {IMAGES} LR images of 32×32, ten samples each, LR-PSNR, "
        f"PSNR, SSIM, round trip and counts. Target: "
        f"{TARGET:g} s of the wall on 2 cores. load: the machine's load average; above the "
        f"number of cores it was shared."
    )
    write_atomically(output / "sampling.csv", table.to_csv(index=False).encode())
    write_atomically(
        output / "sampling.md", f"{table.to_markdown(index=False)}\n\n{note}\n".encode()
    )


if __name__ == "__main__":
    typer.run(main)

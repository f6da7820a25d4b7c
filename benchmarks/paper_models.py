"""Do the published sizes fit and invert: python benchmarks/paper_models.py [--threads 1] [--output
results/benchmarks]

Per model and coupling, fresh weights, float32, CPU: the round trip max |decode(encode(x, y), y) −
x| of an embedded photograph (target 1e-4), peak resident memory of one training step at batch 1 ×
160² (target 24 GB), seconds to decode one 40×40 LR image (target 20 s on 2 cores). Each measurement
runs in a process of its own, for its memory. Seconds are of the wall (``_s``) and of the processor
(``_cpu_s``); with one thread and on a shared machine the latter are what an idle one would need at
most. What the CSV already holds is kept: a run that was cut off goes on.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from torch import Tensor

import invbench  # noqa: F401  registers the flows
from invbench.data.images import crops, embedded
from invbench.data.resample import bicubic, quantise
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.flows.example_layers import randomized
from invbench.registry import COUPLINGS, FLOWS

MODELS = [(flow, size) for flow in ("srflow", "fs_ncsr") for size in ("paper", "paper-8x")]
MODELS += [("llflow", size) for size in ("small", "paper")]
DESIGNS = ("affine", "modified-rq")
PATCH, LOW = 160, 40
TARGETS = {"round_trip": 1e-4, "train_gb": 24.0, "decode_cpu_s": 20.0}


def fresh(flow: str, size: str, design: str, shake: float = 0.0) -> tuple[ConditionalFlow, int]:
    """The flow of seed 0, N(0, shake²) added to every weight, and its scale."""
    model = FLOWS[flow].obj(COUPLINGS[design].obj, size, 0)
    if shake:
        randomized(model, 1, shake)
        for part in model.modules():
            if hasattr(part, "initialised"):  # the first batch sets it, as in training
                part.initialised.fill_(False)
    return model, getattr(model.spec, "scale", 1)


def photograph(scale: int) -> tuple[Tensor, Tensor]:
    """(x, y): a 160×160 patch of ``coffee`` and its bicubic reduction, rounded to 8 bits; itself
    for a flow of scale 1."""
    x = crops(embedded("coffee"), PATCH, 3)[1][None]
    return x, quantise(bicubic(x, 1 / scale))


@torch.no_grad()
def inverts(model: ConditionalFlow, scale: int) -> float:
    """The largest error of a round trip, once the first batch has set every ActNorm."""
    x, y = photograph(scale)
    model.train().encode(x, y)
    model.eval()
    return (model.decode(model.encode(x, y)[0], y) - x).abs().max().item()


def round_trip(flow: str, size: str, design: str) -> dict[str, float]:
    model, scale = fresh(flow, size, design)
    count = sum(p.numel() for p in model.parameters()) / 1e6
    return {
        "parameters_m": count,
        "round_trip": inverts(model, scale),
        "round_trip_shaken": inverts(*fresh(flow, size, design, 0.01)),
    }


def training(flow: str, size: str, design: str) -> dict[str, float]:
    """The second step: Adam's moments exist, ActNorm is initialised."""
    model, scale = fresh(flow, size, design)
    x, y = photograph(scale)
    optimiser = torch.optim.Adam(model.train().parameters(), lr=2.5e-4)
    for _ in range(2):
        optimiser.zero_grad()
        (-model.log_prob(x, y).mean() / x[0].numel()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
    return {"train_gb": _peak()}


@torch.no_grad()
def decoding(flow: str, size: str, design: str) -> dict[str, float]:
    """Best of two; the encoder counts."""
    model, scale = fresh(flow, size, design)
    model.eval()
    _, y = photograph(PATCH // LOW if scale > 1 else 1)
    latents = model.sample_latents(1, y, 0.9, torch.Generator().manual_seed(0))
    wall, cpu = [], []
    for _ in range(2):
        started, used = time.perf_counter(), time.process_time()
        x = model.decode(latents, y)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    assert x.shape[2:] == tuple(scale * side for side in y.shape[2:])
    return {
        "decode_s": min(wall),
        "decode_cpu_s": min(cpu),
        "decode_gb": _peak(),
        "decode_load": os.getloadavg()[0],
    }


def _peak() -> float:
    """Largest resident memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


MEASURED: dict[str, tuple[Callable[[str, str, str], dict[str, float]], tuple[str, ...]]] = {
    "decoding": (decoding, ("decode_s", "decode_cpu_s", "decode_gb", "decode_load")),
    "round_trip": (round_trip, ("parameters_m", "round_trip", "round_trip_shaken")),
    "training": (training, ("train_gb",)),
}
FORMATS = {"parameters_m": "{:.2f}", "round_trip": "{:.1e}", "round_trip_shaken": "{:.1e}"}


def gaps(path: Path) -> pd.DataFrame:
    """The table with what ``path`` already holds; NaN where a measurement is missing."""
    keys = ["flow", "size", "coupling"]
    empty = pd.DataFrame([(*model, design) for model in MODELS for design in DESIGNS], columns=keys)
    columns = [column for _, columns in MEASURED.values() for column in columns]
    before = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=[*keys, *columns])
    return empty.merge(before.reindex(columns=[*keys, *columns]), on=keys, how="left")


def main(
    only: Annotated[
        str, typer.Option(help="MEASUREMENT,FLOW,SIZE,COUPLING: prints its numbers as JSON.")
    ] = "",
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
) -> None:
    torch.set_num_threads(threads)
    if only:
        name, *subject = only.split(",")
        typer.echo(json.dumps(MEASURED[name][0](*subject)))
        return
    table = gaps(output / "paper_models.csv")
    for name, (_, columns) in MEASURED.items():
        for index, row in table.iterrows():
            if table.loc[index, list(columns)].isna().any():  # type: ignore[index]
                subject = f"{name},{row.flow},{row['size']},{row.coupling}"
                command = [sys.executable, __file__, "--threads", str(threads), "--only", subject]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                for column, value in json.loads(done.stdout).items():
                    table.loc[index, column] = value  # type: ignore[index]
                typer.echo(f"{subject} {done.stdout.strip()}", err=True)
                write(table, threads, output)
    write(table, threads, output)


def write(table: pd.DataFrame, threads: int, output: Path) -> None:
    measured = table[list(TARGETS)]
    reached = (measured <= pd.Series(TARGETS)).all(axis=1).map({True: "yes", False: "no"})
    shown = table.assign(reached=reached.where(measured.notna().all(axis=1), "not measured"))
    note = (
        f"{time.strftime('%Y-%m-%d')}, {threads} thread{'s' * (threads > 1)}, "
        f"{platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, torch {torch.__version__}.\n\n"
        "round_trip: max abs(x̂ − x) of a 160×160 patch of a photograph, float32, weights of "
        "seed 0, ActNorm set by the first batch; "
        "round_trip_shaken: N(0, 0.01²) added to every weight first, so that the "
        "zero-initialised heads do something and the "
        "1×1 matrices are no longer orthogonal; no target. "
        "train_gb: peak resident memory of the process in two steps of Adam at batch 1 × "
        "160², 0.3 of it torch itself. "
        "decode: one 40×40 LR image, 160×160 or 320×320 out (llflow: one dark 160×160 image), "
        "encoder included; "
        "decode_s of the wall, decode_cpu_s of the processor, "
        "decode_load the machine's load average: above the number of cores the machine was "
        "shared, and the wall seconds say nothing. "
        f"reached: {', '.join(f'{k} ≤ {v:g}' for k, v in TARGETS.items())}. nan: not measured "
        f"yet; the same command fills it in."
    )
    formatted = shown.apply(
        lambda c: (
            c.map(FORMATS.get(str(c.name), "{:.3g}").format)
            if pd.api.types.is_numeric_dtype(c)
            else c
        )
    )
    text = f"{formatted.to_markdown(index=False, disable_numparse=True)}\n\n{note}\n"
    write_atomically(output / "paper_models.md", text.encode())
    write_atomically(
        output / "paper_models.csv", table.to_csv(index=False, float_format="%.6g").encode()
    )


if __name__ == "__main__":
    typer.run(main)

"""What a flow with a certificate costs: a training step and a decode of the mini SRFlow with bounded
shifts, orthogonal 1×1 convolutions and a bounded split, against ``affine``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Annotated

import pandas as pd
import torch
import typer
from flow_steps import decode_step, train_step

import invbench  # noqa: F401  registers the flows
from invbench.couplings.compiled import compile_couplings, compiler_missing
from invbench.flows import ConditionalFlow
from invbench.targets import resolve

AFFINE = ("srflow", "affine")
SUBJECTS = (
    AFFINE,
    ("srflow", "cubic-rational-bounded"),
    ("srflow", "cubic-rational-bounded(shift=2)"),
    ("srflow(conv1x1=orthogonal)", "affine"),
    ("srflow(split=bounded)", "affine"),
    ("srflow(conv1x1=orthogonal,split=bounded)", "cubic-rational-bounded(shift=2)"),
    ("srflow(conv1x1=orthogonal,split=bounded)", "rq-bounded(bins=4,box=1.5,shift=1.5)"),
)


def built(flow: str, coupling: str) -> ConditionalFlow:
    found: ConditionalFlow = resolve(flow, ("flow",)).make(resolve(coupling).make, "mini", 0)
    if not compiler_missing():
        compile_couplings(found)
    return found


def interleaved(tasks: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every task, one after another in every round, so that a busy machine slows all of
    them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(own: list[float], base: list[float]) -> float:
    """Median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(own, base, strict=True))


def main(rounds: Annotated[int, typer.Option(help="How often each is run.")] = 25) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, 3, 64, 64, generator=generator)
    y = torch.rand(8, 3, 16, 16, generator=generator)
    train, decode = {}, {}
    for flow, coupling in SUBJECTS:
        name = f"{flow}, {coupling}"
        subject = built(flow, coupling)
        with torch.no_grad():
            subject.encode(x, y)  # initialises ActNorm
        train[name] = train_step(subject, x, y)
        decode[name] = decode_step(subject, y[:1].expand(5, -1, -1, -1))
        for _ in range(3):
            train[name]()
            decode[name]()
    base = ", ".join(AFFINE)
    seconds = [interleaved(tasks, rounds) for tasks in (train, decode)]
    rows = [
        {
            "flow": name,
            "train_ms": 1e3 * statistics.median(seconds[0][name]),
            "train_rel": ratio(seconds[0][name], seconds[0][base]),
            "decode_ms": 1e3 * statistics.median(seconds[1][name]),
            "decode_rel": ratio(seconds[1][name], seconds[1][base]),
        }
        for name in train
    ]
    typer.echo(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3g"))
    typer.echo("targets of the bounded flow: train_rel ≤ 1.15, decode_rel ≤ 1.10")


if __name__ == "__main__":
    typer.run(main)

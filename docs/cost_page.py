"""The page on what a design costs, in time and memory, from the tables in results/benchmarks."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from invbench.registry import COUPLINGS

BENCHMARKS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
Table = Callable[[list[str], list[list[str]]], str]
Row = dict[str, str]

TEXT = """# What a design costs

Time and memory of every design, each measured in turns in one process on one thread. Take ratios from here, not seconds: machines differ.
`invbench.compile_couplings(flow)` swaps every coupling of a flow for a compiled kernel: one pass forward, and one backward that computes again
instead of storing. `invbench train` does so by itself in long trainings. It needs a C++ compiler; without one, eager code runs.

## A whole flow

SRFlow, size `mini`, compiled and eager, against `affine` in eager code. **Train**: one step of Adam on 8 patches of 64×64. **Decode**: 5 samples of
64×64. **Kept**: what autograd keeps between forward and backward, exact. Most of a step is the conditioner, which all designs share but for its
last layer: that layer has `outputs` channels for each channel that the coupling transforms.

{flows}

## The coupling alone

Nanoseconds per element of {elements} float32 values. **Train**: forward, then backward to x and to the parameters. An empty cell: it is not
compiled.

{couplings}

## Published sizes

Decode: one 40×40 image, 160×160 or 320×320 out; the encoder included. Train: the largest memory of the process in two steps of Adam at batch
1 × 160².

{published}

Measured by `python benchmarks/couplings.py`, with other libraries beside ours ([couplings](../../results/benchmarks/couplings.md), [whole
flows](../../results/benchmarks/flow.md)), and by `python benchmarks/paper_models.py` ([published sizes](../../results/benchmarks/paper_models.md));
each table names its commit and machine. A decode of many samples of one condition encodes the condition once
([sampling](../../results/benchmarks/sampling.md)). What a guard and a bounded flow cost: [cures](../cures.md).
"""


def _rows(name: str) -> list[Row]:
    with (BENCHMARKS / f"{name}.csv").open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def _number(text: str, digits: int) -> str:
    return "" if text in ("", "nan") else f"{float(text):.{digits}f}"


def _by_mode(rows: list[Row]) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["coupling"], {})[row["mode"]] = row
    return found


def _pair(modes: dict[str, Row], column: str, digits: int) -> str:
    """compiled (eager)"""
    compiled = _number(modes.get("compiled", {}).get(column, ""), digits)
    eager = _number(modes.get("eager", {}).get(column, ""), digits)
    return f"{compiled or '—'} ({eager})"


def cost(table: Table) -> str:
    """Markdown; ``table`` writes one of a head and rows."""
    flows, alone = _by_mode(_rows("flow")), _rows("couplings")
    own = _by_mode([row for row in alone if row["library"] == "invbench"])
    flow_rows = [
        [
            f"`{name}`",
            str(COUPLINGS[name].obj().n_params),
            _pair(modes, "train_rel", 2),
            _pair(modes, "decode_rel", 2),
            _pair(modes, "saved_mib", 0),
        ]
        for name, modes in flows.items()
    ]
    coupling_rows = [
        [f"`{name}`", *(_pair(modes, f"{part}_ns", 1) for part in ("forward", "inverse", "train"))]
        for name, modes in own.items()
    ]
    published = [
        [
            f"`{row['flow']}` `{row['size']}`",
            f"`{row['coupling']}`",
            row["parameters_m"],
            row["decode_s"],
            row["train_gb"],
        ]
        for row in _rows("paper_models")
    ]
    each = "compiled (eager)"
    text = TEXT.replace("{elements}", "2^20")
    text = text.replace(
        "{flows}",
        table(
            ["design", "outputs", f"train ×, {each}", f"decode ×, {each}", f"kept MiB, {each}"],
            flow_rows,
        ),
    )
    text = text.replace(
        "{couplings}",
        table(
            ["design", *(f"{part}, {each}" for part in ("forward", "inverse", "train"))],
            coupling_rows,
        ),
    )
    return text.replace(
        "{published}",
        table(["flow", "design", "million parameters", "decode, s", "train, GB"], published),
    )

"""Do conditions fail because the encoder finds them strange? (claim C3; paper, eq. 10, 11 and Fig.
4): INVBENCH_DATA=… python invbench/studies/ood_score.py

Measures inputs.csv in results/ood_score, one row per design and input; from that
ood_score_report.py makes the tables, the figures and the verdict. ``--redraw`` does only the
latter.
"""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import ood_score_report
import pandas as pd
import torch
import typer
from ood_score_report import (
    CLEAN_ONLY,
    CONTROLS,
    CROP,
    DATASETS,
    DESIGNS,
    SAMPLES,
    SCORES,
    SEED,
    TEMPERATURE,
    TRAINING_STEPS,
)
from torch import Tensor

import invbench
from invbench.console import progress_bar
from invbench.corruptions import corrupt, corruption_names
from invbench.data.datasets import Pair, sr_pairs
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.ood_score import OODScore
from invbench.registry import CORRUPTIONS
from invbench.store.provenance import provenance
from invbench.targets import resolve
from invbench.training.train_flow import recipes_of
from invbench.uniform import stream_seed


def inputs(crops: int, photographs: int) -> list[tuple[dict[str, Any], Tensor]]:
    """Every input as (what it is, y): clean crops of all photographs, then every family and
    severity on the first of each data set."""
    found = []
    for dataset in DATASETS + CLEAN_ONLY:
        pairs = sr_pairs(dataset, CROP, crops)
        found += named(pairs, [dataset] * len(pairs), "clean", 0, [pair.low for pair in pairs])
    chosen = [
        (dataset, pair) for dataset in DATASETS for pair in sr_pairs(dataset, CROP, 1, photographs)
    ]
    datasets, pairs = [dataset for dataset, _ in chosen], [pair for _, pair in chosen]
    for family in corruption_names("sr"):
        if family != "clean":
            for severity in range(1, len(CORRUPTIONS[family].metadata["strengths"]) + 1):
                conditions = corrupt(family, severity, pairs, SEED)
                found += named(pairs, datasets, family, severity, conditions)
    return found


def named(
    pairs: list[Pair], datasets: list[str], family: str, severity: int, conditions: list[Tensor]
) -> list[tuple[dict[str, Any], Tensor]]:
    rows = []
    for k, (pair, dataset, y) in enumerate(zip(pairs, datasets, conditions, strict=True)):
        what = {"dataset": dataset, "photograph": f"{dataset}/{pair.name.rpartition('/')[0]}"}
        what |= {
            "family": family,
            "severity": severity,
            "in_range": bool(y.min() >= 0) and bool(y.max() <= 1),
        }
        rows.append(({**what, "latents": stream_seed(SEED, k)}, y))
    return rows


@torch.no_grad()
def measure(
    design: str, given: list[tuple[dict[str, Any], Tensor]], training: Tensor, advance: Any
) -> pd.DataFrame:
    """One row per input: how its samples fail (float32), and its scores (float64)."""
    flow = invbench.load_flow("srflow", coupling=design, seed=SEED)
    rows = [
        {"design": design, **what, **failure(flow, y, what["latents"], advance)}
        for what, y in given
    ]
    flow = flow.double()
    known = flow.features(training.double())
    features = flow.features(torch.stack([y for _, y in given]).double())
    table = pd.DataFrame(rows)
    for name, (pooling, centred) in SCORES.items():
        table[name] = OODScore.fit(known, pooling, centred)(features)
    return table


def controls(given: list[tuple[dict[str, Any], Tensor]], training: Tensor) -> dict[str, np.ndarray]:
    """What y itself says without the encoder: the same distances of its pixels, and its standard
    deviation."""
    y, known = torch.stack([y for _, y in given]).double(), training.double()
    scores = {f"pixels-{p}": OODScore.fit(known, p)(y) for p in ("flat", "worst")}
    return scores | {"contrast": y.flatten(1).std(1, correction=0).numpy()}


def failure(flow: ConditionalFlow, y: Tensor, stream: int, advance: Any) -> dict[str, Any]:
    condition = y[None].expand(SAMPLES, -1, -1, -1)
    generator = torch.Generator().manual_seed(stream)
    x = flow.decode(flow.sample_latents(SAMPLES, condition, TEMPERATURE, generator), condition)
    found = explosion(x)
    pixels = ((x > 1.5) | (x < -0.5) | ~x.isfinite()).any(1)
    advance()
    return {
        "error": int(found.error),
        "large": int(found.max_abs_log10 > 1),
        "failed_samples": found.failed_samples,
        "error_pixels": pixels.double().mean().item(),
        "max_abs_log10": found.max_abs_log10,
    }


def main(
    crops: Annotated[int, typer.Option(help="Clean crops per photograph.")] = 3,
    photographs: Annotated[
        int, typer.Option(help="Photographs per data set that the families change.")
    ] = 3,
    output: Annotated[Path, typer.Option(help="Folder of the tables and figures.")] = Path(
        "results/ood_score"
    ),
    redraw: Annotated[bool, typer.Option(help="Tables and figures again from inputs.csv.")] = False,
) -> None:
    torch.set_num_threads(1)
    if not redraw:
        began = time.process_time()
        given = inputs(crops, photographs)
        draw = recipes_of(resolve("srflow", ("flow",))).batches("mini", SEED)
        training = torch.cat([draw(step)[1] for step in range(TRAINING_STEPS)])
        parts, plain = [], controls(given, training)
        with progress_bar() as bar:
            task = bar.add_task("measuring", total=len(DESIGNS) * len(given))
            for design in DESIGNS:
                bar.update(task, description=design)
                parts.append(
                    measure(design, given, training, lambda: bar.advance(task)).assign(**plain)
                )
        table = pd.concat(parts).round(
            dict.fromkeys((*SCORES, *CONTROLS), 6) | {"error_pixels": 8, "max_abs_log10": 3}
        )
        note = provenance("cpu", time.process_time() - began, "invbench/studies/ood_score.py:1")
        note |= {"crops": crops, "photographs": photographs, "seed": SEED, "inputs": len(given)}
        note |= {name: version(name) for name in ("scikit-learn", "scipy")}
        write_atomically(output / "inputs.csv", table.to_csv(index=False).encode())
        write_atomically(output / "provenance.json", (json.dumps(note, indent=2) + "\n").encode())
    ood_score_report.write(output)


if __name__ == "__main__":
    typer.run(main)

"""Do conditions fail because the encoder finds them strange? (claim C3; paper, eq. 10, 11 and Fig.
4) One row per design and input: how it fails, and its scores.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import invbench
from invbench.console import progress_bar
from invbench.corruptions import corrupt, corruption_names
from invbench.data.datasets import Pair, sr_pairs
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.ood_score import OODScore
from invbench.registry import CORRUPTIONS
from invbench.store.provenance import provenance
from invbench.studies.ood_score.settings import (
    CLEAN_ONLY,
    CONTROLS,
    CROP,
    CROPS,
    DATASETS,
    DESIGNS,
    PHOTOGRAPHS,
    SAMPLES,
    SCORES,
    SEED,
    TEMPERATURE,
    TRAINING_STEPS,
)
from invbench.targets import resolve
from invbench.training.train_flow import recipes_of
from invbench.uniform import stream_seed

__all__ = ["inputs", "measure", "measured", "training_patches"]


def measured() -> tuple[pd.DataFrame, dict[str, Any]]:
    """(the rows, where they come from). 12 minutes on one core."""
    torch.set_num_threads(1)
    began = time.process_time()
    given = inputs(CROPS, PHOTOGRAPHS)
    training = training_patches(SEED)
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
    note = provenance("cpu", time.process_time() - began, f"{__file__}:1")
    note |= {"crops": CROPS, "photographs": PHOTOGRAPHS, "seed": SEED, "inputs": len(given)}
    return table, note | {name: version(name) for name in ("scikit-learn", "scipy")}


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
        what: dict[str, Any] = {
            "dataset": dataset,
            "photograph": f"{dataset}/{pair.name.rpartition('/')[0]}",
        }
        what |= {
            "family": family,
            "severity": severity,
            "in_range": bool(y.min() >= 0) and bool(y.max() <= 1),
        }
        rows.append(({**what, "latents": stream_seed(SEED, k)}, y))
    return rows


def training_patches(seed: int) -> Tensor:
    """The conditions of the first steps that the flows of this seed were trained on."""
    draw = recipes_of(resolve("srflow", ("flow",))).batches("mini", seed)
    return torch.cat([draw(step)[1] for step in range(TRAINING_STEPS)])


@torch.no_grad()
def measure(
    design: str,
    given: list[tuple[dict[str, Any], Tensor]],
    training: Tensor,
    advance: Any,
    seed: int = SEED,
) -> pd.DataFrame:
    """One row per input: how its samples fail (float32), and its scores (float64). ``seed``: of the
    flow's training; the latents are the same for all."""
    flow = invbench.load_flow("srflow", coupling=design, seed=seed)
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

"""What the released code confounds and only training tells apart.

Frozen against trained 1×1 convolutions (the released spline model freezes them at random orthogonal
matrices, the affine one does not), and the floor of the affine scale from 1e-4 to 0.5. SRFlow mini,
its recipe with a third of the iterations, seed 0. One row per variant and condition in
ablations_training.csv, written as it goes; interrupted, it goes on where it stopped, within a
training too. The artefact ``ablations`` shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import torch

from invbench.console import progress_bar
from invbench.corruptions import corrupt
from invbench.couplings import Affine, Elementwise, ModifiedRQ
from invbench.couplings.compiled import compile_couplings
from invbench.data.datasets import sr_pairs
from invbench.files import cache_dir, write_atomically
from invbench.flows import ConditionalFlow, Conv1x1
from invbench.measures.bits import EIGHT_BIT, bits_per_dimension
from invbench.store.case import case_named
from invbench.store.cell import CellSpec
from invbench.studies.study import Made, Study
from invbench.targets import resolve
from invbench.tracks.measuring.samples import measure_samples
from invbench.tracks.measuring.sr import SAMPLES, TEMPERATURE, quality
from invbench.training.loop import TrainingLog, train
from invbench.training.train_flow import recipes_of

__all__ = ["make"]

ITERATIONS = 1000
TENTH = ITERATIONS // 10
CASES = (
    "BSD100/clean",
    "embedded/clean",
    "embedded/noise-3",
    "embedded/channel-swap-3",
    "embedded/eurban-5",
)
LIMITS = {"BSD100": 24, "embedded": 12}
CROP = 128


def with_floor(floor: float) -> Callable[[], Elementwise]:
    return type("Floored", (Affine,), {"floor": floor, "slope_range": (floor, 1 + floor)})


@dataclass(frozen=True)
class Variant:
    """``group``: what is varied; ``name``: the design; ``frozen``: 1×1 convolutions stay at their
    random orthogonal matrices."""

    group: str
    name: str
    make: Callable[[], Elementwise]
    frozen: bool = False

    @property
    def key(self) -> str:
        return f"{self.name}{', 1×1 frozen' if self.frozen else ''}"


FLOORS = [
    Variant("floor", f"floor {floor:g}", with_floor(floor))
    for floor in (1e-4, 1e-3, 1e-2, 0.1, 0.5)
]
VARIANTS = [
    *FLOORS,
    Variant("1×1", "modified-rq", ModifiedRQ),
    Variant("1×1", "modified-rq", ModifiedRQ, frozen=True),
    Variant("1×1", "floor 0.0001", FLOORS[0].make, frozen=True),
    Variant("1×1", "floor 0.1", FLOORS[3].make, frozen=True),
]


def trained(variant: Variant, advance: Callable[[], None]) -> tuple[ConditionalFlow, float, int]:
    """The flow, its bits per dimension over the last 200 steps, and the steps that were not
    finite. ``advance`` is called ten times."""
    srflow = resolve("srflow", ("flow",))
    recipes = recipes_of(srflow)
    recipe = replace(recipes.RECIPES["mini"], iterations=ITERATIONS)
    flow = srflow.make(variant.make, "mini", 0)
    for layer in flow.modules():
        if variant.frozen and isinstance(layer, Conv1x1):
            layer.weight.requires_grad_(False)
    compile_couplings(flow)
    name = "".join(c if c.isalnum() else "-" for c in variant.key)
    checkpoint = cache_dir() / "checkpoints" / "ablations" / f"{name}.pt"

    def progress(log: TrainingLog) -> None:
        if log.step % TENTH == 0:
            advance()

    log = train(flow, recipes.batches("mini", 0), recipe, checkpoint, progress)
    checkpoint.unlink(missing_ok=True)
    return flow, bits_per_dimension(log.final, 1, EIGHT_BIT.width), log.non_finite_steps


def measured(flow: ConditionalFlow, case: str) -> dict[str, Any]:
    """The measures of a cell of track sr, as a row."""
    what = case_named(case)
    photographs = 2 if what.dataset == "embedded" else 1
    pairs = sr_pairs(what.dataset, CROP, photographs, LIMITS[what.dataset])
    settings: dict[str, Any] = {"samples": SAMPLES, "temperature": TEMPERATURE}
    spec = CellSpec(
        track="sr",
        entry="",
        entry_digest="",
        batch_size=SAMPLES,
        settings=settings,
        **what.model_dump(),
    )
    conditions = corrupt(what.corruption, int(what.severity or 1), pairs, 0)
    found = measure_samples(spec, flow, pairs, conditions, partial(quality, scale=4)).measures
    inputs = int(found["inputs"])
    row = {"inputs": inputs, "inf": sum(found["inf"]), "error": sum(found["error"])}
    row["max_abs_log10"] = max(found["max_abs_log10"])
    return row | {
        name: sum(found[name]) / inputs for name in ("lr_psnr_min", "lr_psnr_std", "psnr")
    }


def make(study: Study) -> Made:
    """Trains and measures the variants that ablations_training.csv has not: an hour for all."""
    torch.set_num_threads(1)
    path = study.root / "paper" / "ablations_training.csv"
    stored = path.exists() and not study.again
    rows: list[dict[Any, Any]] = pd.read_csv(path).to_dict("records") if stored else []
    done = {row["variant"] for row in rows}
    missing = [variant for variant in VARIANTS if variant.key not in done]
    with progress_bar() as bar:
        task = bar.add_task("training", total=10 * len(missing))
        for variant in missing:
            bar.update(task, description=variant.key)
            flow, bits, skipped = trained(variant, lambda: bar.advance(task))
            head = {
                "group": variant.group,
                "variant": variant.key,
                "frozen": variant.frozen,
                "iterations": ITERATIONS,
            }
            head |= {"bits": round(bits, 4), "non_finite_steps": skipped}
            rows += [head | {"case": case, **measured(flow, case)} for case in CASES]
            table = pd.DataFrame(rows)
            write_atomically(path, table.to_csv(index=False, float_format="%.6g").encode())
            study.say(f"{variant.key}: {bits:.3f} bits per dimension")
    return Made("", {"ablations_training": pd.DataFrame(rows)}, {})

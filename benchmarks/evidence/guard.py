"""A trained flow that explodes, as it is and behind guards: python benchmarks/evidence/guard.py
[--photographs 16] [--output …]

SRFlow mini with ``affine``, training seed 0, on crops of BSD100; guards from the first batches of
its own training. Every row decodes the same latents. Writes guard.csv and guard.md; INVBENCH_DATA
must hold BSD100 and T91. Two minutes on one core.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from runs import ROOT, made_with, save

from invbench.console import progress_bar
from invbench.cures.guard import Guard, guard
from invbench.cures.guarded import GuardedFlow
from invbench.data.datasets import Pair, sr_pairs
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.round_trip import round_trip_error
from invbench.tracks.measuring.sr import quality
from invbench.training.weights import load_flow
from invbench.uniform import stream_seed
from invbench_models.srflow.recipe import batches

CROP, SAMPLES, TEMPERATURE, SEED = 128, 10, 0.9, 0
# decode → (margin, quantile) of its guard
GUARDS: dict[str, tuple[float, float | None]] = {
    "range seen": (1.0, None),
    "range × 1.5": (1.5, None),
    "range × 3": (3.0, None),
    "99.99 % of the values seen": (1.0, 0.9999),
    "99.9 % of the values seen": (1.0, 0.999),
}
SHOWN = {
    "decode": "decode",
    "error_pct": "inputs with an error pixel",
    "max_abs_log10": "largest abs(x)",
    "lr_psnr": "LR-PSNR min / std",
    "psnr": "PSNR",
    "round_trip": "round trip of data",
    "acted_pct": "values clamped",
    "bound": "certified abs(x)",
    "bound_between": "certified between layers",
    "time": "CPU time",
}
SAID = """# A guard for a flow that is trained already

{table}

SRFlow mini, `affine`, training seed {seed}; {inputs} photographs of BSD100, one crop of {crop}×{crop} each, K = {samples} samples at
τ = {temperature}, the same latents in every row. Guards: {pairs} patches of the flow's own training (T91), intervals per layer and channel. The
last row is another flow, trained with the paper's remedy. An error pixel lies below −0.5, above 1.5, or is not finite; LR-PSNR: mean over
inputs of the least of K samples, and of their standard deviation; pixels are clamped to [0, 1] for it and for PSNR, as a screen does. Round
trip: the largest error of decode(encode(x)) over all pixels of the ground truth. Values clamped: of all at all places. Certified: for any latents
and any condition, from the clamps alone. CPU time of a decode, as trained = 1: the fastest of {inputs}, one thread of a machine with other work.

{note}
"""


def row_of(name: str, flow: ConditionalFlow, measured: list[dict[str, float]]) -> dict[str, object]:
    table = pd.DataFrame(measured)
    bound = flow.bound() if isinstance(flow, GuardedFlow) else None
    return {
        "decode": name,
        "inputs": len(table),
        "error_pct": 100 * table["error"].mean(),
        "inf_pct": 100 * table["inf"].mean(),
        "max_abs_log10": table["max_abs_log10"].max(),
        "lr_psnr_min": table["lr_psnr_min"].mean(),
        "lr_psnr_std": table["lr_psnr_std"].mean(),
        "psnr": table["psnr"].mean(),
        "ssim": table["ssim"].mean(),
        "round_trip": table["round_trip"].max(),
        "acted_pct": 100 * table["acted"].mean() if bound else math.nan,
        "bound": bound.max_abs if bound else math.inf,
        "bound_between": bound.max_intermediate if bound else math.inf,
        "seconds": table["seconds"].min(),
    }


@torch.no_grad()
def measure(flow: ConditionalFlow, pair: Pair, index: int) -> dict[str, float]:
    """As a cell of track ``sr`` measures it, the share of values that were clamped, and the
    decode's seconds of this process."""
    y = pair.low[None]
    drawn = flow.sample_latents(
        SAMPLES, y, TEMPERATURE, torch.Generator().manual_seed(stream_seed(SEED, index))
    )
    started = time.process_time()
    samples = flow.decode(drawn, y.expand(SAMPLES, -1, -1, -1))
    seconds = time.process_time() - started
    found = explosion(samples)
    acted = flow.acted.values() if isinstance(flow, GuardedFlow) else []
    share = sum(a.changed for a in acted) / max(sum(a.values for a in acted), 1)
    values = {
        "inf": found.inf,
        "error": found.error,
        "max_abs_log10": found.max_abs_log10,
        "acted": share,
    }
    back = round_trip_error(flow, pair.high[None], y).item()
    return values | quality(samples, pair, 4) | {"seconds": seconds, "round_trip": back}


def markdown(table: pd.DataFrame) -> str:
    shown = pd.DataFrame(
        {
            "decode": table.decode,
            "error_pct": table.error_pct.map("{:.0f} %".format),
            "max_abs_log10": table.max_abs_log10.map("10^{:.2f}".format),
            "lr_psnr": [
                f"{a:.2f} / {b:.3f}"
                for a, b in zip(table.lr_psnr_min, table.lr_psnr_std, strict=True)
            ],
            "psnr": table.psnr.map("{:.2f}".format),
            "round_trip": table.round_trip.map("{:.1e}".format),
            "acted_pct": [f"{share:.4f} %" if share >= 0 else "–" for share in table.acted_pct],
            "bound": table.bound.map("{:.3g}".format),
            "bound_between": table.bound_between.map("{:.3g}".format),
            "time": (table.seconds / table.seconds[0]).map("{:.2f}".format),
        }
    )
    return shown.rename(columns=SHOWN).to_markdown(index=False, disable_numparse=True)


def main(
    photographs: Annotated[int, typer.Option(help="How many of BSD100.")] = 16,
    calibration: Annotated[
        int, typer.Option(help="Batches of eight that guards are made of.")
    ] = 24,
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT / "results" / "cures",
) -> None:
    torch.set_num_threads(1)
    flow = load_flow("srflow", "affine", seed=SEED)
    draw = batches("mini", SEED)
    seen = [draw(step) for step in range(calibration)]
    by_quantile: dict[float | None, Guard] = {
        q: guard(flow, seen, quantile=q).guard for q in dict.fromkeys(q for _, q in GUARDS.values())
    }
    flows = {"as trained": flow} | {
        name: GuardedFlow(flow, by_quantile[quantile].with_margin(margin))
        for name, (margin, quantile) in GUARDS.items()
    }
    flows["modified-rq, as trained"] = load_flow("srflow", "modified-rq", seed=SEED)
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in flows}
    pairs = sr_pairs("BSD100", CROP, 1, photographs)
    measure(flow, pairs[0], 0)  # the first decode of a process is slower
    with progress_bar() as bar:
        task = bar.add_task("photographs", total=len(pairs))
        for index, pair in enumerate(pairs):
            for name, one in flows.items():  # in turn, so that other work slows all alike
                measured[name].append(measure(one, pair, index))
            bar.advance(task)
    table = pd.DataFrame(row_of(name, one, measured[name]) for name, one in flows.items())
    save(output / "guard.csv", table)
    facts = {
        "seed": SEED,
        "inputs": len(pairs),
        "crop": CROP,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    text = SAID.format(
        table=markdown(table), pairs=by_quantile[None].pairs, note=made_with(), **facts
    )
    write_atomically(output / "guard.md", text.encode())


if __name__ == "__main__":
    typer.run(main)

"""How large can a decode be, and what does a bound cost? python benchmarks/evidence/bounded_flows.py
[--photographs 16] [--output …]

Every SRFlow mini of the grid shift × displacement × 1×1 × split that has weights, in the user's cache
or shipped (``invbench train`` makes them, some ten minutes each on a core): its certificate for every
condition and |z| ≤ 4τ, its bits per dimension, its samples of BSD100, and where their spread comes
from. Writes bounded_flows.csv, .md and bounds_and_bits.svg and .png; INVBENCH_DATA must hold BSD100.
Half a minute per flow on one core.
"""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from runs import ROOT, made_with, save

from invbench.bounds import certify
from invbench.console import err, progress_bar
from invbench.data.datasets import Pair, sr_pairs
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.quality import displayable, psnr
from invbench.targets import resolve
from invbench.tracks.measuring.sr import quality
from invbench.training.weights import find_weights, load_flow, read_card
from invbench.uniform import stream_seed

CROP, SAMPLES, SEED, RADIUS = 128, 10, 0, 4.0
TEMPERATURE, COLD = 0.9, 0.5
BOUNDED, ORTHOGONAL = "srflow(split=bounded)", "srflow(conv1x1=orthogonal,split=bounded)"
# (flow, design, seeds)
GRID = (
    ("srflow", "affine", 3),
    ("srflow", "modified-rq", 3),
    ("srflow", "cubic-rational-bounded", 1),
    ("srflow", "rq-bounded(bins=4)", 3),
    ("srflow", "cubic-rational-bounded(shift=2)", 1),
    ("srflow(conv1x1=orthogonal)", "cubic-rational-bounded", 1),
    (BOUNDED, "cubic-rational-bounded(shift=2)", 1),
    (BOUNDED, "cubic-rational-bounded(shift=1)", 3),
    (BOUNDED, "rq-bounded(bins=4,shift=1.5)", 1),
    (ORTHOGONAL, "cubic-rational-bounded(shift=2)", 3),
    (ORTHOGONAL, "rq-bounded(bins=4,box=1.5,shift=1.5)", 1),
)
SHOWN = {
    "flow": "flow",
    "design": "design",
    "trainings": "trainings",
    "bits": "bits per dimension",
    "certified": "certified abs(residual)",
    "between": "largest layer",
    "error_pct": "inputs with an error pixel",
    "lr_psnr": "LR-PSNR min / std",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "spread": "spread / error of the mean",
    "cold": "PSNR at τ = 0.5",
    "mean": "PSNR of the mean latent",
}
SAID = """# What a bound on every decode costs

{table}

![certified bound against bits per dimension](bounds_and_bits.png)

SRFlow mini, one recipe (3 000 steps); {inputs} photographs of BSD100, one crop of {crop}×{crop} each, K = {samples} samples at τ = {temperature}, the same latents
for every flow; numbers are means over trainings, the certificate is their largest. Certified: the largest abs(x) before the base image, for **every condition** and
all latents abs(z) ≤ 4τ; largest layer: the same of any value between latent and data (65 504 is the largest number of float16). Bits: mean of the last 200 steps of
training, on T91. Spread: root mean square deviation of a pixel over samples; error of the mean: root mean square distance of the mean sample to the ground truth.
A flow that knew the distribution of x given y would have spread ≈ τ · error of the mean. Weights of `srflow(split=bounded)` with `cubic-rational-bounded(shift=1)` ship;
`invbench train FLOW --coupling DESIGN --seed K` makes the others, K from 0.

{note}
"""


@torch.no_grad()
def measured(flow: ConditionalFlow, pair: Pair, index: int) -> dict[str, float]:
    """The samples of a photograph at τ, what they are worth at a lower one, and the mean latent."""
    y, high = pair.low[None], pair.high[None]

    def decoded(count: int, temperature: float) -> torch.Tensor:
        generator = torch.Generator().manual_seed(stream_seed(SEED, index))
        drawn = flow.sample_latents(count, y, temperature, generator)
        return flow.decode(drawn, y.expand(count, -1, -1, -1))

    samples = decoded(SAMPLES, TEMPERATURE)
    shown = displayable(samples)
    return quality(samples, pair, 4) | {
        "error": float(explosion(samples).error),
        "spread": shown.var(0, correction=0).mean().item(),
        "error_of_mean": (shown.mean(0) - pair.high).square().mean().item(),
        "cold": psnr(decoded(SAMPLES, COLD), high).mean().item(),
        "mean": psnr(decoded(1, 0.0), high).item(),
    }


def row_of(
    flow: str, design: str, trained: list[tuple[ConditionalFlow, dict[str, Any]]], pairs: list[Pair]
) -> dict[str, Any]:
    proofs = [certify(one, RADIUS, temperature=TEMPERATURE) for one, _ in trained]
    table = pd.DataFrame([measured(one, p, k) for one, _ in trained for k, p in enumerate(pairs)])
    return {
        "flow": flow,
        "design": design,
        "trainings": len(trained),
        "inputs": len(pairs),
        "bits": sum(card["final_bits_per_dimension"] for _, card in trained) / len(trained),
        "certified": max(proof.max_residual for proof in proofs),
        "between": max(proof.max_intermediate for proof in proofs),
        "reason": next((proof.reason for proof in proofs if proof.reason), ""),
        "error_pct": 100 * table["error"].mean(),
        "lr_psnr_min": table["lr_psnr_min"].mean(),
        "lr_psnr_std": table["lr_psnr_std"].mean(),
        "psnr": table["psnr"].mean(),
        "ssim": table["ssim"].mean(),
        "spread": math.sqrt(table["spread"].mean()),
        "error_of_mean": math.sqrt(table["error_of_mean"].mean()),
        "cold": table["cold"].mean(),
        "mean": table["mean"].mean(),
    }


def trained(flow: str, design: str, seeds: int) -> list[tuple[ConditionalFlow, dict[str, Any]]]:
    """The trainings that have weights, with their cards; says how to make those that have none."""
    found, target = [], resolve(design)
    for seed in range(seeds):
        path = find_weights(flow, target, "mini", seed)
        if path is None:
            command = (
                f"invbench train {shlex.quote(flow)} --coupling {shlex.quote(design)} --seed {seed}"
            )
            err.print(f"left out, no weights: {command}", markup=False, highlight=False)
            continue
        found.append((load_flow(flow, target, "mini", path, seed), read_card(path)))
    return found


def markdown(table: pd.DataFrame) -> str:
    shown = pd.DataFrame(
        {
            "flow": table.flow.map("`{}`".format),
            "design": table.design.map("`{}`".format),
            "trainings": table.trainings.astype(str),
            "bits": table.bits.map("{:.3f}".format),
            "certified": table.certified.map("{:.1f}".format),
            "between": table.between.map("{:.0f}".format),
            "error_pct": table.error_pct.map("{:.0f} %".format),
            "lr_psnr": [
                f"{a:.2f} / {b:.3f}"
                for a, b in zip(table.lr_psnr_min, table.lr_psnr_std, strict=True)
            ],
            "psnr": table.psnr.map("{:.2f}".format),
            "ssim": table.ssim.map("{:.3f}".format),
            "spread": [
                f"{a:.4f} / {b:.4f}" for a, b in zip(table.spread, table.error_of_mean, strict=True)
            ],
            "cold": table.cold.map("{:.2f}".format),
            "mean": table["mean"].map("{:.2f}".format),
        }
    )
    return shown.rename(columns=SHOWN).to_markdown(index=False, disable_numparse=True)


def picture(table: pd.DataFrame, output: Path) -> None:
    """One point per flow: bits per dimension against the certified bound; flows without one stand
    on the line at the top. Points are numbered as the rows of the table."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    mpl.rcParams["svg.hashsalt"] = "invbench"
    kinds = {  # flow → (colour, what is bounded)
        "srflow": ("#0072B2", "published architecture"),
        "srflow(conv1x1=orthogonal)": ("#CC79A7", "orthogonal 1×1"),
        BOUNDED: ("#D55E00", "bounded split"),
        ORTHOGONAL: ("#009E73", "bounded split, orthogonal 1×1"),
    }
    figure, axes = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
    top = 2 * table.certified[table.certified < math.inf].max()
    names = []
    for number, row in enumerate(table.itertuples(), 1):
        bounded = row.certified < math.inf
        colour, _ = kinds[row.flow]
        height = row.certified if bounded else top
        axes.plot(row.bits, height, "o" if bounded else "^", color=colour, ms=9)
        place = (8, 4) if bounded else (-3, 9 + 11 * (number % 3))
        axes.annotate(
            str(number), (row.bits, height), textcoords="offset points", xytext=place, fontsize=8
        )
        names.append(f"{number} {row.design}")
    axes.axhline(top, color="0.7", lw=0.8, zorder=0)
    axes.set_yscale("log")
    axes.set_ylim(table.certified.min() / 1.3, top * 1.8)
    ticks = [
        tick for tick in (5, 10, 15, 20, 30, 50, 100) if table.certified.min() / 1.3 < tick < top
    ]
    axes.set_yticks([*ticks, top], [*map(str, ticks), "no bound"])
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("bits per dimension (less is better)")
    axes.set_ylabel("largest |x| that any condition can cause")
    handles = [
        plt.Line2D([], [], marker="o", ls="", color=colour, label=words)
        for colour, words in kinds.values()
    ]
    axes.legend(handles=handles, fontsize=8, loc="upper left", bbox_to_anchor=(0.55, 0.72))
    half = (len(names) + 1) // 2
    for part, left in ((names[:half], 0.02), (names[half:], 0.52)):
        figure.text(left, -0.01, "\n".join(part), fontsize=8, va="top")
    for kind in ("svg", "png"):
        figure.savefig(
            output / f"bounds_and_bits.{kind}",
            dpi=160,
            bbox_inches="tight",
            metadata={"Date": None} if kind == "svg" else None,
        )


def main(
    photographs: Annotated[int, typer.Option(help="How many of BSD100.")] = 16,
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT / "results" / "cures",
) -> None:
    torch.set_num_threads(1)
    pairs = sr_pairs("BSD100", CROP, 1, photographs)
    rows = []
    with progress_bar() as bar:
        task = bar.add_task("flows", total=len(GRID))
        for flow, design, seeds in GRID:
            if found := trained(flow, design, seeds):
                rows.append(row_of(flow, design, found, list(pairs)))
            bar.advance(task)
    table = pd.DataFrame(rows)
    save(output / "bounded_flows.csv", table)
    facts = {
        "inputs": len(pairs),
        "crop": CROP,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    text = SAID.format(table=markdown(table), note=made_with(), **facts)
    write_atomically(output / "bounded_flows.md", text.encode())
    picture(table, output)


if __name__ == "__main__":
    typer.run(main)

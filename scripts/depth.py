"""Where along the depth of a flow an explosion starts: python scripts/depth.py [--output results/depth]

profile.csv, profile.png    variance per layer, in distribution and out of it (the paper's Fig. 3b, c): toy and super-resolution flows
features.png                log10 |h| along depth on one exploding case (Fig. 8)
origins.csv, depth.md       the layer behind which |h| first exceeds 10, over exploding pairs (z, y)

The toys are those of the toy2d track (seed 0), trained when they are not in the cache; the photographs are embedded ones.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import torch
import typer
from torch import Tensor

import invbench
from invbench.bench.tracks.toy2d import _trained
from invbench.conditions.datasets import sr_pairs
from invbench.conditions.families import apply_family
from invbench.flows import ConditionalFlow
from invbench.measures.depth import LayerRecord, depth_profile, origin
from invbench.paths import write_atomically
from invbench.reference_models.toy2d.recipe import OOD_SHIFT, draw
from invbench.targets import resolve

DESIGNS = {"affine": "#d55e00", "affine-floor": "#e69f00", "additive": "#0072b2", "modified-rq": "#009e73"}
DASHES = {"affine": "-", "affine-floor": "--", "additive": ":", "modified-rq": "-."}
# condition -> (family, severity): what the origins are collected over
CONDITIONS = {"clean": ("clean", 1)} | {
    f"{family}-{severity}": (family, severity)
    for family in ("sharpen", "binarise", "checkerboard", "constant", "channel-swap", "out-of-range")
    for severity in (3, 5)
}
OOD = "checkerboard-5"
THRESHOLD, SAMPLES, CROP = 10.0, 10, 128
KINDS = ("coupling", "injector", "actnorm", "1×1", "split")
Flow = ConditionalFlow


def conditions(limit: int | None = None) -> Iterator[tuple[str, int, Tensor]]:
    """(condition, image, y) of the embedded photographs."""
    pairs = sr_pairs("embedded", CROP, 1)[:limit]
    for name, (family, severity) in CONDITIONS.items():
        for index, y in enumerate(apply_family(family, severity, pairs, 0)):
            yield name, index, y[None]


def latents_of(flow: Flow, y: Tensor, index: int) -> list[Tensor]:
    return flow.sample_latents(SAMPLES, y, 0.9, torch.Generator().manual_seed(index))


def profiles() -> pd.DataFrame:
    """Variance and largest |h| after each layer, per flow, in distribution and out of it."""
    rows = []
    for design in DESIGNS:
        toy, _ = _trained(resolve(design), 0)
        _, y = draw(2000, 0, 10**6)
        z = toy.sample_latents(len(y), y, 1.0, torch.Generator().manual_seed(0))
        cases = {"toy2d": [("in", toy, z, y), ("out", toy, z, y + OOD_SHIFT * torch.tensor([1.0, -1.0]))]}
        flow = invbench.load_flow("srflow", design)
        clean, odd = (torch.cat([y for name, _, y in conditions() if name == which]) for which in ("clean", OOD))
        z = flow.sample_latents(len(clean), clean, 0.9, torch.Generator().manual_seed(0))
        cases["srflow"] = [("in", flow, z, clean), ("out", flow, z, odd)]
        for model, sides in cases.items():
            for side, subject, latents, y in sides:
                for depth, record in enumerate(depth_profile(subject, latents, y)):
                    rows.append({"model": model, "design": design, "condition": side, "depth": depth} | asdict(record))
    return pd.DataFrame(rows).drop(columns="stretch")


def profile_picture(table: pd.DataFrame) -> bytes:
    figure, axes = plt.subplots(2, 2, figsize=(11, 6.4), layout="constrained", sharey="row")
    titles = {"in": "in distribution", "out": "out of it"}
    for across, model in zip(axes, ("toy2d", "srflow"), strict=True):
        for panel, side in zip(across, titles, strict=True):
            for design, colour in DESIGNS.items():
                mine = table[(table.model == model) & (table.design == design) & (table.condition == side)]
                finite = mine[mine.variance < math.inf]
                panel.plot(finite.depth, finite.variance, DASHES[design], color=colour, label=design, lw=1.6)
                if len(finite) < len(mine):
                    panel.plot(finite.depth.iloc[-1:], finite.variance.iloc[-1:], "x", color=colour, ms=9, mew=2)
            names = mine.set_index("depth")
            panel.set_yscale("log")
            for depth, kind in names.kind.items():
                if kind in ("coupling", "split"):
                    panel.axvspan(depth - 0.5, depth + 0.5, color="0.93" if kind == "coupling" else "#cfe3f5", lw=0)
            shown = names[names.kind.isin(("latent", "split", "data"))]
            panel.set_xticks(shown.index, shown.kind, fontsize=8)
            panel.set_xlim(0, names.index.max())
            panel.set_title(f"{model}, {titles[side]}", fontsize=10)
        across[0].set_ylabel("variance of h, mean over channels")
    axes[0, 0].legend(fontsize=8, frameon=False)
    axes[1, 0].set_xlabel("from noise to data; couplings grey, the split blue; ×: not finite behind it")
    axes[1, 1].set_xlabel(f"out of distribution: toy y + 0.8·(1, −1); images {OOD}")
    return _png(figure)


def _png(figure: plt.Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def exploding(design: str) -> tuple[list[dict[str, object]], tuple[list[Tensor], Tensor, str] | None]:
    """(one row per exploding sample: max |x| > 10, the worst per condition and image; the worst one of clean photographs)."""
    flow, rows, worst, largest = invbench.load_flow("srflow", design), [], None, 0.0
    for name, index, y in conditions():
        batch = y.expand(SAMPLES, -1, -1, -1)
        z = latents_of(flow, batch, index)
        with torch.no_grad():
            sizes = flow.decode(z, batch).abs().flatten(1).nan_to_num(math.inf).amax(1)
        if name == "clean" and sizes.max() > largest:
            k = int(sizes.argmax())
            largest, worst = sizes.max().item(), ([part[k : k + 1] for part in z], y, f"photograph {index}, sample {k}")
        for k in sizes.argsort(descending=True)[:1].tolist():  # samples of one condition explode at the same place
            if sizes[k] > THRESHOLD:
                records = depth_profile(flow, [part[k : k + 1] for part in z], y, stretch=False)
                found = origin(records, THRESHOLD)
                assert found is not None
                row = {"design": design, "condition": name, "image": index, "sample": k, "layer": found.name}
                steepest = _steepest(records)
                rows.append(
                    row
                    | {"kind": found.kind, "growth": found.growth, "max_abs_log10": math.log10(sizes[k].item())}
                    | {
                        "steepest_layer": steepest.name,
                        "steepest_kind": steepest.kind,
                        "steepest_growth": steepest.growth,
                    }
                )
    return rows, worst


def _steepest(records: list[LayerRecord]) -> LayerRecord:
    """The layer across which max |h| grows most; where it stops being finite, that one."""
    return max(records, key=lambda r: -math.inf if math.isnan(r.growth) else r.growth)


def features_picture(design: str, z: list[Tensor], y: Tensor, title: str) -> bytes:
    """log10 of the largest |h| over channels per position, after every second layer from the last of the coarse level on."""
    flow = invbench.load_flow("srflow", design)
    with torch.no_grad():
        steps = list(flow.trace(z, y))
    records = depth_profile(flow, z, y)
    first = origin(records, THRESHOLD)
    start = next(k for k, r in enumerate(records) if first is not None and r.name == first.name)
    wanted = sorted({0, *range(max(0, start - 3), min(len(steps), start + 4))} | set(range(start + 4, len(steps), 3)))
    wanted = [*wanted, len(steps) - 1] if wanted[-1] != len(steps) - 1 else wanted
    columns = 5
    figure, axes = plt.subplots(
        math.ceil(len(wanted) / columns),
        columns,
        figsize=(11, 2.5 * math.ceil(len(wanted) / columns)),
        layout="constrained",
    )
    maps = [steps[k][1][0].abs().amax(0).clamp(min=1e-3).log10() for k in wanted]
    top = max(1.0, math.ceil(max(m.max().item() for m in maps)))
    for panel in axes.flat:
        panel.axis("off")
    for panel, k, image in zip(axes.flat, wanted, maps, strict=False):
        shown = panel.imshow(image, vmin=-1, vmax=top, cmap="magma", interpolation="nearest")
        mark = " ← first > 10" if k == start else ""
        panel.set_title(
            f"{k}: {steps[k][0].replace('level', 'L').replace('_step', '.')}{mark}\n10^{image.max().item():.1f}",
            fontsize=8,
        )
    figure.colorbar(shown, ax=axes, shrink=0.7, label="log10 of the largest |h| over channels")
    figure.suptitle(f"{design}, clean {title}: from noise to data", fontsize=10)
    return _png(figure)


def summary(rows: pd.DataFrame) -> str:
    parts = []
    for design, mine in rows.groupby("design", sort=False):
        counts = Counter(mine.kind)
        steep = Counter(mine.steepest_kind)
        layers = mine.groupby(["layer", "kind"]).agg(
            cases=("growth", "size"), median_growth=("growth", "median"), largest_log10_x=("max_abs_log10", "max")
        )
        table = layers.sort_values("cases", ascending=False).reset_index().to_markdown(index=False, floatfmt=".3g")
        first = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind])
        most = ", ".join(f"{kind} {steep[kind]}" for kind in KINDS if steep[kind])
        where = ", ".join(f"{name} {n}" for name, n in Counter(mine.condition).items())
        parts.append(
            f"**`{design}`**, {len(mine)} exploding samples ({where}).\nFirst layer behind which |h| > {THRESHOLD:g}: {first}. "
            f"Layer across which max |h| grows most: {most}.\n\n{table}\n"
        )
    return "\n".join(parts)


def main(output: Annotated[Path, typer.Option(help="Folder of tables and pictures.")] = Path("results/depth")) -> None:
    torch.set_num_threads(1)
    table = profiles()
    write_atomically(output / "profile.csv", table.to_csv(index=False, float_format="%.5g").encode())
    write_atomically(output / "profile.png", profile_picture(table))
    rows, jumps = [], table.sort_values("depth").groupby(["model", "design", "condition"]).variance
    for design in ("affine", "affine-floor"):
        found, worst = exploding(design)
        rows += found
        if design == "affine" and worst is not None:
            write_atomically(output / "features.png", features_picture(design, *worst))
    origins = pd.DataFrame(rows)
    write_atomically(output / "origins.csv", origins.to_csv(index=False, float_format="%.5g").encode())
    growth = jumps.agg(largest="max", last="last").reset_index().to_markdown(index=False, floatfmt=".3g")
    text = f"""Where along depth an explosion starts. Exploding: a sample with max |x| > {THRESHOLD:g} of {SAMPLES} per photograph and condition, the
worst of each (six embedded photographs, {CROP}×{CROP}, under {len(CONDITIONS)} conditions).

{summary(origins)}
Variance along depth (profile.csv, profile.png), its largest value over layers and the last one; six photographs, 2 000 toy samples:

{growth}

![Variance per layer](profile.png)

![log10 |h| along depth](features.png)
"""
    write_atomically(output / "depth.md", text.encode())
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)

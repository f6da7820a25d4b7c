"""Made-up measurements of the paper's claims."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from invbench.store.cell import Cell
from invbench.store.store import Store
from invbench.studies.study import Study
from tests.support.specs import spec_named, under_todays_protocol


def made_study(root: Path, *cells: Cell, **tables: object) -> Study:
    """A results folder of these cells, and of tables by path."""
    for one in cells:
        Store(root).write(one)
    for name, table in tables.items():
        path = root / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_csv(path, index=False)
    return Study(root)


def cell(track, entry, case, inf=(0,), error=None, seed=0, names=None, **measures):
    """A measured cell with one photograph per input."""
    spec = under_todays_protocol(spec_named(track, entry, case, seed=seed))
    n = len(inf)
    own = {
        "inputs": n,
        "samples": 10,
        "inf": list(inf),
        "error": list(inf if error is None else error),
    }
    own |= {"names": names or [f"p{k}/0" for k in range(n)], "max_abs_log10": [0.1] * n}
    own |= {"failed_samples": sum(own["error"]), "nan": sum(inf), "plus_inf": 0, "minus_inf": 0}
    values = {
        k: [v] * n if isinstance(v, float) and track != "toy2d" else v for k, v in measures.items()
    }
    return Cell(
        key=spec.key, spec=spec, status="diverged" if any(inf) else "ok", measures=own | values
    )


def of_flow(measured: Cell, flow: str, size: str = "mini") -> Cell:
    """The same cell, of another flow than its track's own."""
    settings = {**measured.spec.settings, "flow": flow, "size": size}
    spec = measured.spec.model_copy(update={"settings": settings})
    return measured.model_copy(update={"spec": spec, "key": spec.key})


def images(track, design, inf, error, case="BSD100/clean", **measures):
    """Twelve photographs of which the first ``inf`` and ``error`` fail."""
    return cell(
        track,
        design,
        case,
        [int(k < inf) for k in range(12)],
        [int(k < max(inf, error)) for k in range(12)],
        **measures,
    )


def quality(track, design, better, inf=0):
    measures = {"lr_psnr_min": 40.0 + better, "lr_psnr_std": 0.5 - 0.1 * better}
    measures |= {"psnr": 22.0 + better, "ssim": 0.5 + 0.1 * better}
    return images(track, design, inf, inf, **measures)


def perceptual(design, better, dataset="BSD100"):
    """LPIPS in low light, in a cell of its own."""
    case = f"{dataset}/clean#lpips"
    measured = images("lowlight", design, 0, 0, case, lpips=0.2 - 0.1 * better)
    own = {name: measured.measures[name] for name in ("names", "lpips")}
    return measured.model_copy(update={"measures": own})


def toys(design, outside, jump):
    layers = ["latent", "step2_coupling", "step2_actnorm", "step1_coupling", "data"]
    for seed in range(10):
        for case, share_outside, factor in (("in", 0.0, 1.0), ("shift-0.8", outside, jump)):
            values = [1.0, 1.0, 1.0, factor, factor]
            profile = {
                f"{k:02d} {name}": v for k, (name, v) in enumerate(zip(layers, values, strict=True))
            }
            yield cell(
                "toy2d",
                design,
                case,
                seed=seed,
                outside_pct=share_outside,
                variance_by_layer=profile,
            )


def auc(low, high, failures=50):
    rows = []
    for score in ("flat", "mean", "pixels-flat"):
        for inputs in ("clean", "y in [0, 1]", "changed, within family and severity"):
            row = {
                "design": "affine",
                "inputs": inputs,
                "score": score,
                "outcome": "error",
                "n": 100,
            }
            row |= {
                "failures": failures,
                "auc": (low + high) / 2,
                "auc_lo": low,
                "auc_hi": high,
                "status": "ok",
            }
            rows.append(row | {"slope": 1.0, "slope_cluster_lo": 0.5, "slope_cluster_hi": 1.5})
    return rows

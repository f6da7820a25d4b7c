"""What the released code confounds: half precision, a clamp before counting, the floor of the
scale, frozen 1×1 convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invbench.measures.explosion import explosion
from invbench.measures.paired import cluster_sums
from invbench.measures.quality import lr_psnr
from invbench.measures.statistics import rate_interval
from invbench.store.cell import Cell
from invbench.studies.hong2023.samples import Input, drawn, flow_of, input_of
from invbench.studies.study import Made, Missing, Study, total
from invbench.targets import resolve
from invbench.training.weights import digest_file, find_weights

__all__ = ["clamped", "make", "rate"]

SHOWN = ("affine", "affine-floor", "modified-rq")
PRECISIONS: dict[str, torch.dtype | None] = {
    "float32": None,
    "float16 autocast": torch.float16,
    "bfloat16 autocast": torch.bfloat16,
}
CASES = ("embedded/clean", "embedded/eurban-5")
TEXT = """## Half precision against float32

{precision}

The same latents in every precision, the first crops of the embedded photographs, ten samples each, τ = 0.9; seed 0. Inf: samples with a
non-finite pixel; error: with a pixel > 1.5, < −0.5 or non-finite [95 % interval over photographs, given this training; docs/statistics.md]. Under
autocast convolutions, the flow's own 1×1 among them, run in half precision, so a value beyond 65 504 overflows float16 at the next one; bfloat16
has the range of float32 and is the control. The released LLFlow test runs in float16 autocast.

## Clamp before or after counting

{clamp}

Over all stored cells of super-resolution, per sample: with an error counted at the model's output; with an error left after a clamp to [0, 1],
which is a NaN, for torch's clamp keeps NaN and turns ±Inf into 0 and 1; with ±Inf at the output, all of which a clamp hides. A test that clamps first
would report the second column as its error rate. No intervals: the rates are of these samples, and a cell keeps how many of its samples fail but
not of which photographs they are.

## Floor of the affine scale, and frozen against trained 1×1 convolutions

{training}
"""
TRAINED = "paper/ablations_training.csv"
TRAINED_COLUMNS = (
    "variant bits case inf error inputs max_abs_log10 lr_psnr_min lr_psnr_std iterations"
)
TRAINING = """{table}

SRFlow mini, its recipe with {iterations} iterations in place of 3 000, seed 0; a variant differs in what its name says and in nothing else.
floor: s = sigmoid(a + 2) + floor; the released model has 1e-4, the paper's † 0.1. 1×1 frozen: the 1×1 convolutions stay the random
orthogonal matrices that they start as, as in the released spline model. bits: per dimension of
8-bit crops dequantised by U(0, 1)/256, last 200 steps. Rates are over inputs, ten samples
each; no intervals, for of which photographs the failing inputs are is not stored (of `embedded` two inputs are of one photograph). One training
each: another may differ by more than these do from each other. Full output: ablations_training.csv, `invbench reproduce ablations_training`."""


def make(study: Study) -> Made:
    """Decodes the shipped flows in half precision where that is not stored, some minutes. Raises
    ``Missing`` without cells of the track sr."""
    if not study.cells("sr"):
        command = study.command("run --track sr")
        raise Missing(f"no cells of track 'sr' in {study.root}; {command}")
    precision, clamp = _precisions(study), clamped(study)
    text = TEXT.format(
        precision=precision.drop(columns="weights", errors="ignore").to_markdown(
            index=False, disable_numparse=True
        ),
        clamp=clamp.to_markdown(index=False, disable_numparse=True),
        training=_training(study),
    )
    return Made(text, {"ablations_precision": precision, "ablations_clamp": clamp}, {})


def _training(study: Study) -> str:
    """The table of ``ablations_training``, or what to run."""
    try:
        found = study.csv(
            TRAINED, "INVBENCH_DATA=… invbench reproduce ablations_training", TRAINED_COLUMNS
        )
    except Missing as missing:
        return f"Not measured: {missing}"
    rows = [
        {
            "variant": one.variant,
            "bits": f"{one.bits:.3f}",
            "condition": one.case,
            "Inf": _per_cent(one.inf, one.inputs),
            "error": _per_cent(one.error, one.inputs),
            "log10 max abs(x)": f"{one.max_abs_log10:.1f}",
            "min / σ LR-PSNR, dB": f"{one.lr_psnr_min:.2f} / {one.lr_psnr_std:.3f}",
        }
        for one in found.sort_values("case", kind="stable").itertuples()
    ]
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return TRAINING.format(table=table, iterations=int(found.iterations.iloc[0]))


def _precisions(study: Study) -> pd.DataFrame:
    """Rows that ablations_precision.csv has of these weights are not measured again."""
    path = study.root / "paper" / "ablations_precision.csv"
    stored = pd.DataFrame()
    if path.exists() and not study.again:
        stored = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows: list[dict[Any, Any]] = []
    for cell in _cells(study):
        given = [input_of(cell, index) for index in range(min(6, len(cell.numbers("inf"))))]
        for design in SHOWN:
            weights = _weights_of(cell, design)
            known = {"condition": cell.spec.case, "design": design, "weights": weights}
            if set(known) <= set(stored.columns):
                same = stored[(stored[list(known)] == pd.Series(known)).all(axis=1)]
                if list(same.precision) == list(PRECISIONS):
                    rows += same.to_dict("records")
                    continue
            study.say(f"ablations: {cell.spec.case}, {design}")
            flow = flow_of(cell, design)
            for name, dtype in PRECISIONS.items():
                with torch.autocast("cpu", dtype) if dtype else nullcontext():  # type: ignore[attr-defined]
                    rows.append(
                        {"condition": cell.spec.case, "design": design, "precision": name}
                        | _row([(i, drawn(flow, i)[0].float()) for i in given])
                        | {"weights": weights}
                    )
    return pd.DataFrame(rows)


def _weights_of(cell: Cell, design: str) -> str:
    """Sixteen hex digits of the file that ``flow_of`` reads; empty without one."""
    settings = cell.spec.settings
    path = find_weights(
        str(settings["flow"]), resolve(design), str(settings["size"]), cell.spec.seed
    )
    return digest_file(path) if path else ""


def _cells(study: Study) -> Iterator[Cell]:
    for case in CASES:
        yield from [
            c
            for c in study.cells("sr", "affine", case.__eq__)
            if c.spec.seed == 0 and "inf" in c.measures
        ]


def _row(samples: list[tuple[Input, Tensor]]) -> dict[str, Any]:
    found = [explosion(x) for _, x in samples]
    broken = [int((~x.isfinite()).flatten(1).any(1).sum()) for _, x in samples]
    photographs = [given.pair.name.rpartition("/")[0] for given, _ in samples]
    drawn_of_each = [e.samples for e in found]
    minimum = [lr_psnr(x, given.pair.low[None], 4).min().item() for given, x in samples]
    row: dict[str, Any] = {
        "samples": sum(drawn_of_each),
        "Inf": rate(broken, drawn_of_each, photographs),
    }
    row["error"] = rate([e.failed_samples for e in found], drawn_of_each, photographs)
    largest = max(e.max_abs_log10 for e in found)
    return row | {
        "log10 max abs(x)": f"{largest:.1f}",
        "min LR-PSNR, dB": f"{sum(minimum) / len(minimum):.2f}",
    }


def clamped(study: Study) -> pd.DataFrame:
    """Per design, over all stored samples: error rate at the output and after a clamp to [0, 1]."""
    rows = []
    for design in study.designs("sr"):
        cells = [c for c in study.cells("sr", design) if "failed_samples" in c.measures]
        n = sum(total([cell], "inputs") * total([cell], "samples") for cell in cells)
        row = {
            "design": design,
            "samples": n,
            "error, before": _per_cent(total(cells, "failed_samples"), n),
        }
        row["error, after a clamp"] = _per_cent(total(cells, "nan"), n)
        rows.append(row | {"+Inf": total(cells, "plus_inf"), "−Inf": total(cells, "minus_inf")})
    return pd.DataFrame(rows)


def rate(failures: Sequence[int], samples: Sequence[int], photographs: Sequence[str]) -> str:
    """Per cent of the samples of each input that fail, over photographs."""
    sums, _ = cluster_sums(np.array([failures, samples], dtype=np.float64).T, photographs)
    middle, low, high = (100 * v for v in rate_interval(sums[None, :, 0], sums[None, :, 1]))
    return f"{middle:.1f} % [{low:.1f}, {high:.1f}]"


def _per_cent(count: int, n: int) -> str:
    return f"{100 * count / n:.1f} %" if n else ""

"""Ten headline numbers a second time, without invbench's code: python
benchmarks/evidence/headline.py [--only rate --only find] [--output …]

Runs the files in again/, each of which reads one published number, computes it anew from
photographs, weights and latents, and says how far rounding may carry the two apart. Writes
headline.csv and headline.md. INVBENCH_DATA must hold BSD100, Set14, Urban100, T91 and
DIV2K_crops256. Exit code 1 when two numbers differ.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from runs import ROOT, made_with, save

from invbench.console import err
from invbench.files import write_atomically

sys.path.insert(0, str(Path(__file__).parent / "again"))
ANSWERS = (
    "rate",
    "lr_psnr",
    "sigma_max",
    "find",
    "typical",
    "radius",
    "auc",
    "bits",
    "bound",
    "interval",
    "rank",
)
SAID = """# Headline numbers, computed a second time

{table}

Each file in `benchmarks/evidence/again/` reads the published number from `results/` and computes it anew: the flows from the formulas and the
weight files (`flow_again.py`), photographs, crops and MATLAB's bicubic (`photographs.py`), with torch, numpy, scipy and Pillow; nothing of
invbench is imported. `tests/evidence/test_again.py` holds both side by side. within: the largest difference that rounding, or for a search its budget,
explains.

{note}
"""


def table_of(name: str) -> pd.DataFrame:
    rows = importlib.import_module(name).answers()
    return pd.DataFrame({"script": f"{name}.py", **vars(row), "equal": row.equal} for row in rows)


def main(
    only: Annotated[list[str] | None, typer.Option(help="Names of files; all without it.")] = None,
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT
    / "results"
    / "evidence",
) -> None:
    torch.set_num_threads(1)
    parts = []
    for name in only or ANSWERS:
        parts.append(table_of(name))
        err.print(parts[-1].to_string(index=False, header=False))
    table = pd.concat(parts)
    save(output / "headline.csv", table)
    shown = table.drop(columns="how").assign(equal=table.equal.map({True: "yes", False: "**no**"}))
    text = SAID.format(table=shown.to_markdown(index=False, floatfmt=".6g"), note=made_with())
    write_atomically(output / "headline.md", text.encode())
    raise SystemExit(0 if table.equal.all() else 1)


if __name__ == "__main__":
    typer.run(main)

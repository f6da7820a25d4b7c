"""What the laws say of released flow libraries: python scripts/library_findings.py [--budget smoke] [--output results/libraries]

Needs pip install '.[libraries]'. Writes findings.csv (one row per target, law and kind), verdicts.md (target × law) and findings.md
(one line per finding that counts against the code, with the command that shows it).
"""

from __future__ import annotations

import platform
import re
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from invbench.adapters import installed, load_library, of_library
from invbench.bench.store import write_atomically
from invbench.console import err, progress_bar
from invbench.properties import LAWS, Report, check
from invbench.registry import COUPLINGS, LAYERS
from invbench.targets import resolve

PLAIN = {
    "round-trip-x": "decoding what was encoded does not give the input back",
    "round-trip-z": "encoding what was decoded does not give the latent back",
    "accuracy": "digits are lost that the dtype could hold",
    "finite": "Inf or NaN comes out where the exact result fits into the dtype",
    "extreme-conditions": "large conditioner outputs give Inf, NaN or an exception",
    "double-precision": "in float64 it is no more accurate than in float32",
    "half-precision": "in bfloat16 or float16 the result is wrong",
    "log-det": "log_det is not that of the map",
    "inverse-log-det": "the inverse's log_det is not minus the forward one",
    "monotone": "the elementwise map is not monotone",
    "gradients": "a gradient is wrong",
    "gradients-finite": "a gradient is NaN or Inf where the exact one is finite",
    "copies": "a module cannot be copied or pickled after use",
    "state-dict": "the state_dict does not hold what decides the map",
    "train-eval": "training mode is another map",
    "empty-batch": "an empty batch fails",
    "stateless": "the result depends on earlier calls",
    "untouched": "a channel that should pass through is changed",
}
PLACE = re.compile(r"/\S*/site-packages/")  # of this machine
SHORT = {"defect": "D", "crash": "X", "ill-conditioned": "i"}


def sentences(report: Report, budget: str) -> list[str]:
    """One line per finding; an exception that several laws meet is one finding."""
    lines: dict[str, tuple[list[str], str]] = {}
    for f in report.failures:
        if f.breaks_soundness:
            message = PLACE.sub("", " ".join(f.message.split()))[:240]
            what = (
                "raises an exception"
                if f.kind == "crash"
                else PLAIN.get(f.property, LAWS[f.property].statement.split(".")[0])
            )
            key = message if f.kind == "crash" else f"{f.property} {message}"
            lines.setdefault(key, ([], f"{what}. {message}"))[0].append(f.property)
    show = f"`invbench check {report.target} --budget {budget}`"
    return [f"- **{report.target}** ({', '.join(laws)}): {text} — {show}" for laws, text in lines.values()]


def main(
    budget: Annotated[str, typer.Option(help="smoke, default or deep.")] = "smoke",
    output: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("results/libraries"),
    only: Annotated[str, typer.Option(help="Comma-separated libraries; all that are installed by default.")] = "",
) -> None:
    torch.set_num_threads(1)
    versions = installed()
    for library in only.split(",") if only else versions:
        load_library(library)
    names = [n for registry in (LAYERS, COUPLINGS) for n in registry if of_library(n)]
    reports: list[Report] = []
    with progress_bar() as bar:
        task = bar.add_task("checking", total=len(names))
        for name in names:
            bar.update(task, description=name)
            reports.append(check(resolve(name, ("layer", "coupling")), budget=budget))
            bar.advance(task)
    shown = ("property", "severity", "kind", "value", "bound")
    rows = [
        {"target": r.target, **{name: getattr(f, name) for name in shown}, "message": PLACE.sub("", f.message)}
        for r in reports
        for f in r.failures
    ]
    table = pd.DataFrame(rows)
    note = (
        f"{time.strftime('%Y-%m-%d')}, `python scripts/library_findings.py --budget {budget}`, float32, CPU; Python {platform.python_version()}, "
        f"torch {torch.__version__}, {', '.join(f'{n} {v}' for n, v in versions.items())}"
    )
    write_atomically(output / "findings.csv", table.to_csv(index=False).encode())
    write_atomically(output / "verdicts.md", verdicts(reports, table, note).encode())
    write_atomically(output / "findings.md", findings(reports, budget, note).encode())
    err.print(f"{sum(r.sound for r in reports)} of {len(reports)} sound; {output}")


def verdicts(reports: list[Report], table: pd.DataFrame, note: str) -> str:
    table = table.assign(mark=table["kind"].map(SHORT))
    laws = [law for law in LAWS if law in set(table["property"])]
    cells = (
        table.groupby(["target", "property"])["mark"]
        .agg("".join)
        .unstack(fill_value="")
        .reindex(columns=laws, fill_value="")
    )
    cells = cells.reindex([r.target for r in reports], fill_value="")
    cells.insert(0, "sound", ["yes" if r.sound else "NO" for r in reports])
    key = "D defect, X exception, i ill-conditioned (the design's business), empty: holds or does not apply. Laws that hold everywhere are left out."
    capability = [law for law in laws if LAWS[law].severity != "soundness"]
    return f"{cells.to_markdown()}\n\n{key} Never counted against soundness: {', '.join(capability)}.\n\n{note}\n"


def findings(reports: list[Report], budget: str, note: str) -> str:
    lines = [line for r in reports for line in sentences(r, budget)]
    return "\n".join(lines) + f"\n\n{note}\n"


if __name__ == "__main__":
    typer.run(main)

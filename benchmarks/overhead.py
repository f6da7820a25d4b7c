"""How much of a check is spent in the subject itself: python benchmarks/overhead.py [--rows 4096]
[--output results/benchmarks]

Share of the wall time of the laws of scope corpus that passes inside the subject's own forward and
inverse (those of its float64 twin included, and their backward passes, which autograd runs), per
target.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from invbench.files import write_atomically
from invbench.laws import LAWS, LawCase, judge_case, subject_of
from invbench.laws.cases.recipe import InputRecipe
from invbench.targets import resolve

TARGETS = "affine,modified-rq,rq,cubic-rational,b-spline,affine-block,spline-block"
RECIPES = (("normal", 0, "normal", 0), ("tails", 0, "box", 2), ("log", 20, "saturated", 2))


class Clock:
    """Counts the time of the outermost call."""

    def __init__(self) -> None:
        self.seconds, self.depth = 0.0, 0

    def wrap(self, function):
        def timed(*args, **kwargs):
            self.depth += 1
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.depth -= 1
                if self.depth == 0:
                    self.seconds += time.perf_counter() - started

        return timed


def share(name: str, rows: int) -> dict[str, float | str]:
    clock, total = Clock(), 0.0
    target = resolve(name, ("coupling", "layer"))
    cls = type(subject_of(target, torch.float32).module)
    kept = cls.forward, cls.inverse
    engine = torch.autograd.grad
    cls.forward, cls.inverse, torch.autograd.grad = *map(clock.wrap, kept), clock.wrap(engine)
    try:
        subject = subject_of(target, torch.float32)
        for recipe in RECIPES:
            case = LawCase.of(InputRecipe(*recipe, rows, 0), subject)
            started = time.perf_counter()
            for law in LAWS.values():
                if law.scope == "corpus" and law.applies(subject):
                    judge_case(law, case)
            total += time.perf_counter() - started
    finally:
        (cls.forward, cls.inverse), torch.autograd.grad = kept, engine
    return {
        "target": name,
        "rows": rows,
        "seconds": total,
        "in_subject_pct": 100 * clock.seconds / total,
    }


def main(
    rows: Annotated[int, typer.Option(help="Rows per case.")] = 4096,
    targets: Annotated[str, typer.Option(help="Comma-separated targets.")] = TARGETS,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
) -> None:
    torch.set_num_threads(1)
    table = pd.DataFrame([share(name, rows) for name in targets.split(",")])
    note = (
        f"{time.strftime('%Y-%m-%d')}, one thread, {platform.machine()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}"
    )
    text = f"{table.to_markdown(index=False, floatfmt='.1f')}\n\n{note}\n"
    typer.echo(text)
    write_atomically(output / "overhead.md", text.encode())
    write_atomically(
        output / "overhead.csv", table.to_csv(index=False, float_format="%.4g").encode()
    )


if __name__ == "__main__":
    typer.run(main)

"""Where does the toy's variance jump appear?

Depth, width, training length and shape of p(x) of the two-dimensional toy (paper, Fig. 2 and 3),
one factor at a time around the recipe of ``invbench.training.toy2d``. One row per trained toy in
toy_sweep.csv, written as it goes; interrupted, it goes on where it stopped. ``jump`` is the paper's
finding at Aff4: the largest factor by which one coupling multiplies Var(shifted)/Var(in
distribution).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from invbench.console import progress_bar
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.measures.depth import variance_profile
from invbench.measures.statistics import clopper_pearson, median_interval
from invbench.studies.study import Made, Study
from invbench.studies.toy_map.shapes import draw
from invbench.targets import Target, resolve
from invbench.training.loop import TrainingRecipe, train
from invbench.training.toy2d import SIZES, ToySize, toy2d
from invbench.training.toy2d.recipe import OOD_SHIFT, RECIPES

__all__ = ["make", "settings"]

RECIPE, SIZE = RECIPES["mini"], SIZES["mini"]
SEEDS = 10
DESIGNS = ("affine", "modified-rq")
TEST_ROWS, TEST_STREAM = 2000, 10**6
SHIFTS = (OOD_SHIFT, 4 * OOD_SHIFT)
SHAPES = ("square", "dots", "board", "band")
EXPLODES = 1e4  # "more than 10,000 times" (paper, §3.2.1)


@dataclass(frozen=True)
class Setting:
    """One toy: the recipe of ``toy2d``, or that with ``factor`` changed to ``value``."""

    factor: str = "recipe"
    value: str = ""
    size: ToySize = SIZE
    iterations: int = RECIPE.iterations
    shape: str = "ring"


def settings() -> list[Setting]:
    """The recipe, then one factor at a time."""
    found = [Setting()]
    found += [Setting("steps", str(n), size=replace(SIZE, steps=n)) for n in (3, 10)]
    found += [Setting("width", str(n), size=replace(SIZE, width=n)) for n in (16, 128)]
    found += [Setting("iterations", str(n), iterations=n) for n in (400, 2400)]
    return found + [Setting("shape", name, shape=name) for name in SHAPES]


def trained(setting: Setting, target: Target, seed: int) -> tuple[ConditionalFlow, float]:
    """The toy and its last loss. It differs from the track's in the named factor only."""
    SIZES["sweep"] = setting.size
    flow = toy2d(target.make, "sweep", seed)
    recipe: TrainingRecipe = replace(RECIPE, iterations=setting.iterations)
    log = train(flow, lambda step: draw(setting.shape, recipe.batch, seed, step), recipe)
    return flow, log.final


def one_toy(setting: Setting, target: Target, seed: int) -> dict[str, Any]:
    """Train and measure: a row of toy_sweep.csv; ``seconds`` of CPU time."""
    began = time.process_time()
    flow, loss = trained(setting, target, seed)
    row = {"factor": setting.factor, "value": setting.value, "design": target.name, "seed": seed}
    row |= {"digest": target.digest, "train_nll": loss, **measure(flow, setting.shape, seed)}
    return row | {"seconds": round(time.process_time() - began, 2)}


@torch.no_grad()
def measure(flow: ConditionalFlow, shape: str, seed: int) -> dict[str, Any]:
    _, y = draw(shape, TEST_ROWS, seed, TEST_STREAM)
    z = flow.sample_latents(TEST_ROWS, y, 1.0, torch.Generator().manual_seed(seed))
    inside = variance_profile(flow, z, y)
    row: dict[str, Any] = {"outside_in": outside(flow.decode(z, y))}
    for shift in SHIFTS:
        odd = y + shift * torch.tensor([1.0, -1.0])
        x, name = flow.decode(z, odd), f"{shift:g}"
        ratios = [
            (layer, o / i)
            for (layer, o), (_, i) in zip(variance_profile(flow, z, odd), inside, strict=True)
        ]
        jumps = {layer: ratio / before for (_, before), (layer, ratio) in pairwise(ratios)}
        where = max((layer for layer in jumps if layer.endswith("coupling")), key=jumps.__getitem__)
        row |= {f"outside_{name}": outside(x), f"max_{name}": x.abs().max().item()}
        row |= {
            f"ratio_{name}": max(ratio for _, ratio in ratios),
            f"jump_{name}": jumps[where],
            f"at_{name}": where,
        }
    return row


def outside(x: Tensor) -> float:
    """Per cent of samples outside [−1, 1]², non-finite ones included."""
    return 100 - 100 * (x.abs() <= 1).all(-1).double().mean().item()


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per setting and design: over seeds, medians with exact 95 % intervals."""
    found = []
    for (factor, value, design), mine in rows.groupby(["factor", "value", "design"], sort=False):
        row = {"factor": factor, "value": value, "design": design, "seeds": len(mine)}
        row["outside, in %"] = middle(mine.outside_in, 1)
        for shift in SHIFTS:
            name = f"{shift:g}"
            hits = int((mine[f"jump_{name}"] >= EXPLODES).sum())
            low, high = clopper_pearson(hits, len(mine))
            row |= {
                f"outside, {name} %": middle(mine[f"outside_{name}"], 1),
                f"ratio, {name}": middle(mine[f"ratio_{name}"]),
            }
            row |= {f"largest jump, {name}": f"{mine[f'jump_{name}'].max():.3g}"}
            row |= {
                f"seeds ≥ 10⁴, {name}": f"{hits} [{len(mine) * low:.1f}, {len(mine) * high:.1f}]"
            }
        found.append(row)
    return pd.DataFrame(found)


def middle(values: pd.Series, digits: int = 2) -> str:
    value, low, high = median_interval(values.tolist())
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def report(rows: pd.DataFrame, planned: int) -> str:
    hit = rows[(rows[[f"jump_{s:g}" for s in SHIFTS]] >= EXPLODES).any(axis=1)]
    where = "".join(
        f"; {r.factor} {r.value} {r.design} seed {r.seed}".replace("  ", " ")
        for r in hit.itertuples()
    )
    top = rows.sort_values(f"jump_{OOD_SHIFT:g}", kind="stable", ascending=False).iloc[0]
    largest = (
        f"{top[f'jump_{OOD_SHIFT:g}']:.3g} ({top.factor} {top.value}, {top.design}, seed "
        f"{top.seed}, {top[f'at_{OOD_SHIFT:g}']})"
    )
    recipe = (
        f"{SIZE.steps} steps, width {SIZE.width}, {RECIPE.iterations} iterations of "
        f"{RECIPE.batch}, ring-shaped p(x)"
    )
    return f"""# Where the toy's variance jump appears

{len(rows)} of {planned} toys trained. In {len(hit)} of them a coupling multiplies Var(shifted)/Var(in distribution) by 10⁴ or more{where}.
The largest jump at the paper's shift of {OOD_SHIFT:g}: {largest}.

{summary(rows).to_markdown(index=False, disable_numparse=True)}

One factor at a time around the recipe: {recipe}. Per toy {TEST_ROWS} conditions, one sample each;
the condition is shifted by s·(1, −1), s as in the column's name, the paper's is {OOD_SHIFT:g}.
Outside: samples outside [−1, 1]². Ratio: largest over layers of Var(shifted)/Var(in distribution). Jump: the factor by which one coupling
multiplies that ratio. Medians over seeds [exact 95 % interval]; below six seeds there is none. The shapes of p(x), and how it is measured:
`invbench reproduce toy_sweep`, `invbench/studies/toy_sweep.py`.
"""


def make(study: Study) -> Made:
    """Trains and measures the toys that toy_sweep.csv has not: an hour for all. Rows of an older
    source of a coupling are left out."""
    torch.set_num_threads(1)
    path, targets = study.root / "paper" / "toy_sweep.csv", [resolve(name) for name in DESIGNS]
    plan = [(seed, s, t) for seed in range(SEEDS) for s in settings() for t in targets]
    stored = path.exists() and not study.again
    rows: list[dict[Any, Any]] = (
        pd.read_csv(path, dtype={"value": str}, keep_default_na=False).to_dict("records")
        if stored
        else []
    )
    current = {target.name: target.digest for target in targets}
    rows = [row for row in rows if current.get(row["design"], row["digest"]) == row["digest"]]
    done = {(row["factor"], row["value"], row["design"], int(row["seed"])) for row in rows}
    todo = [one for one in plan if (one[1].factor, one[1].value, one[2].name, one[0]) not in done]
    with progress_bar() as bar:
        task = bar.add_task("toys", total=len(plan), completed=len(plan) - len(todo))
        for seed, setting, target in todo:
            rows.append(one_toy(setting, target, seed))
            table = pd.DataFrame(rows)
            write_atomically(path, table.to_csv(index=False, float_format="%.6g").encode())
            bar.update(
                task, advance=1, description=f"{setting.factor} {setting.value} {target.name}"
            )
    table, page = pd.DataFrame(rows), path.with_suffix(".md")
    # a complete sweep keeps its text: the six digits of the csv may round a tie otherwise
    text = page.read_text() if not todo and page.exists() else report(table, len(plan))
    return Made(text, {"toy_sweep": table}, {}, whole=True)

"""The recipe ``medium`` of SRFlow: seconds of a step of the real loop, and the minutes that a
design takes by them. On a GPU that must be no more than a call of the lent machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gpu.part import Answer, Setting
from gpu.parts.kernels import TIMED
from gpu.photographs import stand_in
from gpu.timing import peak_gib, synchronised
from invbench.couplings.compiled import cannot_compile, compile_couplings
from invbench.registry import COUPLINGS
from invbench.targets import resolve
from invbench.training.loop import Batches, TrainingRecipe, train
from invbench.training.train_flow import recipes_of

SIZE = "medium"
MOST_MINUTES = 8.0
WARM, STEPS = 5, 40
RESERVE = 20.0


def measure(setting: Setting) -> Answer:
    stand_in(Path(setting.work))
    names = TIMED[:1] if setting.small else TIMED
    rows: list[dict[str, Any]] = []
    for name in names:
        if rows and setting.left() < RESERVE:
            break
        rows.append(trained(name, setting))
        setting.keep(_answer(rows, setting.small))
    return _answer(rows, setting.small)


def trained(name: str, setting: Setting) -> dict[str, Any]:
    """Seconds of a step and what a whole training takes by them, compiling included. On a CPU the
    batch is one image and nothing is compiled."""
    recipes = recipes_of(resolve("srflow", ("flow",)))
    recipe: TrainingRecipe = recipes.RECIPES[SIZE]
    whole = recipe.iterations
    if setting.small:
        recipe = replace(recipe, batch=1)
    batches: Batches = recipes.patches(recipe, 0)
    batches(0)  # reads the photographs
    flow = resolve("srflow", ("flow",)).make(COUPLINGS[name].obj, SIZE, 0).to(setting.device)
    started = synchronised(setting.device)
    hindrance = "on a CPU" if setting.small else cannot_compile(COUPLINGS[name].obj(), "cuda")
    if not hindrance:
        compile_couplings(flow)
    warm, steps = (1, 2) if setting.small else (WARM, STEPS)
    train(flow, batches, replace(recipe, iterations=warm))
    before = synchronised(setting.device) - started
    if not setting.small:
        torch.cuda.reset_peak_memory_stats()
    started = synchronised(setting.device)
    log = train(flow, batches, replace(recipe, iterations=steps))
    took = (synchronised(setting.device) - started) / steps
    return {
        "design": name,
        "eager": hindrance or "",
        "batch": recipe.batch,
        "step_s": took,
        "minutes": (before + took * whole) / 60,
        "gib": peak_gib(setting.device),
        "non_finite_steps": log.non_finite_steps,
    }


def _answer(rows: list[dict[str, Any]], small: bool) -> Answer:
    failures = []
    for row in rows:
        if row["non_finite_steps"]:
            failures.append(f"{row['design']}: {row['non_finite_steps']} steps are not finite")
        if not small and row["minutes"] > MOST_MINUTES:
            failures.append(f"{row['design']}: {row['minutes']:.1f} min, {MOST_MINUTES:g} at most")
    first = rows[0]
    each = ", ".join(f"{row['design']} {row['minutes']:.1f} min" for row in rows)
    said = f"a step of {first['batch']} images {first['step_s']:.3g} s; whole: {each}"
    return Answer(said if not small else said.partition(";")[0], failures, rows)

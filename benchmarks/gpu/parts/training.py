"""A short training of the mini SRFlow by ``train_flow``, interrupted and continued; and its first
steps beside those of the CPU.

Two trainings that round differently drift apart. How fast is measured, not assumed: the CPU trains
copies whose weights are moved to w·(1 ± 2u), and with δ_k the largest change of the loss until
step k

    |loss_GPU − loss_CPU| ≤ SLACK · (δ_k + u · (1 + |loss|)).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpu.part import Answer, Setting
from gpu.photographs import stand_in
from invbench.couplings.compiled import compiler_missing
from invbench.data.datasets import sr_pairs
from invbench.flows import ConditionalFlow
from invbench.laws.judging.conditioning import SLACK, unit_roundoff
from invbench.targets import resolve
from invbench.training import loop
from invbench.training.loop import TrainingLog, TrainingRecipe
from invbench.training.train_flow import recipes_of, train_flow
from invbench.training.weights import load_flow

__all__ = ["drift", "first_losses"]

U = unit_roundoff(torch.float32)
COPIES = 2


class Interrupted(Exception):
    """As Ctrl-C."""


def measure(setting: Setting) -> Answer:
    stand_in(Path(setting.work))
    recipes = recipes_of(resolve("srflow", ("flow",)))
    recipe: TrainingRecipe = recipes.RECIPES["mini"]
    if setting.small:
        recipe = replace(recipe, batch=1, extra=recipe.extra | {"patch": 16})
    compared = replace(recipe, iterations=3 if setting.small else 8)
    host, *moved = (first_losses(compared, "cpu", copy) for copy in range(COPIES + 1))
    device = first_losses(compared, setting.device)
    row: dict[str, Any] = {"cpu": host, "device": device, "share": drift(host, device, moved)}
    failures = []
    if row["share"] > 1:
        failures.append(f"the first losses differ by {row['share']:.3g} times their bound")
    setting.keep(Answer("", failures, [row]))
    whole = replace(recipe, iterations=150 if setting.small else 300)
    recipes.RECIPES["mini"] = whole
    found, wrong = sittings(setting, whole)
    said = (
        f"loss {found['losses'][0]:.3f} → {found['losses'][-1]:.3f} nats per dimension in "
        f"{whole.iterations} steps; first losses take {row['share']:.2g} of their bound"
    )
    return Answer(said, failures + wrong, [row, found])


def first_losses(recipe: TrainingRecipe, device: str, moved: int = 0) -> list[float]:
    """The loss of every step, of the flow of seed 0; with ``moved``, a seed, its weights are moved
    to w·(1 ± 2u) first."""
    flow: ConditionalFlow = resolve("srflow", ("flow",)).make(resolve("affine").make, "mini", 0)
    generator = torch.Generator().manual_seed(moved)
    with torch.no_grad():
        for p in flow.parameters() if moved else ():
            signs = 2.0 * torch.randint(0, 2, p.shape, generator=generator) - 1
            p.mul_(1 + 2 * U * signs)  # u alone is lost in rounding 1 + u
    losses: list[float] = []
    plain = flow.log_prob

    def recorded(x: Tensor, y: Tensor) -> Tensor:
        log_prob = plain(x, y)
        losses.append(-log_prob.detach().mean().item() / x[0].numel())
        return log_prob

    flow.log_prob = recorded  # type: ignore[method-assign]
    loop.train(flow.to(device), recipes_of(resolve("srflow", ("flow",))).patches(recipe, 0), recipe)
    return losses


def drift(host: list[float], device: list[float], moved: list[list[float]]) -> float:
    """The largest difference over its bound; infinite for a loss that is no number."""
    worst = spread = 0.0
    for k, (here, there) in enumerate(zip(host, device, strict=True)):
        spread = max(spread, *(abs(other[k] - here) for other in moved))
        ratio = abs(there - here) / (SLACK * (spread + U * (1 + abs(here))))
        worst = max(worst, ratio if ratio == ratio else float("inf"))
    return worst


def sittings(setting: Setting, recipe: TrainingRecipe) -> tuple[dict[str, Any], list[str]]:
    """(what was found, what is wrong) of a training that is interrupted once and continued from its
    checkpoint, and of a decode with the weights that it wrote."""
    loop.CHECKPOINT_SECONDS = 0.0  # at every 50 steps
    compiled = not setting.small and not compiler_missing(setting.device)
    steps: list[int] = []
    losses: list[float] = []
    stop = recipe.iterations - 50

    def progress(log: TrainingLog, recipe: TrainingRecipe) -> None:
        steps.append(log.step)
        losses[:] = log.nll
        if len(steps) == stop // 50:
            raise Interrupted

    def sitting() -> Path:
        out = Path(setting.work) / "weights"
        device = setting.device
        return train_flow(
            "srflow", "affine", "mini", 0, out, progress, compiled=compiled, device=device
        )

    with contextlib.suppress(Interrupted):
        sitting()
    path, wrong = sitting(), []
    if steps[-2:] != [stop, recipe.iterations] or steps.count(stop) != 2:
        wrong.append(f"it did not go on from its checkpoint: steps {steps}")
    if not losses[-1] < losses[0]:
        wrong.append(f"the loss does not fall: {losses[0]:.4f} → {losses[-1]:.4f}")
    flow = load_flow("srflow", "affine", "mini", path).to(setting.device)
    y = sr_pairs("embedded", 32, 1, 1)[0].low[None].to(setting.device)
    with torch.no_grad():
        latents = flow.sample_latents(1, y, 0.5, torch.Generator().manual_seed(0))
        if not flow.decode(latents, y).isfinite().all():
            wrong.append("a decode with the trained weights is not finite")
    return {"steps": steps, "losses": losses, "compiled": compiled}, wrong

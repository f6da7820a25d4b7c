"""Train a flow by its recipe, and write its weights and card."""

from __future__ import annotations

import importlib
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from invbench.couplings.compiled import cannot_compile, compile_couplings
from invbench.data.folders import take_inventory
from invbench.data.layouts import LAYOUTS, LOW_LIGHT
from invbench.devices import require_device
from invbench.errors import UsageError
from invbench.files import cache_dir
from invbench.measures.bits import bits_per_dimension, convention, dequantisation_of
from invbench.targets import Target, resolve
from invbench.training.loop import TrainingLog, TrainingRecipe, train
from invbench.training.weights import save_weights, weights_name

__all__ = ["likelihood", "loss_text", "recipes_of", "train_flow"]

# name in a recipe's ``data`` → layout
DATA = LAYOUTS | {"LOL our485": LOW_LIGHT["LOL", "train"]}
LONG = 2000  # iterations from which on compilation saves time


def train_flow(
    flow_name: str,
    coupling: str,
    size: str,
    seed: int = 0,
    out: Path | None = None,
    progress: Callable[[TrainingLog, TrainingRecipe], None] = lambda log, recipe: None,
    compiled: bool | None = None,
    device: str = "cpu",
    mixed: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train a flow, a target, with a coupling, and return the path of its weights. After an
    interruption the same call continues.

    ``compiled``: run the couplings as compiled kernels; None does so from 2000 iterations on, where
    the coupling can be compiled, and tells ``say``. ``mixed``: autocast to bfloat16, which is
    another training than the published ones. Raises ``UsageError`` for an unknown flow, coupling or
    size, for a device that is not here, and with ``compiled`` for a coupling that cannot be
    compiled.
    """
    require_device(device)
    target, factory = resolve(coupling), resolve(flow_name, ("flow",))
    if target.cure:
        raise UsageError(
            f"{coupling}: a cure is not trained with the flow; train {target.design.spec}, then "
            f"run {target.spec}"
        )
    recipes = recipes_of(factory)
    if size not in recipes.RECIPES:
        raise UsageError(
            f"flow {flow_name!r} has no recipe of size {size!r}; sizes: "
            f"{', '.join(recipes.RECIPES)}"
        )
    recipe = recipes.RECIPES[size]
    if mixed:
        recipe = replace(recipe, extra=recipe.extra | {"autocast": "bfloat16"})
    flow_name = factory.entry.name
    path = (out or cache_dir() / "weights" / flow_name) / weights_name(
        target.name, size, seed, factory.options
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {path.parent}: cannot be a folder of weights ({error.strerror}); name another"
        ) from None
    mark = "-mixed" if mixed else ""
    checkpoint = cache_dir() / "checkpoints" / flow_name / f"{path.stem}-{target.digest}{mark}.pt"
    batches = recipes.batches(size, seed)
    flow = factory.make(target.make, size, seed).to(device)
    if compiled or (compiled is None and recipe.iterations >= LONG):
        say("compiling the coupling: 10 to 60 s, once; --eager does without")
        if hindrance := cannot_compile(target.make(), device):
            if compiled:
                raise UsageError(
                    f"coupling {target.name!r} cannot be compiled: {hindrance}; leave "
                    f"--compiled out"
                )
            say(f"the coupling runs eager, which is slower: {hindrance}")
        compiled = not hindrance
    if compiled:
        compile_couplings(flow)
    log = train(flow, batches, recipe, checkpoint, lambda log: progress(log, recipe))
    card = {
        "flow": factory.name,
        "size": size,
        "coupling": target.name,
        "coupling_digest": target.digest,
        "seed": seed,
        "parameters": sum(p.numel() for p in flow.parameters()),
        "data": (
            f"{recipe.data} (research use only: so are these weights; the embedded "
            f"photographs were not used)"
        ),
        "found": {
            name: str(take_inventory(DATA[name]))
            for name in recipe.data.split(" + ")
            if name in DATA
        },
        "recipe": asdict(recipe),
        **likelihood(log, recipe),
        "compiled": bool(compiled),
        "non_finite_steps": log.non_finite_steps,
        "seconds": round(log.seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()} CPU"
        if device == "cpu"
        else torch.cuda.get_device_name(device),
    }
    save_weights(flow, card, path)
    checkpoint.unlink(missing_ok=True)
    return path


def recipes_of(flow: Target) -> ModuleType:
    """The module of a flow's training recipes. Raises ``UsageError`` when the flow names none."""
    if not (name := flow.entry.metadata.get("recipe")):
        raise UsageError(
            f"flow {flow.name!r} states no recipe to train it by; register it with "
            f"recipe='package.module'"
        )
    return importlib.import_module(name)


def likelihood(log: TrainingLog, recipe: TrainingRecipe) -> dict[str, Any]:
    """The loss of a training, for its card: bits per dimension and their convention, or nats where
    data have no levels. A value is None where no step was finite."""
    levels = dequantisation_of(recipe.extra)
    if levels is None:
        return {
            "final_nats_per_dimension": _rounded(log.final),
            "nats_per_dimension_every_50_steps": [*map(_rounded, log.nll)],
        }
    final, *every = (
        _rounded(bits_per_dimension(nats, 1, levels.width)) for nats in (log.final, *log.nll)
    )
    return {
        "bits_convention": convention(recipe.extra),
        "final_bits_per_dimension": final,
        "bits_per_dimension_every_50_steps": every,
    }


def loss_text(log: TrainingLog, recipe: TrainingRecipe) -> str:
    """The latest loss in words."""
    levels = dequantisation_of(recipe.extra)
    if levels is None:
        return f"{log.nll[-1]:.3f} nats per dimension"
    return f"{bits_per_dimension(log.nll[-1], 1, levels.width):.3f} bits per dimension"


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None

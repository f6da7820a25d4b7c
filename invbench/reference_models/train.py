"""Train a reference flow on its recipe and write weights and card."""

from __future__ import annotations

import importlib
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from invbench.conditions.folders import take_inventory
from invbench.conditions.layouts import LAYOUTS, LOW_LIGHT
from invbench.couplings.fused import cannot_compile, fuse
from invbench.devices import require_device
from invbench.errors import UsageError
from invbench.paths import cache_dir
from invbench.reference_models.training import TrainingLog, train
from invbench.reference_models.weights import save_weights, weights_name
from invbench.targets import resolve

__all__ = ["train_reference"]

LAYOUT = LAYOUTS | {"LOL our485": LOW_LIGHT["LOL", "train"]}  # of the names in a recipe's ``data``
LONG = 2000  # iterations from which on compilation repays itself


def train_reference(
    flow_name: str,
    coupling: str,
    size: str,
    seed: int = 0,
    out: Path | None = None,
    progress: Callable[[TrainingLog, int], None] = lambda log, total: None,
    compiled: bool | None = None,
    device: str = "cpu",
    mixed: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train and return the path of the weights. Interrupted, it goes on where it was when called again.

    ``compiled``: run the couplings as compiled kernels. None does so from 2000 iterations on, which repays the compilation,
    where the coupling compiles; ``say`` is told which. ``mixed``: autocast to bfloat16, which is another training than the published
    ones. Raises ``UsageError`` when what was asked for is impossible here.
    """
    require_device(device)
    target, factory = resolve(coupling), resolve(flow_name, ("flow",))
    recipes = importlib.import_module(f"invbench.reference_models.{flow_name}.recipe")
    if size not in recipes.RECIPES:
        raise UsageError(f"flow {flow_name!r} has no recipe of size {size!r}; sizes: {', '.join(recipes.RECIPES)}")
    recipe = recipes.RECIPES[size]
    if mixed:
        recipe = replace(recipe, extra=recipe.extra | {"autocast": "bfloat16"})
    path = (out or cache_dir() / "weights" / flow_name) / weights_name(target.name, size, seed)
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
                raise UsageError(f"coupling {target.name!r} cannot be compiled: {hindrance}; leave --compiled out")
            say(f"the coupling runs eager, which is slower: {hindrance}")
        compiled = not hindrance
    if compiled:
        fuse(flow)
    log = train(flow, batches, recipe, checkpoint, lambda log: progress(log, recipe.iterations))
    card = {
        "flow": flow_name,
        "size": size,
        "coupling": target.name,
        "coupling_digest": target.digest,
        "seed": seed,
        "parameters": sum(p.numel() for p in flow.parameters()),
        "data": f"{recipe.data} (research use only: so are these weights; the embedded photographs were not used)",
        "found": {name: str(take_inventory(LAYOUT[name])) for name in recipe.data.split(" + ") if name in LAYOUT},
        "recipe": asdict(recipe),
        "final_bits_per_dimension": _bits(log.final),
        "bits_per_dimension_every_50_steps": [_bits(v) for v in log.nll],
        "compiled": bool(compiled),
        "non_finite_steps": log.non_finite_steps,
        "seconds": round(log.seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()} CPU" if device == "cpu" else torch.cuda.get_device_name(device),
    }
    save_weights(flow, card, path)
    checkpoint.unlink(missing_ok=True)
    return path


def _bits(nats: float) -> float | None:
    """Nats per dimension of data in [0, 1) to bits per dimension of 8-bit data; None when no step was finite."""
    return round(nats / math.log(2) + 8, 4) if math.isfinite(nats) else None

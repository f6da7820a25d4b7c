"""The training loop of every flow: maximum likelihood, resumable to the bit on the CPU."""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from invbench.devices import tf32
from invbench.errors import UsageError
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.training.safe_unpickle import LARGEST_WEIGHTS, bytes_of, load_pickled

__all__ = ["TrainingLog", "TrainingRecipe", "train"]

Batches = Callable[[int], tuple[Tensor, Tensor]]  # step -> (x, y), the same for every coupling
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything about a training but the coupling. The optimiser is Adam.

    ``data``: names of the data sets. ``lr``: learning rate. ``clip``: largest norm of the gradient.
    ``extra["schedule"]``: one of ``SCHEDULES``, by default one-cycle. ``extra["autocast"]``: mixed
    precision in place of float32.
    """

    data: str
    iterations: int
    batch: int
    lr: float = 1e-3
    clip: float = 10.0
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Eight hex digits of all fields."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:8]


def _one_cycle(optimiser: Optimizer, recipe: TrainingRecipe) -> LRScheduler:
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.lr, total_steps=recipe.iterations + 1
    )


def _halved(optimiser: Optimizer, recipe: TrainingRecipe) -> LRScheduler:
    """The learning rate is halved at 50, 75, 90 and 95 % of the training, as in the released
    options of SRFlow, FS-NCSR and LLFlow."""
    ends = [recipe.iterations * percent // 100 for percent in (50, 75, 90, 95)]
    return torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.5 ** sum(step >= end for end in ends)
    )


SCHEDULES = {"one-cycle": _one_cycle, "halved": _halved}


@dataclass
class TrainingLog:
    """The course of a training. ``nll``: mean negative log-likelihood of every 50 steps, in nats
    per dimension. ``non_finite_steps``: how many were skipped."""

    step: int = 0
    seconds: float = 0.0
    non_finite_steps: int = 0
    nll: list[float] = field(default_factory=list)

    @property
    def final(self) -> float:
        """The mean of ``nll`` over the last 200 steps."""
        tail = self.nll[-4:]
        return sum(tail) / len(tail) if tail else math.nan


@tf32(False)
def train(
    flow: ConditionalFlow,
    batches: Batches,
    recipe: TrainingRecipe,
    checkpoint: Path | None = None,
    progress: Callable[[TrainingLog], None] = lambda log: None,
) -> TrainingLog:
    """Minimise the mean of −log q(x|y)/D (Hong, Park, Chun, ICCV 2023, eq. 2), on the device of the
    flow.

    ``batches``: step → (x, y). It depends on the step alone, so a resumed training is the same
    training. A step with a loss or gradient that is not finite is counted and skipped. The state is
    written to ``checkpoint`` every minute, and read from there at the start. ``progress`` is called
    every 50 steps. Raises ``UsageError`` when the checkpoint is unreadable or of another recipe or
    model.
    """
    flow.train()
    device = next(flow.parameters()).device
    autocast = torch.autocast(device.type, torch.bfloat16, enabled="autocast" in recipe.extra)
    if checkpoint is None or not checkpoint.exists():
        with torch.no_grad():
            # the first batch initialises ActNorms
            flow.encode(*(part.to(device) for part in batches(0)))
    optimiser = torch.optim.Adam(flow.parameters(), lr=recipe.lr)
    schedule = SCHEDULES[recipe.extra.get("schedule", "one-cycle")](optimiser, recipe)
    log = TrainingLog()
    if checkpoint is not None and checkpoint.exists():
        log = _restore(checkpoint, flow, optimiser, schedule, recipe)
    started, saved, sums = time.monotonic() - log.seconds, time.monotonic(), []
    while log.step < recipe.iterations:
        x, y = (part.to(device) for part in batches(log.step))
        with autocast:
            loss = -flow.log_prob(x, y).mean() / x[0].numel()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(flow.parameters(), recipe.clip)
        if torch.isfinite(loss) and torch.isfinite(norm):
            optimiser.step()
            sums.append(loss.item())
        else:
            log.non_finite_steps += 1
        schedule.step()
        log.step += 1
        log.seconds = time.monotonic() - started
        if log.step % 50 == 0:
            log.nll.append(sum(sums) / len(sums) if sums else math.nan)
            sums = []
            progress(log)
            # at multiples of 50 only, so that a resumed training averages the same steps
            if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(checkpoint, flow, optimiser, schedule, recipe, log)
                saved = time.monotonic()
    flow.eval()
    return log


def _save(
    path: Path, flow: Any, optimiser: Any, schedule: Any, recipe: TrainingRecipe, log: TrainingLog
) -> None:
    state = {
        "flow": flow.state_dict(),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "recipe": asdict(recipe),
        "log": asdict(log),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(path: Path, weights: int = 0) -> dict[str, Any]:
    """The parts of a checkpoint by name; ``weights``: size of the model in bytes. Raises
    ``UsageError`` when the file is cut off or no checkpoint."""
    try:
        # Adam holds two numbers per weight
        state = load_pickled(path, max(LARGEST_WEIGHTS, 4 * weights))
        return {name: state[name] for name in ("flow", "optimiser", "schedule", "recipe", "log")}
    except (UsageError, KeyError, TypeError, IndexError) as error:
        raise UsageError(
            f"checkpoint {path} is unreadable ({type(error).__name__}); move it away to start anew"
        ) from error


def _restore(
    path: Path, flow: Any, optimiser: Any, schedule: Any, recipe: TrainingRecipe
) -> TrainingLog:
    state = read_checkpoint(path, bytes_of(flow))
    if state["recipe"] != asdict(recipe):
        raise UsageError(f"checkpoint {path} belongs to another recipe; move it away to start anew")
    try:
        flow.load_state_dict(state["flow"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"checkpoint {path} belongs to another model; move it away to start anew"
        ) from error
    return TrainingLog(**state["log"])

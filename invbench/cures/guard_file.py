"""The file of a guard: two tensors in safetensors, with JSON in its metadata; a few kilobytes."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from invbench.cures.guard import Guard
from invbench.cures.guarded import GuardedFlow
from invbench.errors import UsageError, first_problem
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.tensor_file import read_tensors

__all__ = ["GuardHead", "load_guard", "read_guard", "save_guard"]

LARGEST = 4 * 2**20  # bytes; ten times the guard of the largest published flow
KEY = "invbench.guard"


class GuardHead(BaseModel):
    """The metadata of a guard's file. ``places``: (name, number of channels) of each place, in the
    order in which the tensors hold them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(1, ge=1, le=1)
    places: list[tuple[str, int]] = Field(min_length=1, max_length=5000)
    architecture: str = Field(max_length=64)
    weights: str = Field(max_length=64)
    pairs: int = Field(ge=1)
    margin: float = Field(gt=0, allow_inf_nan=False)
    quantile: float | None = Field(None, gt=0.5, le=1)
    source: str = Field("", max_length=1000)
    made: str = Field("", max_length=40)


def save_guard(guard: Guard, path: Path) -> None:
    """Write a guard, whole or not at all: tensors ``low`` and ``high``, (all channels,) each, in
    float32 where that is exact, and the head as JSON.

    Raises ``HarnessError`` when the file cannot be written.
    """
    head = GuardHead(
        places=[(place, ends.shape[1]) for place, ends in guard.seen.items()],
        architecture=guard.architecture,
        weights=guard.weights,
        pairs=guard.pairs,
        margin=guard.margin,
        quantile=guard.quantile,
        source=guard.source[:1000],
        made=time.strftime("%Y-%m-%d"),
        version=1,
    )
    ends = torch.cat(list(guard.seen.values()), dim=1)
    if torch.equal(ends.float().double(), ends):
        ends = ends.float()
    tensors = {"low": ends[0].contiguous(), "high": ends[1].contiguous()}
    write_atomically(path, save(tensors, {KEY: head.model_dump_json()}))


def read_guard(path: Path) -> Guard:
    """The guard in a file, of whatever flow. Raises ``UsageError``, in one line, when the file is
    missing, cut off, or no guard."""
    try:
        tensors = read_tensors(path, LARGEST)
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(KEY)
    except SafetensorError as error:
        raise UsageError(
            f"{path}: not a guard, or cut off ({str(error)[:100]}); write it again with "
            f"invbench guard"
        ) from None
    if text is None:
        raise UsageError(
            f"{path}: not a guard, its metadata lack {KEY!r}; write one with invbench guard"
        )
    try:
        head = GuardHead.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(
            f"{path}: not a guard that this invbench reads: {first_problem(error)}"
        ) from None
    seen = _unpacked(head, tensors, path)
    return Guard(
        seen, head.architecture, head.weights, head.pairs, head.margin, head.quantile, head.source
    )


def _unpacked(head: GuardHead, tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    names, counts = [name for name, _ in head.places], [channels for _, channels in head.places]
    if min(counts) < 1 or len(set(names)) < len(names):
        raise UsageError(f"{path}: a place without channels, or twice; write the guard again")
    shape = (sum(counts),)
    if set(tensors) != {"low", "high"} or any(
        t.shape != shape or t.dtype not in (torch.float32, torch.float64) for t in tensors.values()
    ):
        raise UsageError(
            f"{path}: its tensors are not the {shape[0]} ends that its metadata state; write "
            f"the guard again"
        )
    ends = torch.stack((tensors["low"], tensors["high"])).double()
    if not (ends.isfinite().all() and (ends[0] <= ends[1]).all()):
        raise UsageError(
            f"{path}: an interval is not finite, or ends below its beginning; write the guard again"
        )
    return dict(zip(names, ends.split(counts, dim=1), strict=True))


def load_guard(
    flow: ConditionalFlow,
    file: str | Path,
    margin: float | None = None,
    allow_other_weights: bool = False,
) -> GuardedFlow:
    """``flow``, clamped by the guard in a file. ``margin``: in place of the file's.

    Raises ``UsageError``, in one line, when the file is no guard, when the guard is of another flow
    (names, channels or kinds of layers), and when it was calibrated with other weights, unless
    ``allow_other_weights``: the ranges of other weights say little about these.
    """
    found = read_guard(Path(file))
    found.check(flow, allow_other_weights)
    return GuardedFlow(flow, found if margin is None else found.with_margin(margin))

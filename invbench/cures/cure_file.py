"""The file of a gate or a learned prior: tensors in safetensors, with JSON in its metadata."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from invbench.cures.guard import weights_of
from invbench.errors import UsageError, first_problem
from invbench.files import write_atomically
from invbench.flows import ConditionalFlow
from invbench.tensor_file import read_tensors

__all__ = ["CureHead", "check_weights", "read_cure", "save_cure"]

LARGEST = 64 * 2**20  # bytes
KEY = "invbench.cure"


class CureHead(BaseModel):
    """The metadata of a cure's file. ``kind``: gate or prior; ``weights``: digest of the weights
    that it was made for; ``said``: numbers of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(1, ge=1, le=1)
    kind: str = Field(max_length=40)
    weights: str = Field(max_length=64)
    source: str = Field("", max_length=1000)
    made: str = Field("", max_length=40)
    said: dict[str, float] = Field(default_factory=dict)


def save_cure(
    path: Path,
    kind: str,
    tensors: dict[str, Tensor],
    weights: str,
    source: str,
    said: dict[str, float],
) -> None:
    """Write a cure's file, whole or not at all. Raises ``HarnessError`` when it cannot be
    written."""
    head = CureHead(
        version=1,
        kind=kind,
        weights=weights,
        source=source[:1000],
        made=time.strftime("%Y-%m-%d"),
        said=said,
    )
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(kept, {KEY: head.model_dump_json()}))


def read_cure(path: Path, kind: str) -> tuple[dict[str, Tensor], CureHead]:
    """(tensors, head) of a cure's file. Raises ``UsageError``, in one line, when it is missing, cut
    off, holds a number that is not finite, or is of another kind."""
    again = "write it again with invbench guard"
    try:
        tensors = read_tensors(path, LARGEST)
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(KEY, "")
        head = CureHead.model_validate_json(text)
    except SafetensorError as error:
        raise UsageError(
            f"{path}: not a {kind}, or cut off ({str(error)[:100]}); {again}"
        ) from None
    except ValidationError as error:
        raise UsageError(f"{path}: not a {kind}: {first_problem(error)}; {again}") from None
    if head.kind != kind:
        raise UsageError(f"{path}: a {head.kind}, not a {kind}")
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise UsageError(f"{path}: a number is not finite; {again}")
    return tensors, head


def check_weights(flow: ConditionalFlow, weights: str, path: Path) -> None:
    """Raise ``UsageError`` when a cure was made for other weights than those of ``flow``."""
    if (now := weights_of(flow)) != weights:
        raise UsageError(
            f"{path}: made for weights {weights}, these are {now}; make it anew (invbench guard)"
        )

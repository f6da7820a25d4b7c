"""Safe reading of ``torch.save`` files, which are pickles: their steps are inspected first, so that
nothing but tensors is built."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from invbench.errors import UsageError

__all__ = ["LARGEST_WEIGHTS", "bytes_of", "load_pickled"]

LARGEST_WEIGHTS = 300 * 2**20  # bytes; the published checkpoints have up to 160 MB
# members of an archive, and steps of a pickle; a published model has 2 000 and 60 000, a checkpoint
# of its training 8 000 and 234 000, and that of the largest model twice as many
MOST_MEMBERS, MOST_STEPS = 30_000, 800_000
# pickles before the numbers in a file older than torch 1.6: two marks, the machine, the tensors,
# and the order of their numbers
OLDER = 5
KINDS = "Float Double Half BFloat16 Long Int Short Char Byte Bool".split()
# the names in a file of tensors; ``weights_only`` allows more, such as ``bytearray``, which
# allocates as much memory as a number says
NAMES = {f"torch {kind}Storage" for kind in KINDS} | {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
}


class _HoldsCode(ValueError):
    """The pickle names something that is not part of a tensor."""


def bytes_of(model: nn.Module) -> int:
    """The size of a model's state dict, in bytes."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def load_pickled(path: Path, largest: int = LARGEST_WEIGHTS) -> Any:
    """The content of the file on the CPU, by ``torch.load(weights_only=True)``: dicts, lists,
    numbers and dense tensors.

    Raises ``UsageError``, in one line, when the file is missing or cut off, when it holds code or
    other objects, when it unpacks to more than ``largest`` bytes, and when a tensor is larger than
    the numbers stored for it.
    """
    try:
        if path.stat().st_size > largest:
            raise ValueError(f"larger than {largest // 2**20} MiB")
        for stream, pickles in _pickles(path, largest):
            _inspect(stream, pickles)
        value = torch.load(path, map_location="cpu", weights_only=True)
        _are_dense(value)
        return value
    except FileNotFoundError:
        raise UsageError(f"weights {path}: no such file") from None
    except _HoldsCode as error:
        raise UsageError(
            f"weights {path} hold pickled code, which is not run ({error}); save the tensors "
            f"alone, or as safetensors"
        ) from None
    # for a file that is cut off, torch.load and pickletools raise many kinds of errors
    except Exception as error:
        first = str(error).partition("\n")[0][:120]
        raise UsageError(
            f"weights {path} are unreadable or cut off ({first}); fetch or train them again"
        ) from None


def _pickles(path: Path, largest: int) -> Iterator[tuple[IO[bytes], int]]:
    """(stream, number of pickles in it) of the file; in an archive its one pickle. Raises
    ``ValueError`` when the members of an archive are too large."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            yield file, OLDER
            return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS or sum(m.file_size for m in members) > largest:
            raise ValueError(
                f"unpacks to more than {largest // 2**20} MiB or {MOST_MEMBERS} members"
            )
        for member in members:
            if member.filename.endswith("data.pkl"):
                yield io.BytesIO(archive.read(member)), 1


def _inspect(stream: IO[bytes], pickles: int) -> None:
    steps = 0
    for _ in range(pickles):
        for step, argument, _ in pickletools.genops(stream):
            steps += 1
            if steps > MOST_STEPS:
                raise ValueError(f"a pickle of more than {MOST_STEPS} steps")
            if step.name == "GLOBAL" and argument not in NAMES:
                raise _HoldsCode(str(argument)[:80])
            # the other steps that name an object
            if step.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
                raise _HoldsCode(step.name)


def _are_dense(value: Any) -> None:
    """Raise ``ValueError`` for a tensor that is larger than the numbers stored for it."""
    waiting, seen = [value], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, torch.Tensor):
            if node.nbytes > node.untyped_storage().nbytes():
                raise ValueError(
                    f"a tensor of shape {tuple(node.shape)} on "
                    f"{node.untyped_storage().nbytes()} bytes"
                )
        elif isinstance(node, (dict, list, tuple)) and id(node) not in seen:
            seen.add(id(node))
            waiting += node.values() if isinstance(node, dict) else node

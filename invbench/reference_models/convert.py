"""Checkpoints of the published SRFlow, FS-NCSR and LLFlow code: read without running code, accounted for name by name, converted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.reference_models.layout import PUBLISHED, PublishedFlow, layout, published_coupling
from invbench.reference_models.pickled import LARGEST_WEIGHTS, load_pickled
from invbench.tensor_file import read_tensors

__all__ = ["Account", "account", "convert", "is_published", "read_state"]

PICKLED = (".pth", ".pt", ".ckpt")
ORTHOGONAL = 1e-3  # largest |W Wᵀ − 1| of a 1×1 matrix that the published decoder inverts by transposing


@dataclass(frozen=True)
class Account:
    """Names that a checkpoint lacks, has too many, or has in another shape; ``complete`` when there are none."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.misshaped)

    def __str__(self) -> str:
        """One line: how many of each, and the first of them."""
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "of another shape": self.misshaped}
        return "; ".join(f"{len(names)} {kind} (first: {names[0]})" for kind, names in kinds.items() if names)


def account(shapes: Mapping[str, tuple[int, ...]], flow: PublishedFlow) -> Account:
    """Holds the names and shapes of a checkpoint against the layout of ``flow``; nothing is left out and nothing is guessed."""
    slots = layout(flow)
    wrong = [
        f"{name} {_times(shapes[name])}, expected {_times(slot.shape)}"
        for name, slot in slots.items()
        if name in shapes and tuple(shapes[name]) != slot.shape
    ]
    return Account(
        tuple(name for name in slots if name not in shapes),
        tuple(name for name in shapes if name not in slots),
        tuple(wrong),
    )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def is_published(names: Iterable[str]) -> bool:
    """Whether these are names of a published checkpoint, whole or in part."""
    return any(name.startswith(("flowUpsamplerNet.", "RRDB.")) for name in names)


def convert(state: Mapping[str, Tensor], flow: ConditionalFlow) -> dict[str, Tensor]:
    """A published state dict as one of ``flow``, in the dtypes it came in; every ActNorm counts as initialised.

    Raises ``UsageError``, in one line, when the flow is not the checkpoint's architecture or coupling, when a name is missing, unexpected
    or of another shape, and when a stored transpose does not invert its matrix.
    """
    if not isinstance(flow, PublishedFlow):
        raise UsageError(
            f"the checkpoint is of a published low-light or super-resolution flow, not of a {type(flow).__name__}"
        )
    slots, stored = layout(flow), published_coupling(flow)
    for other in PUBLISHED.values():
        if other.module != stored.module and any(f".{other.module}." in name for name in state):
            raise UsageError(
                f"the checkpoint's couplings are stored as {other.module!r}; its coupling is {other.designs}"
            )
    report = account({name: tuple(tensor.shape) for name, tensor in state.items()}, flow)
    if not report.complete:
        raise UsageError(f"the checkpoint is of another architecture: {report}")
    converted = {name: tensor for name, tensor in flow.state_dict().items() if name.endswith(".initialised")}
    converted = {name: torch.ones_like(tensor) for name, tensor in converted.items()}
    for name, slot in slots.items():
        if slot.inverse_of:
            _check_inverse(name, state[name], state[slot.inverse_of])
        else:
            converted[slot.ours] = slot.arrange(state[name])
    return converted


def _check_inverse(name: str, transpose: Tensor, weight: Tensor) -> None:
    product = transpose.flatten(1).double() @ weight.flatten(1).double()
    if not (product - torch.eye(len(product), dtype=product.dtype)).abs().max() <= ORTHOGONAL:
        raise UsageError(f"{name} is not the inverse of its 1×1 matrix, as the published decoder takes it to be")


def read_state(path: Path, largest: int = LARGEST_WEIGHTS) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a .pth, .pt or .ckpt file by ``torch.load(weights_only=True)``, which runs no code.

    A ``module.`` before every name (``DataParallel``'s) is taken off. Raises ``UsageError``, in one line, when the file is not there, is cut
    off, larger than ``largest`` bytes, holds code instead of tensors, or holds something else than named tensors.
    """
    if not path.exists():
        raise UsageError(f"weights {path}: no such file")
    try:
        state = load_pickled(path, largest) if path.suffix in PICKLED else read_tensors(path, largest)
    except SafetensorError as error:
        raise UsageError(f"weights {path} are unreadable or cut off ({error}); fetch or train them again") from None
    named = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    if not named or not state:
        raise UsageError(f"weights {path} hold a {type(state).__name__}, not a state dict of named tensors")
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return dict(state)

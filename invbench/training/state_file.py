"""Named tensors from a weights file, read without running code, and how they fit a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from invbench.errors import UsageError
from invbench.tensor_file import read_tensors
from invbench.training.safe_unpickle import LARGEST_WEIGHTS, load_pickled

__all__ = ["Account", "read_state"]

PICKLED = (".pth", ".pt", ".ckpt")


@dataclass(frozen=True)
class Account:
    """How the names and shapes of a checkpoint differ from those of a model."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether they do not differ."""
        return not (self.missing or self.unexpected or self.misshaped)

    def __str__(self) -> str:
        """One line: how many names of each kind, and the first."""
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "of another shape": self.misshaped,
        }
        return "; ".join(
            f"{len(names)} {kind} (first: {names[0]})" for kind, names in kinds.items() if names
        )


def read_state(path: Path, largest: int = LARGEST_WEIGHTS) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a .pth, .pt or .ckpt file by ``load_pickled``, by
    name. No code is run.

    A ``module.`` before every name, which ``DataParallel`` adds, is removed. Raises ``UsageError``,
    in one line, when the file is missing, cut off or larger than ``largest`` bytes, and when it
    holds code or anything but named tensors.
    """
    if not path.exists():
        raise UsageError(f"weights {path}: no such file")
    try:
        state = (
            load_pickled(path, largest) if path.suffix in PICKLED else read_tensors(path, largest)
        )
    except SafetensorError as error:
        raise UsageError(
            f"weights {path} are unreadable or cut off ({error}); fetch or train them again"
        ) from None
    named = isinstance(state, dict) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    )
    if not named or not state:
        raise UsageError(
            f"weights {path} hold a {type(state).__name__}, not a state dict of named tensors"
        )
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return dict(state)

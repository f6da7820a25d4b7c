"""Conversion of checkpoints of the published SRFlow, FS-NCSR and LLFlow code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.training.state_file import Account
from invbench_models.checkpoint_layout import PUBLISHED, PublishedFlow, layout, published_coupling

__all__ = ["account", "convert", "from_published", "is_published"]

# largest |W Wᵀ − 1| of a 1×1 matrix, which the published decoder inverts by transposing it
ORTHOGONAL = 1e-3


def account(shapes: Mapping[str, tuple[int, ...]], flow: PublishedFlow) -> Account:
    """How the names and shapes of a checkpoint differ from the published layout of ``flow``."""
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
    """Whether some of these names are those of a published checkpoint."""
    return any(name.startswith(("flowUpsamplerNet.", "RRDB.")) for name in names)


def convert(state: Mapping[str, Tensor], flow: ConditionalFlow) -> dict[str, Tensor]:
    """A published state dict as a state dict of ``flow``, in its own dtypes; all ActNorms count as
    initialised.

    Raises ``UsageError``, in one line, when the checkpoint has another architecture or coupling,
    when a name is missing, unexpected or of another shape, and when a stored transpose is not the
    inverse of its matrix.
    """
    if not isinstance(flow, PublishedFlow):
        raise UsageError(
            f"the checkpoint is of a published low-light or super-resolution flow, not of a "
            f"{type(flow).__name__}"
        )
    slots, stored = layout(flow), published_coupling(flow)
    for other in PUBLISHED.values():
        if other.module != stored.module and any(f".{other.module}." in name for name in state):
            raise UsageError(
                f"the checkpoint's couplings are stored as {other.module!r}; its coupling is "
                f"{other.designs}"
            )
    report = account({name: tuple(tensor.shape) for name, tensor in state.items()}, flow)
    if not report.complete:
        raise UsageError(f"the checkpoint is of another architecture: {report}")
    converted = {
        name: tensor for name, tensor in flow.state_dict().items() if name.endswith(".initialised")
    }
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
        raise UsageError(
            f"{name} is not the inverse of its 1×1 matrix, as the published decoder takes it to be"
        )


def from_published(state: Mapping[str, Tensor], flow: ConditionalFlow) -> dict[str, Tensor]:
    """``convert`` of a published state dict; any other stays as it is. Flows register it as
    ``convert``."""
    return convert(state, flow) if is_published(state) else dict(state)

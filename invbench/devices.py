"""Whether a device that was asked for is there."""

from __future__ import annotations

import torch

from invbench.errors import UsageError

__all__ = ["require_device"]


def require_device(name: str) -> None:
    """Raises ``UsageError`` when torch has no such device here."""
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"device {name!r} is not available here; invbench doctor shows what is")

"""What the steps of a survey share: an assumption with its line, and a call that may fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from invbench.laws.guard import guarded
from invbench.laws.subject import Subject

__all__ = ["PROBE", "ROWS", "assume", "attempt", "plain_numbers", "undoes"]

ROWS = 48
PROBE = 3.0  # seconds for one call


def assume(subject: Subject, why: str, **values: Any) -> Subject:
    """The subject with these declarations, and a line that says so."""
    new = subject.declaration.assuming(**values)
    written = {
        k: v
        for k, v in new.as_dict().items()
        if k in values and getattr(subject.declaration, k) is None
    }
    if not written:
        return subject
    shown = ", ".join(f"{k}={v!r}" for k, v in written.items())
    return replace(
        subject,
        declaration=new,
        assumed=(*subject.assumed, f"assumed {shown}: {why}; declare it: {shown}"),
    )


def attempt(call: Callable[[], Any]) -> Any:
    """The result of the call, or its exception. A call beyond the time limit counts as one that
    raises."""
    try:
        with torch.no_grad(), guarded(PROBE):
            return call()
    except (KeyboardInterrupt, MemoryError):
        raise
    except SystemExit as error:
        return RuntimeError(str(error))
    except Exception as error:
        return error


def undoes(back: Tensor, x: Tensor) -> bool:
    return bool(((back - x).abs() <= 1e-2 * (1 + x.abs())).all())


def plain_numbers(subject: Subject) -> bool:
    return not subject.packed(False).several and not subject.declaration.stochastic

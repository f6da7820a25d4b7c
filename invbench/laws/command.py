"""The command line that checks a target again."""

from __future__ import annotations

import shlex
from typing import Any

from torch.distributions.constraints import Constraint

from invbench.declaration import space_name
from invbench.targets import Target

__all__ = ["check_command"]

DEFAULTS = {"dtype": "float32", "device": "cpu", "budget": "default", "seed": "0"}
NO_FLAG = ("untouched", "order")  # declared in Python only


def check_command(target: Target, dtype: str, device: str, budget: str, seed: int) -> str:
    """``invbench check TARGET …`` with the options that are not the defaults and what was declared
    beside the target; empty where no command line can say it."""
    if not target.can_be_typed or any(name in target.declared for name in NO_FLAG):
        return ""
    parts = ["invbench", "check", target.spec]
    for name, value in target.declared.items():
        flag = f"--{name.replace('_', '-')}"
        parts.append(f"{flag}={_text(value)}" if value is not False else "--no-stochastic")
        if value is True:
            parts[-1] = flag
    used = {"dtype": dtype, "device": device, "budget": budget, "seed": str(seed)}
    for name, text in used.items():
        parts += [f"--{name}", text] if text != DEFAULTS[name] else []
    return shlex.join(parts)


def _text(value: Any) -> str:
    """A declaration as the command line has it."""
    if isinstance(value, Constraint):
        return space_name(value)
    if not isinstance(value, (tuple, list)):
        return str(value)
    several = any(isinstance(part, (tuple, list, Constraint, str)) for part in value)
    return (";" if several else ",").join(map(_text, value))

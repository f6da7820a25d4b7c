"""Targets: a registered name, ``name(option=…)``, ``library/name``, ``path/file.py``,
``path/file.py:Name``, ``package.module:Name``; each may end in ``+cure``."""

from invbench.targets.resolve import of_object, resolve, resolve_all
from invbench.targets.specs import (
    absolute,
    file_of,
    guarded_by,
    replay_command,
    runs_new_code,
    split_cure,
    without_options,
)
from invbench.targets.target import Applied, Target

__all__ = [
    "Applied",
    "Target",
    "absolute",
    "file_of",
    "guarded_by",
    "of_object",
    "replay_command",
    "resolve",
    "resolve_all",
    "runs_new_code",
    "split_cure",
    "without_options",
]

"""Errors that invbench raises on purpose; each message says what is wrong and what to do."""

from __future__ import annotations

__all__ = ["HarnessError", "InvbenchError", "UnknownName", "UsageError"]


class InvbenchError(Exception):
    """Base of every error raised on purpose; its text is one line for a person."""

    exit_code = 3


class UsageError(InvbenchError):
    """The caller asked for something that is not there or not well formed (exit code 2)."""

    exit_code = 2


class UnknownName(UsageError, KeyError):
    """A name that is not in a registry; a ``KeyError`` too, as a mapping must raise."""

    __str__ = Exception.__str__


class HarnessError(InvbenchError):
    """invbench itself could not do its work, e.g. the disk is full (exit code 3)."""

    exit_code = 3

"""Errors that invbench raises on purpose; each message says what is wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError

__all__ = [
    "HarnessError",
    "InvbenchError",
    "UnknownName",
    "UsageError",
    "did_you_mean",
    "first_problem",
]

MANY = 100  # problems of one file; pydantic makes a record of each when one is asked for


class InvbenchError(Exception):
    """Base of every error raised on purpose; its text is one line for a person."""

    exit_code = 3


class UsageError(InvbenchError):
    """The caller asked for something that is not there or not well formed (exit code 2)."""

    exit_code = 2


class UnknownName(UsageError, KeyError):
    """A name that is not in a registry; a ``KeyError`` too, as a mapping must raise."""

    __str__ = Exception.__str__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'a' or 'b'?`` of up to three names of ``known`` that are like ``name``;
    empty where none is."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def first_problem(error: ValidationError) -> str:
    """Where a file departs from its schema first, and how, in one line."""
    if error.error_count() > MANY:
        return f"{error.error_count()} departures from the schema of {error.title}"
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))[:200] or 'file'}: {first['msg']}"


class HarnessError(InvbenchError):
    """invbench itself could not do its work, e.g. the disk is full (exit code 3)."""

    exit_code = 3

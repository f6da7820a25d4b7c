"""The number that says which random inputs are drawn."""

from __future__ import annotations

__all__ = ["seed_of"]

LARGEST = 10**9


def seed_of(text: str) -> int:
    """``0``, another number, or ``today``: the date in UTC as 20260131. Raises ``ValueError`` that
    says what a seed is."""
    if text == "today":
        import datetime  # every session of pytest reads this file

        return int(datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d"))
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST):
        raise ValueError(f"seed {text!r} is neither a number from 0 to {LARGEST} nor 'today'")
    return int(text)

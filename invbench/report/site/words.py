"""Facts that many rows share, each written once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["shared"]

PACKED = ("facts", "settings")  # of an origin


def shared(origins: Iterable[dict[str, Any]]) -> list[str]:
    """The texts of the facts and settings of all origins, which become places in this list: name,
    value, name, value, …"""
    places: dict[str, int] = {}
    for own in origins:
        for part in PACKED:
            said: Mapping[str, str] = own[part]
            flat = [text for pair in said.items() for text in pair]
            own[part] = [places.setdefault(text, len(places)) for text in flat]
    return list(places)

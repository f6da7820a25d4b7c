"""A cell as it is read: the whole thing in memory, or its head with the numbers on disk."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from invbench.store.cell import CellSpec, Status

__all__ = ["Body", "Layout", "Measures", "Record", "StoredCell", "pack"]

NAMES = "names"  # the one list of texts that most cells share with others
NON_FINITE = {"Infinity", "-Infinity", "NaN"}


class Record(Protocol):
    """What tables, charts and comparisons ask of a cell; ``Cell`` and ``StoredCell`` both
    answer."""

    @property
    def key(self) -> str: ...
    @property
    def spec(self) -> CellSpec: ...
    @property
    def status(self) -> Status: ...
    @property
    def reason(self) -> str: ...
    @property
    def finished(self) -> str: ...
    @property
    def measures(self) -> Mapping[str, Any]: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...
    def numbers(self, name: str) -> list[float]: ...


class Body(NamedTuple):
    """The measures of a cell, packed. ``layout``: JSON of [[name, length], …] and the names of the
    inputs, the same for many cells; ``data``: those lists of numbers one after the other, float64;
    ``rest``: every other measure as JSON, or empty."""

    layout: str
    data: bytes
    rest: str


def pack(measures: Mapping[str, Any]) -> Body:
    """Lists of numbers as float64, which holds each of them exactly; whatever is not such a list
    stays JSON."""
    lists: list[tuple[str, int]] = []
    names: Any = None
    rest: dict[str, Any] = {}
    data = array("d")
    for name, value in measures.items():
        if isinstance(value, list) and name == NAMES:
            names = value
        elif isinstance(value, list) and (found := _numeric(value)) is not None:
            lists.append((name, len(found)))
            data.extend(found)
        else:
            rest[name] = value
    return Body(_json([lists, names]), data.tobytes(), _json(rest) if rest else "")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _numeric(values: list[Any]) -> array[float] | None:
    kinds = set(map(type, values))
    if str in kinds and not {v for v in values if isinstance(v, str)} <= NON_FINITE:
        return None
    if kinds - {int, float, bool, str} or (
        int in kinds and any(abs(v) > 2**53 for v in values if type(v) is int)
    ):
        return None
    return array("d", map(float, values) if str in kinds else values)


class Layout:
    """Where each list lies in the data of a body."""

    __slots__ = ("names", "places")

    def __init__(self, text: str) -> None:
        lists, self.names = json.loads(text)
        self.places: dict[str, tuple[int, int]] = {}
        start = 0
        for name, length in lists:
            self.places[name] = start, start + length
            start += length


class Measures(Mapping[str, Any]):
    """Packed measures read as the mapping that they were."""

    __slots__ = ("_data", "_layout", "_rest")

    def __init__(self, layout: Layout, data: bytes, rest: str) -> None:
        self._layout = layout
        self._data: Any = memoryview(data).cast("d")
        self._rest: dict[str, Any] = json.loads(rest) if rest else {}

    def __getitem__(self, name: str) -> Any:
        if (place := self._layout.places.get(name)) is not None:
            return self._data[place[0] : place[1]].tolist()
        if name == NAMES and self._layout.names is not None:
            return self._layout.names
        return self._rest[name]

    def __contains__(self, name: object) -> bool:
        return (
            name in self._layout.places
            or name in self._rest
            or (name == NAMES and self._layout.names is not None)
        )

    def __iter__(self) -> Iterator[str]:
        yield from self._layout.places
        if self._layout.names is not None:
            yield NAMES
        yield from self._rest

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def numbers(self, name: str) -> list[float]:
        """As ``Cell.numbers``."""
        if (place := self._layout.places.get(name)) is not None:
            floats: list[float] = self._data[place[0] : place[1]].tolist()
            return floats
        values = self._rest.get(name)
        return [float(v) for v in values if v is not None] if isinstance(values, list) else []


@dataclass(frozen=True, eq=False, slots=True)
class StoredCell:
    """A cell whose head is in memory and whose measures are fetched when asked for.

    ``place``: its file, or FILE:LINE; ``seconds``: as JSON; ``machine``: the provenance that it
    shares with others; ``mark``: digest of all that the cell says.
    """

    spec: CellSpec
    key: str
    status: Status
    reason: str
    finished: str
    seconds: str
    machine: Mapping[str, Any]
    mark: str
    place: str
    fetch: Callable[[StoredCell], Measures]

    @property
    def measures(self) -> Measures:
        return self.fetch(self)

    @property
    def provenance(self) -> dict[str, Any]:
        return {**self.machine, "finished": self.finished, "seconds": json.loads(self.seconds)}

    def numbers(self, name: str) -> list[float]:
        return self.measures.numbers(name)

"""The rows of ``invbench list``: what catalogues say, without an import of what they name."""

from __future__ import annotations

from invbench.catalogue import Row, catalogue, of_plugins
from invbench.errors import UsageError
from invbench.libraries import installed, of_library

__all__ = ["KINDS", "listed"]

KINDS = ("couplings", "layers", "flows", "conditions", "attacks", "cures", "properties", "tracks")
OF_LIBRARIES = ("couplings", "layers")
WITH_PLUGINS = ("couplings", "layers", "flows")


def listed(kind: str, libraries: bool = False) -> list[Row]:
    """The rows of a kind. A plugin without a catalogue is imported, and is an error row when that
    fails. Of the flow libraries that are installed there is one row each, or with ``libraries``,
    which imports them, everything that they have."""
    if kind == "tracks":
        from invbench.tracks import TRACKS

        rows = [{"name": n, "summary": track.summary, "source": ""} for n, track in TRACKS.items()]
        return rows + [_error(*one) for one in TRACKS.broken]
    own = catalogue()
    if own is None:
        raise UsageError("the catalogue is missing; run: python docs/write_catalogue.py")
    rows = list(own[kind])
    if kind in WITH_PLUGINS:
        said, silent = of_plugins(kind)
        rows += said
        if silent:
            rows += _imported(kind, {row["name"] for row in rows})
    if kind in OF_LIBRARIES:
        rows += (
            _of_libraries(kind) if libraries else [_library(*one) for one in installed().items()]
        )
    return rows


def _imported(kind: str, known: set[str]) -> list[Row]:
    from invbench.report.catalogue import broken, live_rows

    found = [r for r in live_rows(kind) if r["name"] not in known and not of_library(r["name"])]
    return found + broken(kind)


def _of_libraries(kind: str) -> list[Row]:
    from invbench.adapters import load_library
    from invbench.report.catalogue import live_rows

    errors = []
    for library in installed():
        try:
            load_library(library)
        except UsageError as error:
            errors.append(_error(library, str(error)))
    return [row for row in live_rows(kind) if of_library(row["name"])] + errors


def _library(name: str, version: str) -> Row:
    return {
        "name": f"{name}/*",
        "summary": "each of them by name: invbench list --libraries",
        "source": f"{name} {version}",
    }


def _error(name: str, reason: str) -> Row:
    return {"name": name, "summary": f"ERROR {reason}", "source": "plugin"}

"""The rows of ``invbench list``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["KINDS", "listed"]

KINDS = ("couplings", "layers", "flows", "conditions", "attacks", "properties", "tracks")


def listed(kind: str) -> list[dict[str, str]]:
    from invbench.adapters import installed, load_library
    from invbench.errors import UsageError
    from invbench.laws import LAWS
    from invbench.laws.distributions.laws import DISTRIBUTION_LAWS
    from invbench.registry import ATTACKS, CORRUPTIONS, COUPLINGS, FLOWS, LAYERS
    from invbench.tracks import TRACKS

    errors: list[tuple[str, str]] = []
    if kind == "properties":
        return [_law(name, law) for name, law in (*LAWS.items(), *DISTRIBUTION_LAWS.items())]
    if kind == "tracks":
        return [{"name": n, "summary": track.summary, "source": ""} for n, track in TRACKS.items()]
    if kind in ("couplings", "layers"):
        for library in installed():
            try:
                load_library(library)
            except UsageError as error:
                errors.append((library, str(error)))
    registries: dict[str, Any] = {"couplings": COUPLINGS, "layers": LAYERS, "flows": FLOWS}
    registry = (registries | {"conditions": CORRUPTIONS, "attacks": ATTACKS})[kind]
    rows = [
        {
            "name": name,
            "summary": str(entry.metadata.get("formula") or entry.summary),
            "source": str(entry.metadata.get("citation") or _short(entry.origin)),
        }
        for name, entry in registry.items()
    ]
    return rows + [
        {"name": name, "summary": f"ERROR {reason}", "source": "plugin"}
        for name, reason in [*registry.broken, *errors]
    ]


def _law(name: str, law: Any) -> dict[str, str]:
    """A law's statement, its reference with the error of that, and what it trusts."""
    row = {"name": name, "summary": law.statement, "source": law.category}
    for what in ("reference", "trusts"):
        if said := getattr(law, what, ""):
            row[what] = said
    return row


def _short(origin: str) -> str:
    file, _, line = origin.rpartition(":")
    return f"{Path(file).name}:{line}"

"""The catalogue that ``invbench list`` and ``invbench explain`` read, made from what is registered.

python docs/write_catalogue.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invbench.catalogue import Row
from invbench.libraries import of_library
from invbench.registry import ATTACKS, CORRUPTIONS, COUPLINGS, CURES, FLOWS, LAYERS, Registry
from invbench.report.explain_code import of_code

__all__ = ["KINDS", "broken", "live_rows", "own_catalogue", "package_catalogue"]

KINDS: dict[str, Registry[Any]] = {
    "couplings": COUPLINGS,
    "layers": LAYERS,
    "flows": FLOWS,
    "conditions": CORRUPTIONS,
    "attacks": ATTACKS,
    "cures": CURES,
}


def live_rows(kind: str, package: str = "") -> list[Row]:
    """What is registered, by name; of one package alone, without the layers of libraries, when it
    is named."""
    rows = [
        {
            "name": name,
            "summary": str(entry.metadata.get("formula") or entry.summary),
            "source": str(entry.metadata.get("citation") or Path(entry.origin).name.split(":")[0]),
        }
        for name, entry in KINDS[kind].items()
        if not package or (_top(entry.obj) == package and not of_library(name))
    ]
    return sorted(rows, key=lambda row: row["name"])


def broken(kind: str) -> list[Row]:
    """A row for each plugin that cannot be imported."""
    return [
        {"name": name, "summary": f"ERROR {reason}", "source": "plugin"}
        for name, reason in KINDS[kind].broken
    ]


def package_catalogue(package: str) -> dict[str, list[Row]]:
    """What a plugin's package registers, by kind."""
    rows = {kind: live_rows(kind, package) for kind in KINDS}
    return {kind: found for kind, found in rows.items() if found}


def own_catalogue() -> dict[str, Any]:
    """Everything of invbench itself."""
    from invbench.laws import LAWS
    from invbench.laws.distributions.laws import DISTRIBUTION_LAWS

    laws = [_law(name, law) for name, law in (*LAWS.items(), *DISTRIBUTION_LAWS.items())]
    own: dict[str, Any] = {kind: live_rows(kind, "invbench") for kind in KINDS}
    own["properties"] = laws
    named = sorted({row["name"] for rows in own.values() for row in rows})
    said = {name: [(one.kind, one.parts) for one in of_code(name)] for name in named}
    own["explained"] = {name: meanings for name, meanings in said.items() if meanings}
    return own


def _law(name: str, law: Any) -> Row:
    """A law's statement, its reference with the error of that, and what it trusts."""
    row = {"name": name, "summary": law.statement, "source": law.category}
    for what in ("reference", "trusts"):
        if said := getattr(law, what, ""):
            row[what] = said
    return row


def _top(obj: Any) -> str:
    # an attack is a record of its search, a cure one of what makes it
    source = getattr(obj, "search", getattr(obj, "source", obj))
    return str(getattr(source, "__module__", "")).partition(".")[0]

"""Where the numbers of a row are from: its cells, what measured them, and the command that does so
again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any

from invbench.attacks.budget import ATTACK_BUDGETS
from invbench.store.record import Record
from invbench.tracks import TRACKS
from invbench.tracks.budget import BUDGETS

__all__ = ["command", "json_value", "origin"]

MOST_FILES, MOST_REASONS, LONGEST = 6, 6, 300


def origin(cells: Sequence[Record]) -> dict[str, Any]:
    """What a person needs to trace a row: files, versions, settings, reasons, and the command."""
    specs, found = [c.spec for c in cells], [c.provenance for c in cells]

    def said(key: str, limit: int | None = None) -> str:
        return ", ".join(sorted({str(p[key])[:limit] for p in found if p.get(key)}))

    finished = sorted(str(p.get("finished", "")) for p in found if p.get("finished"))
    settings: dict[str, set[str]] = {}
    for spec in specs:
        for name, value in spec.settings.items():
            settings.setdefault(name, set()).add("none" if value is None else str(value))
    reasons = list(dict.fromkeys(c.reason[:LONGEST] for c in cells if c.reason))
    findings = [str(f)[:LONGEST] for c in cells for f in _listed(c.measures.get("findings"))]
    facts = {
        "dtype": ", ".join(sorted({s.dtype for s in specs})),
        "device": ", ".join(sorted({s.device for s in specs})),
        "seeds": ", ".join(map(str, sorted({s.seed for s in specs}))),
        "versions": "; ".join(
            f"{k} {v}" for k in ("invbench", "torch", "numpy", "python") if (v := said(k))
        ),
        "machine": said("platform"),
        "threads": said("threads"),
        "commit": said("commit", 12),
        "source of the entry": said("origin"),
        "digest of the source": ", ".join(sorted({s.entry_digest for s in specs})),
        "digest of the weights": ", ".join(
            sorted({s.weights_digest for s in specs if s.weights_digest})
        ),
        "finished": f"{finished[0]} … {finished[-1]}"
        if len(set(finished)) > 1
        else "".join(finished[:1]),
        "seconds": f"{sum(float(p.get('seconds') or 0) for p in found):.0f}",
    }
    return {
        "facts": {name: value for name, value in facts.items() if value},
        "settings": {name: ", ".join(sorted(values)) for name, values in sorted(settings.items())},
        "reasons": (reasons + findings)[:MOST_REASONS],
        "files": [getattr(c, "place", c.spec.path) for c in cells[:MOST_FILES]],
        "count": len(specs),
        "command": command(cells),
    }


def json_value(value: Any) -> Any:
    """Non-finite numbers as the words that JSON has no other way to say."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def command(cells: Sequence[Record]) -> str:
    """The ``invbench run`` that plans these cells. An entry that is a file is named by its file, as
    far as its cell knows it."""
    first = cells[0].spec
    track = TRACKS[first.track]
    entry, source = first.entry, str(cells[0].provenance.get("origin", "")).partition(":")[0]
    words = [
        "invbench",
        "run",
        "--track",
        first.track,
        "--entry",
        entry if _registered(entry) or not source else source,
    ]
    specs = [c.spec for c in cells]
    datasets = sorted({s.dataset for s in specs if s.dataset})
    for dataset in datasets:
        words += ["--data", dataset] if datasets != ["embedded"] else []
    conditions = {(s.corruption, s.severity) for s in specs}
    if all(s.attack for s in specs):
        for name in sorted({s.attack for s in specs}):
            words += ["--attack", name]
        for eps in sorted({str(s.eps) for s in specs if s.eps is not None}):
            words += ["--eps", eps]
        words += ["--inputs", str(first.settings.get("limit"))]
    elif len(conditions) == 1 and datasets and first.severity is not None:
        words += ["--corruption", first.corruption, "--severity", f"{first.severity:g}"]
    words += _budget(cells)
    if track.trains:
        words += ["--seeds", str(1 + max(c.spec.seed for c in cells))]
    plain = [s for s in specs if s.measure not in track.dtypes] or [first]
    words += ["--dtype", plain[0].dtype] if plain[0].dtype != "float32" else []
    words += ["--device", first.device] if first.device != "cpu" else []
    return shlex.join(words)


def _registered(entry: str) -> bool:
    from invbench.registry import COUPLINGS

    return entry in COUPLINGS


def _budget(cells: Sequence[Record]) -> list[str]:
    """The budget whose settings these are; none is said for the default one, or when none fits."""
    for cell in cells:
        settings = cell.spec.settings
        for name, budget in BUDGETS.items():
            search = ATTACK_BUDGETS[budget.attack]
            known = {
                "budget": budget.check,
                "compiled": budget.compiled,
                "attack_steps": search.steps,
                "steps": search.radius_steps if "bisections" in settings else None,
                "crops_per_image": budget.crops
                if "samples" in settings and "products" not in settings
                else None,
            }
            said = {
                key: value for key, value in known.items() if key in settings and value is not None
            }
            if said and all(settings[key] == value for key, value in said.items()):
                if name != "default" and not (said.keys() == {"compiled"} and budget.compiled):
                    return ["--budget", name]
                break
    return []

"""What a name means: a column, a property, an attack, a design or a condition, as ``invbench
explain`` prints it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from invbench.errors import UsageError, did_you_mean
from invbench.report.column_docs import GROUPS, meanings, tracks_of
from invbench.report.columns import COLUMNS
from invbench.tracks.columns import Meaning

__all__ = ["Explanation", "explain", "names", "track_pages"]


@dataclass(frozen=True)
class Explanation:
    """One meaning of a name: (label, text) in the order to be read; empty texts are left out."""

    name: str
    kind: str
    parts: tuple[tuple[str, str], ...]

    def text(self) -> str:
        lines = [f"{self.name} ({self.kind})"]
        return "\n".join(lines + [f"  {label}: {said}" for label, said in self.parts if said])


def explain(name: str) -> list[Explanation]:
    """Every meaning of ``name``. Raises ``UsageError`` with near names when there is none."""
    found = [one for kind in KINDS for one in KINDS[kind](name)]
    if found:
        return found
    hint = did_you_mean(name, names())
    raise UsageError(
        f"{name!r} is no column, property, attack, design or condition{hint} (invbench explain "
        f"--all; invbench list)"
    )


def names() -> list[str]:
    from invbench.laws import LAWS

    conditions, attacks, designs = _registries()
    return list(dict.fromkeys([*meanings(), *COLUMNS, *LAWS, *attacks, *designs, *conditions]))


def _registries() -> tuple[Any, Any, Any]:
    import invbench.attacks
    import invbench.corruptions  # noqa: F401  registers them
    from invbench.registry import ATTACKS, CORRUPTIONS, COUPLINGS

    return CORRUPTIONS, ATTACKS, COUPLINGS


def _column(name: str) -> Iterator[Explanation]:
    if name in meanings():
        m = meanings()[name]
        yield Explanation(
            name, f"column of {', '.join(tracks_of(name)) or 'no track'}", tuple(_parts(m))
        )


def _parts(m: Meaning, track: str = "") -> Iterator[tuple[str, str]]:
    yield "meaning", m.text
    for where, said in m.tracks.items():
        if where == track or not track:
            yield ("here" if track else f"in track {where}"), said
    yield "formula", m.formula
    yield "better", {"low": "low", "high": "high", "": ""}[m.better]
    yield "shown under", GROUPS[m.group]
    yield "source", m.source
    yield "how it can mislead", m.misleads


def _property(name: str) -> Iterator[Explanation]:
    from invbench.laws import LAWS
    from invbench.laws.law import CATEGORIES, SCOPES

    if law := LAWS.get(name):
        yield Explanation(
            name,
            f"property, {law.category}",
            (
                ("meaning", law.statement),
                ("when broken", CATEGORIES[law.category]),
                ("checked on", SCOPES[law.scope]),
                ("needs", ", ".join(sorted(law.needs))),
                (
                    "how it can mislead",
                    (
                        "It holds means that no counterexample was found at the budget; it is no "
                        "proof."
                    ),
                ),
                ("see it", f"pytest suites/ --property {name}"),
            ),
        )


def _attack(name: str) -> Iterator[Explanation]:
    _, attacks, _ = _registries()
    if name in attacks:
        attack = attacks[name].obj
        yield Explanation(
            name,
            "attack",
            (
                ("meaning", attack.statement),
                (
                    "moves",
                    " and ".join(attack.moved)
                    + (" within ε (ℓ∞, pixels)" if attack.uses_eps else ""),
                ),
                (
                    "keeps",
                    {
                        "x": "the point of the largest |x|",
                        "value": "the point of its own objective",
                    }[attack.keeps],
                ),
                ("source", attacks[name].metadata["citation"]),
                (
                    "how it can mislead",
                    "A failed attack is no proof of robustness: it says what this search found "
                    "at this budget. One that fails where random "
                    "latents succeed is broken, so read it beside latent-random.",
                ),
                ("see it", f"invbench run --track sr --attack {name}"),
            ),
        )


def _design(name: str) -> Iterator[Explanation]:
    *_, designs = _registries()
    if name in designs:
        entry = designs[name]
        cls, metadata = entry.obj, entry.metadata
        declared = [
            f"{what} {v}"
            for what in ("slope_range", "displacement")
            if (v := getattr(cls, what, None)) is not None
        ]
        yield Explanation(
            name,
            "design",
            (
                ("meaning", _docstring(cls)),
                ("formula", str(metadata.get("formula", ""))),
                ("declares", "; ".join(declared)),
                ("source", str(metadata.get("citation", ""))),
                ("family", str(metadata.get("family", ""))),
                (
                    "how it can mislead",
                    (
                        "Sound is not robust, and a bound on magnitude is no bound on sensitivity: "
                        "read both columns."
                    ),
                ),
                ("see it", f"invbench check {name}"),
            ),
        )


def _condition(name: str) -> Iterator[Explanation]:
    conditions, *_ = _registries()
    if name in conditions:
        entry = conditions[name]
        strengths = entry.metadata.get("strengths", ())
        track = entry.metadata.get("track", "sr")
        yield Explanation(
            name,
            f"condition of track {track}",
            (
                ("meaning", _docstring(entry.obj)),
                (
                    "severities",
                    ", ".join(f"{k}: {value:g}" for k, value in enumerate(strengths, 1)),
                ),
                (
                    "how it can mislead",
                    (
                        "Severity 3 of one family is not as hard as severity 3 of another; look at "
                        "them (invbench list conditions --sheet)."
                    ),
                ),
                ("see it", f"invbench run --track {track} --corruption {name}"),
            ),
        )


def _docstring(obj: Any) -> str:
    return " ".join((inspect.getdoc(obj) or "").split())


KINDS = {
    "column": _column,
    "property": _property,
    "attack": _attack,
    "design": _design,
    "condition": _condition,
}


def track_pages() -> str:
    """docs/tracks.md: every column of every track."""
    lines = [
        "# The columns of each track",
        "",
        (
            "What each number means and how it can mislead. Made by `invbench explain --all`; "
            "edit invbench/report/column_docs instead of this page."
        ),
        "",
    ]
    for track, columns in COLUMNS.items():
        lines += [f"## Track `{track}`", ""]
        for group, title in GROUPS.items():
            members = [
                meanings()[name]
                for name in columns
                if name in meanings() and meanings()[name].group == group
            ]
            if not members or (track == "coupling" and group in ("failure", "rank")):
                continue
            lines += [f"### {title}", ""]
            for m in members:
                said = " ".join(filter(None, (m.text, m.tracks.get(track, ""))))
                formula = f" *{_plain(m.formula)}.*" if m.formula else ""
                lines += [
                    (
                        f"**`{m.name}`**: {_plain(said)}{formula} **Misleads:** "
                        f"{_plain(m.misleads)} ({_plain(m.source)})"
                    ),
                    "",
                ]
        if track == "coupling":
            lines += [
                (
                    "The columns of failures and ranks are empty here: nothing is trained, no "
                    "samples are drawn."
                ),
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"


def _plain(text: str) -> str:
    """Markdown must not read formulas: * and _ stand for themselves."""
    return text.replace("*", r"\*").replace("_", r"\_").replace("<", "&lt;").replace("|", r"\|")

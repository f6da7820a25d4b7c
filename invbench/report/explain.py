"""What a name means: a column, a property, an attack, a design or a condition, as ``invbench
explain`` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from invbench import catalogue
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
    said = catalogue.explained(name)
    found = [*_column(name), *(Explanation(name, kind, parts) for kind, parts in said)]
    if not found and catalogue.of_plugins("couplings")[1]:  # a package without a catalogue
        from invbench.report.explain_code import of_code

        found = list(of_code(name))
    if found:
        return found
    hint = did_you_mean(name, names())
    raise UsageError(
        f"{name!r} is no column, property, attack, design or condition{hint} (invbench explain "
        f"--all; invbench list)"
    )


def names() -> list[str]:
    return list(dict.fromkeys([*meanings(), *COLUMNS, *catalogue.names()]))


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

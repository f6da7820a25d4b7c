"""A report for the terminal: the verdict, guesses and assumptions, failures with their smallest
case, and the law to begin with."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from rich.markup import escape

__all__ = ["WIDTH", "report_lines"]

WIDTH = 100
# what breaks one of these may break many laws; the first of them that fails is mended first
ROOTS = (
    "shape",
    "dtype",
    "deterministic",
    "stateless",
    "inputs-unchanged",
    "round-trip-x",
    "round-trip-z",
    "log-det",
    "inverse-log-det",
)


def report_lines(report: Any, dtype: str, bounds: str | None = None) -> Iterator[str]:
    """Lines of rich markup of at most 100 columns, except for code and numbers that would break."""
    measures = report.measures
    verdict = "[green]sound[/]" if report.sound else "[red]NOT SOUND[/]"
    if undecided := measures.get("undecided"):
        verdict += f", {len(undecided)} law{'s' if len(undecided) > 1 else ''} not decided"
    yield f"{escape(report.target)}: {verdict} ({dtype}, {measures.get('seconds', 0)} s)"
    yield from _listed("guessed: ", measures.get("guesses"))
    yield from _listed("assumed: ", measures.get("assumed"))
    if undecided:
        reasons = (
            undecided.items()
            if isinstance(undecided, dict)
            else [(str(law), "") for law in undecided]
        )
        by_reason: dict[str, list[str]] = {}
        for law, reason in reasons:
            by_reason.setdefault(str(reason), []).append(law)
        lines = [f"{', '.join(laws)}: {reason}".rstrip(": ") for reason, laws in by_reason.items()]
        yield from _listed("not decided: ", lines)
    for failure in report.failures:
        blame = failure.kind if failure.severity == "soundness" else f"{failure.severity} finding"
        yield from _wrapped(f"{failure.property} [{blame}] ", failure.message, "  ")
        yield from _case(str(getattr(failure, "case", "") or ""))
    if decided := measures.get("decided"):
        least = min(decided, key=lambda law: decided[law])
        if len(set(decided.values())) == 1:
            laws = f"each of {len(decided)} laws" if len(decided) > 1 else least
            line = f"decided: {decided[least]} rows for {laws}"
        else:
            line = (
                f"decided: {sum(decided.values())} rows by {len(decided)} laws, fewest "
                f"{decided[least]} ({least})"
            )
        yield from _wrapped("", line, "  ")
    if bounds:
        yield escape(f"  {bounds}")
    yield from _first_to_mend([f for f in report.failures if f.breaks_soundness])


def _first_to_mend(failures: list[Any]) -> Iterator[str]:
    """Where several laws are broken: the one to begin with, at the end, where a reader looks."""
    laws = list(dict.fromkeys(failure.property for failure in failures))
    if len(laws) < 2:
        return
    first = min(failures, key=lambda f: (*ROOTS, f.property).index(f.property))
    yield from _wrapped("", f"breaks {len(laws)} laws: {', '.join(laws)}", "  ")
    cause = first.message.partition(";")[0]
    yield from _wrapped("", f"begin with {first.property}, the others may follow: {cause}", "  ")


def _listed(label: str, lines: Any) -> Iterator[str]:
    """Each line after its label, which is not repeated."""
    for line in map(str, lines or ()):
        text = (
            line.removeprefix(label.rstrip(": ")).lstrip(": ")
            if line.startswith(label.rstrip(": "))
            else line
        )
        yield from _wrapped(label, text, "  ")


def _case(text: str) -> Iterator[str]:
    """The smallest case. From its first import on it is code, which is not wrapped."""
    code = False
    for line in text.splitlines():
        code = code or line.lstrip().startswith(("import ", "from "))
        inner = line[: len(line) - len(line.lstrip())]
        if code or not line.strip():
            yield escape(f"      {line}".rstrip())
        else:
            yield from _wrapped("", line.strip(), f"      {inner}")


def _wrapped(label: str, text: str, indent: str) -> Iterator[str]:
    """``label`` and text, wrapped at 100 columns. A line break of the text stays."""
    first = f"{indent}{label}"
    for number, paragraph in enumerate(text.splitlines() or [""]):
        broken = textwrap.wrap(
            paragraph,
            WIDTH,
            initial_indent=first if number == 0 else indent + "    ",
            subsequent_indent=indent + "    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (escape(line) for line in broken or [first.rstrip()])

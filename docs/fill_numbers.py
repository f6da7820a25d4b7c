"""The numbers in README.md and docs/ out of results/: python docs/fill_numbers.py [--check]

docs/numbers.toml lists passages of these texts with {} where a number stands, and where each is
from (docs/published_numbers.py says how). Writes every number in its place; with --check it writes
nothing, names the numbers that differ, and ends with code 1 when there are some. A passage that a
text does not have exactly once is an error: whoever rewrites a sentence rewrites the passage too.
So is a number in one of the ``sections`` that no passage fills and no pattern in ``plain`` allows.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from published_numbers import NoNumber, written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = r"([-−]?(?:∞|\d+(?:[.,]\d+)*(?:e[-+]?\d+)?))"
WORDS = r"([^|:\n]+?)"
DEFAULTS = ("table", "cells", "where", "of", "as")  # of a passage, for each of its numbers


@dataclass(frozen=True)
class Place:
    """A number in a text: where it begins and ends, what stands there, and what should."""

    start: int
    end: int
    stands: str
    should: str


def pattern(passage: str, sources: list[dict[str, Any]]) -> re.Pattern[str]:
    """The passage with any white space between words, and for each {} a group of one number, as
    ``written`` writes it, or of words up to : or |."""
    pieces = [
        r"\s+".join(re.escape(word) for word in re.split(r"\s+", piece))
        for piece in passage.split("{}")
    ]
    groups = [WORDS if source["as"] == "words" else WRITTEN for source in sources]
    return re.compile(
        "".join(part for pair in zip(pieces, [*groups, ""], strict=True) for part in pair)
    )


def places(text: str, passage: dict[str, Any], results: Path) -> list[Place]:
    """Raises ``NoNumber`` when the passage is not there once, or a source has no number."""
    defaults = {key: passage[key] for key in DEFAULTS if key in passage}
    sources = [{**defaults, **number} for number in passage["numbers"]]
    if passage["text"].count("{}") != len(sources):
        raise NoNumber(f"{passage['text']!r} has not as many {{}} as numbers, {len(sources)}")
    found = list(pattern(passage["text"], sources).finditer(text))
    if len(found) != 1:
        raise NoNumber(f"{len(found)} places read {passage['text']!r}")
    return [
        Place(*found[0].span(k), found[0].group(k), written(source, results))
        for k, source in enumerate(sources, 1)
    ]


def unexplained(
    text: str, filled: list[Place], sections: list[str], plain: list[str]
) -> Iterator[str]:
    """Numbers in the sections that nobody fills: outside of code, links, pictures and what
    ``plain`` describes."""
    quiet = [*plain, r"\]\([^)]*\)", r"!\[[^]]*\]", r"`[^`\n]*`", r"(?s)```.*?```"]
    spans = [m.span() for p in quiet for m in re.finditer(p, text)] + [
        (place.start, place.end) for place in filled
    ]
    for section in sections:
        start = text.index(f"## {section}\n")
        end = text.find("\n## ", start)
        for match in re.compile(r"\d[\d.,]*").finditer(text, start, end if end > 0 else len(text)):
            if not any(a <= match.start() < b for a, b in spans):
                yield " ".join(text[max(0, match.start() - 40) : match.end() + 20].split())


def fill(path: Path, book: dict[str, Any], results: Path) -> tuple[str, list[str]]:
    """(the text as it should be, what was wrong with it)."""
    text, wrong, found = path.read_text(encoding="utf-8"), [], []
    for passage in book["passages"]:
        try:
            found += places(text, passage, results)
        except NoNumber as error:
            wrong.append(f"{path.name}: {error}")
    wrong += [
        (
            f"{path.name}, line {text.count(chr(10), 0, p.start) + 1}: {p.stands}, in results: "
            f"{p.should}"
        )
        for p in found
        if p.stands != p.should
    ]
    unknown = unexplained(text, found, book.get("sections", []), book.get("plain", []))
    wrong += [f"{path.name}: no source for the number in “… {number} …”" for number in unknown]
    for place in sorted(found, key=lambda p: -p.start):
        text = text[: place.start] + place.should + text[place.end :]
    return text, wrong


def main(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; code 1 when a number differs.")
    ] = False,
    root: Annotated[Path, typer.Option(help="Folder with README.md, docs and results.")] = ROOT,
) -> None:
    books = tomllib.loads((root / "docs" / "numbers.toml").read_text(encoding="utf-8"))
    said: list[str] = []
    for name, book in books.items():
        text, wrong = fill(root / name, book, root / "results")
        said += wrong
        if not check:
            (root / name).write_text(text, encoding="utf-8")
    print("\n".join(said) or "every number is that of results/")
    unfilled = [line for line in said if ", in results: " not in line]
    raise SystemExit(1 if (said if check else unfilled) else 0)


if __name__ == "__main__":
    typer.run(main)

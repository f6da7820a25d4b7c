"""Does the built site need the network? python docs/check_offline.py SITE

Names every script, style, picture, font or frame of a page, and every import of a style sheet, that
comes from another host; code 1 when there is one. Links that a person may follow are no such thing.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import typer

LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src",
    "embed": "src", "object": "data",
}  # fmt: skip
LOADING_LINKS = (
    "stylesheet",
    "icon",
    "preload",
    "preconnect",
    "prefetch",
    "manifest",
    "modulepreload",
)
ELSEWHERE = re.compile(r"(?i)^(?:https?:)?//")
IN_STYLE = re.compile(r"(?i)(?:@import\s+[\"']|url\(\s*[\"']?)((?:https?:)?//[^\"')\s]+)")


class Loads(HTMLParser):
    """What a page loads by itself from another host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        address = known.get(LOADED.get(tag, "")) or ""
        if tag == "link" and set((known.get("rel") or "").lower().split()) & set(LOADING_LINKS):
            address = known.get("href") or ""
        if ELSEWHERE.match(address):
            self.found.append(address)


def loads(site: Path) -> list[str]:
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        found += [f"{page.relative_to(site)}: {address}" for address in parser.found]
    for style in sorted(site.rglob("*.css")):
        text = style.read_text(encoding="utf-8")
        found += [f"{style.relative_to(site)}: {address}" for address in IN_STYLE.findall(text)]
    return found


def main(site: Path) -> None:
    if not (site / "index.html").is_file():
        print(f"{site}: no site; build one first (docs/build.sh)", file=sys.stderr)
        raise SystemExit(2)
    found = loads(site)
    print("\n".join(found) or f"{site}: nothing is loaded from another host")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    typer.run(main)

"""The page itself: templates filled, scripts allowed by their hash and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from invbench.files import write_atomically
from invbench.report.site.card import card
from invbench.report.site.data import collect

__all__ = ["Built", "build", "write_site"]

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = (
    "format.js",
    "table.js",
    "export.js",
    "detail.js",
    "overview.js",
    "design.js",
    "app.js",
)
SAID = "How far invertible networks explode: designs on the same inputs, with intervals and tiers."


@dataclass(frozen=True)
class Built:
    """What was written; ``card``: the picture for shared links, None where no entry has a rate;
    ``problems``: what is not on the page, and why."""

    file: Path
    card: Path | None
    size: int
    tracks: list[str]
    problems: list[str]


def write_site(results: Path, output: Path, url: str = "") -> Built:
    """Write the page of ``results`` to ``output``, a folder (index.html in it) or an .html file,
    and a card beside it. ``url``: where the page will be; a shared link shows the card only when
    that is known. Raises as ``collect`` does."""
    content = collect(results)
    file = output if output.suffix == ".html" else output / "index.html"
    overview = content["data"]["overview"]
    drawn = card(overview[0]) if overview else None
    beside = file.with_name("card.png" if file.name == "index.html" else f"{file.stem}-card.png")
    page = build(content, beside.name if drawn else "", url)
    if drawn:
        write_atomically(beside, drawn)
    write_atomically(file, page)
    tracks = [track["name"] for track in content["data"]["tracks"]]
    return Built(file, beside if drawn else None, len(page), tracks, content["problems"])


def build(content: dict[str, Any], image: str = "", url: str = "") -> bytes:
    """The page as UTF-8: the same content gives the same bytes. ``image``: the card's file."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    scripts = "(() => {\n'use strict';\n" + "".join(_read(name) for name in SCRIPTS) + "})();\n"
    hashed = base64.b64encode(hashlib.sha256(scripts.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("page.html").render(
        tracks=content["data"]["tracks"],
        overview=(overview := content["data"]["overview"]),
        said=overview[0]["sentences"][0] if overview else SAID,
        url=url,
        image=urljoin(url if url.endswith(("/", ".html")) else f"{url}/", image) if url else image,
        cells=content["cells"],
        charts=[chart | {"svg": Markup(chart["svg"])} for chart in content["charts"]],
        problems=content["problems"],
        style=Markup(_read("page.css")),
        script=Markup(scripts),
        script_hash=hashed,
        data=Markup(_json(content["data"])),
        pictures=Markup(_json(content["pictures"])),
    )
    return text.encode("utf-8", "replace")


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _json(document: Any) -> str:
    """JSON that no HTML parser can mistake for markup."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

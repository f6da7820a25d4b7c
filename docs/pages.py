"""The pages of README and docs/: their code blocks, their links, and what a heading is called.

Read by docs/run_tutorial.py, docs/site_hooks.py and tests/docs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(
    r"(?ms)^(?P<indent> *)(?:<!-- (?P<mark>[^\n]*?) -->\n(?P=indent))?"
    r"```(?P<language>\w*)(?: title=\"(?P<title>[^\"\n]+)\")?[^\n]*\n(?P<code>.*?)^(?P=indent)```"
)
LINK = re.compile(r"(?P<before>!?\[(?:[^][]|\[[^]]*\])*\]\()(?P<target>[^()\s]+)(?P<after>\))")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what the comment above it says, the file that it names."""

    language: str
    mark: str
    title: str
    code: str
    line: int


def pages() -> list[Path]:
    """Every page that a person reads: Markdown of the root and of docs/, and notebooks."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
    return sorted(found)


def text_of(page: Path) -> str:
    """The Markdown of a page; of a notebook its cells, code as fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return notebook_text(text, outputs=False) if page.suffix == ".ipynb" else text


def notebook_text(text: str, outputs: bool = True) -> str:
    """A notebook as Markdown. With ``outputs`` what was printed and drawn stands below each cell,
    pictures within the page."""
    parts: list[str] = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += [_shown(output) for output in cell.get("outputs", [])] if outputs else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(output: dict) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        png = "".join(data["image/png"]).replace("\n", "")
        return f"![output](data:image/png;base64,{png})"
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""


def blocks(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        code = re.sub(f"(?m)^{match['indent']}", "", match["code"])
        line = text.count("\n", 0, match.start("code"))
        yield Block(match["language"], match["mark"] or "", match["title"] or "", code, line)


def prose(text: str) -> str:
    """The text with code, inline and fenced, blanked: what stands there are no links."""
    text = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    return re.sub(r"`[^`\n]*`", lambda m: " " * len(m[0]), text)


def links(text: str) -> Iterator[str]:
    """Targets of links and pictures that lead to a file or a heading of this repository."""
    for match in LINK.finditer(prose(text)):
        if not re.match(r"[a-z]+:", match["target"]):
            yield match["target"]


def anchors(text: str) -> set[str]:
    """What headings are called in a link: as GitHub and MkDocs make it of their words."""
    without = FENCE.sub("", text)
    headings = re.findall(r"(?m)^#{1,6} +(.+?) *#*$", without)
    plain = [
        re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "]", h)).strip().lower() for h in headings
    ]
    return {re.sub(r"[ ]", "-", name) for name in plain}

"""What MkDocs does to the pages of this repository beside building them (mkdocs.yml names it).

README.md is the first page. Notebooks become pages with their outputs. A file outside of docs/ that
a page links to, as of results/, comes along below ``repository/``: a page when it is Markdown, and
then what that links to as well. So every link that works in the repository works in the site.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mkdocs.structure.files import File
from pages import LINK, ROOT, links, notebook_text, prose

DOCS = ROOT / "docs"


def address(path: Path) -> str:
    """Where a file of the repository is in the site."""
    if path == ROOT / "README.md":
        return "index.md"
    if path.is_relative_to(DOCS):
        path = path.with_suffix(".md") if path.suffix == ".ipynb" else path
        return path.relative_to(DOCS).as_posix()
    return f"repository/{path.relative_to(ROOT).as_posix()}"


def aimed_at(page: Path, target: str) -> Path | None:
    """The file or folder that a link of a page leads to; None when it leads to a heading of the same
    page, or out of the repository."""
    name = "" if re.match("[a-z]+:", target) else target.partition("#")[0]
    path = Path(os.path.normpath(page.parent / name)) if name else None
    return path if path and path.is_relative_to(ROOT) and path.exists() else None


def on_files(files: Any, config: Any) -> Any:
    begin = [ROOT / "README.md"]
    for notebook in sorted(DOCS.rglob("*.ipynb")):
        text = notebook_text(notebook.read_text(encoding="utf-8"))
        files.append(File.generated(config, address(notebook), content=text))
    waiting = begin + [Path(f.abs_src_path) for f in files.documentation_pages() if f.abs_src_path]
    known: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in known:
            continue
        known.add(path)
        if path in begin or not path.is_relative_to(DOCS):
            files.append(File.generated(config, address(path), abs_src_path=str(path)))
        if path.suffix == ".md":
            found = links(path.read_text(encoding="utf-8"))
            aims = (aimed_at(path, target) for target in found)
            waiting += [aim for aim in aims if aim and aim.is_file()]
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    source = page.file.src_uri
    here = Path(page.file.abs_src_path) if page.file.abs_src_path else DOCS / source
    quiet = prose(markdown)  # as long as the page; links that stand in code are blank there
    out, end = [], 0
    for match in LINK.finditer(quiet):
        aim = aimed_at(here, match["target"])
        if aim and aim.is_dir():  # a site has no page of a folder: its words alone
            text = markdown[match.start() : match.end("before")].lstrip("!")[1:-2]
            out += [markdown[end : match.start()], text]
            end = match.end()
            continue
        if aim is None or files.get_file_from_path(address(aim)) is None:
            continue
        to = posixpath.relpath(address(aim), posixpath.dirname(source) or ".")
        anchor = "".join(match["target"].partition("#")[1:])
        start, stop = match.span("target")
        out += [markdown[end:start], to + anchor]
        end = stop
    return "".join([*out, markdown[end:]])

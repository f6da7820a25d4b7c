"""Pages that are written from the code say what the code says; every public name has its place."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import invbench

ROOT = Path(__file__).resolve().parents[2]
API = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["cli.md", "corruptions.md", "attacks.md", "budgets.md"])
def test_a_written_page_is_what_the_code_would_write(script, name):
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert page == script("write_reference").PAGES[name](), "python docs/write_reference.py"


def test_the_command_line_page_has_every_verb_and_option(script):
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^## invbench (\w+)\n(.*?)(?=^## |\Z)", page))
    known = script("page_checks").invbench_options()
    assert list(sections) == list(known)
    for verb, options in known.items():
        for option in options - {"--help"}:
            if option.startswith("-"):
                assert f"`{option}`" in sections[verb], (verb, option)


def test_every_public_name_is_in_the_reference_under_its_real_module():
    documented = {}
    for path in re.findall(r"(?m)^::: (\S+)$", API):
        module, _, name = path.rpartition(".")
        documented[name] = getattr(importlib.import_module(module), name)
    for name in invbench.__all__:
        assert documented.get(name) is getattr(invbench, name), name
    assert all(thing.__doc__ for thing in documented.values())


def test_the_menu_has_every_page_of_docs_and_no_other():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    menu = set(re.findall(r"(?m): (\S+\.md)$", text[text.index("\nnav:") :]))
    docs = ROOT / "docs"
    pages = {p.relative_to(docs).as_posix() for p in docs.rglob("*.md")}
    books = {p.relative_to(docs).with_suffix(".md").as_posix() for p in docs.rglob("*.ipynb")}
    assert menu == pages | books | {"index.md"}

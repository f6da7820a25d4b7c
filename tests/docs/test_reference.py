"""Pages that are written from the code say what the code says; every public name has its place."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import invbench

ROOT = Path(__file__).resolve().parents[2]
API = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["cli.md", "corruptions.md", "attacks.md", "budgets.md", "cost.md"]
)
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


def definition(path):
    """The definition that ``module.Name`` has in the source of that module: what mkdocstrings reads,
    without importing what may need an extra."""
    module, _, name = path.rpartition(".")
    spec = importlib.util.find_spec(module)
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return next((node for node in tree.body if isinstance(node, kinds) and node.name == name), None)


def test_every_public_name_is_in_the_reference_where_it_is_defined():
    paths = re.findall(r"(?m)^::: (\S+)$", API)
    assert set(invbench.__all__) <= {path.rpartition(".")[2] for path in paths}
    for path in paths:
        assert definition(path) is not None, path
        assert ast.get_docstring(definition(path)), path


def test_a_module_that_only_passes_a_name_on_does_not_define_it():
    assert definition("invbench.laws.check") is None
    assert definition("invbench.laws.check.check").name == "check"


def test_the_menu_has_every_page_of_docs_and_no_other():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    menu = set(re.findall(r"(?m): (\S+\.md)$", text[text.index("\nnav:") :]))
    docs = ROOT / "docs"
    pages = {p.relative_to(docs).as_posix() for p in docs.rglob("*.md")}
    books = {p.relative_to(docs).with_suffix(".md").as_posix() for p in docs.rglob("*.ipynb")}
    assert menu == pages | books | {"index.md"}

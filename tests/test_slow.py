"""What the README's command leaves out: each test says for how long and why, and .ci/run has it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def marks(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, reason) of each slow mark; '' where none is said."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.slow"
    ]
    said = {
        id(node.func): keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant)
    }
    return [(node.lineno, str(said.get(id(node), ""))) for node in found]


def test_every_slow_test_says_its_seconds_and_why():
    trees = {path: ast.parse(path.read_text("utf-8")) for path in TESTS.rglob("test_*.py")}
    found = [(path.name, *mark) for path, tree in trees.items() for mark in marks(tree)]
    assert len(found) >= 10
    assert [mark for mark in found if not re.fullmatch(r"\d+ s\b.*: .{20,}", mark[2])] == []


@pytest.mark.parametrize("mark", ["pytest.mark.slow", "pytest.mark.slow()", "pytest.mark.slow(3)"])
def test_a_mark_without_a_reason_is_found(mark):
    assert marks(ast.parse(f"@{mark}\ndef test_it(): pass")) == [(1, "")]


def test_what_the_command_leaves_out_is_a_step_of_ci():
    ini = (ROOT / "pyproject.toml").read_text("utf-8")
    assert "-m 'not slow'" in ini and 'invbench_budget = "smoke"' in ini
    assert ".venv/bin/pytest tests -n auto -m slow\n" in (ROOT / ".ci" / "run").read_text("utf-8")
    nightly = (ROOT / ".ci" / "nightly").read_text("utf-8")
    assert "pytest suites -n auto --budget default" in nightly

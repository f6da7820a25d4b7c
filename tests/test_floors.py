"""Imports point down: the floors in pyproject.toml hold, and an import that points up is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytest.importorskip("importlinter", reason="no import-linter: pip install '.[dev]'")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """``lint-imports`` on the package invbench of this folder."""
    code = "import sys; from importlinter.cli import lint_imports as f; sys.exit(f(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_room_imports_the_floors_below_it_only():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        (
            "couplings/base.py",
            "import invbench.flows.squeeze",
            "invbench.couplings is not allowed to import invbench.flows",
        ),
        (
            "laws/law.py",
            "def late():\n    from invbench.runner.run import run",
            "invbench.laws is not allowed to import invbench.runner",
        ),
        (
            "measures/bits.py",
            "import invbench",
            "invbench.measures is not allowed to import invbench.training",
        ),
        (
            "registry.py",
            "import invbench.files\nimport invbench.loading",
            "invbench.registry is not allowed to import invbench.loading",
        ),
        (
            "training/weights.py",
            "import invbench_models.srflow",
            "invbench is not allowed to import invbench_models",
        ),
        ("kitchen.py", "", "invbench.kitchen"),  # a room without a floor
    ],
)
def test_an_import_that_points_up_is_found(tmp_path, file, line, broken):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "invbench", tmp_path / "invbench", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "invbench" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert broken in done.stdout

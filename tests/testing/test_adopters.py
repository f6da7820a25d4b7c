"""docs/adopters: the pull requests to four libraries. Each file is short, and is collected."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from invbench.laws import LAWS
from invbench.testing.known_failures import read_known_failures
from tests.support.warm_python import run_module

ADOPTERS = Path(__file__).resolve().parents[2] / "docs" / "adopters"
NAMES = ["flowjax", "normflows", "torchflows", "zuko"]
LINES = 25


def pytest_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("pytest", "-q", "-p", "no:cacheprovider", *arguments)
    return run_module(Path.cwd(), *command, environment={"PYTHONDONTWRITEBYTECODE": "1"})


def test_there_are_four_with_a_test_a_baseline_and_what_it_found():
    assert sorted(file.parent.name for file in ADOPTERS.glob("*/known.toml")) == sorted(
        [*NAMES, "examples"]
    )
    for name in NAMES:
        assert (ADOPTERS / name / "README.md").is_file()
        assert len((ADOPTERS / name / "test_invertible.py").read_text().splitlines()) <= LINES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_collected_and_each_known_failure_is_one_of_its_tests(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install {name}")
    done = pytest_here("--collect-only", str(ADOPTERS / name))
    assert done.returncode == 0, done.stdout + done.stderr
    for known in read_known_failures(ADOPTERS / name / "known.toml"):
        assert known.property in LAWS
        assert f"[{known.target}-{known.property}]" in done.stdout


def test_one_command_runs_it_and_a_wrong_name_is_one_line():
    command = [sys.executable, str(ADOPTERS / "run.py"), "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"nobody: no such adopter; there are {', '.join(NAMES)}\n"

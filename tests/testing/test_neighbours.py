"""Beside the plugins that people have: each does its work, and so do the laws."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from tests.support.pytest_runs import run_pytest

# distribution → a test that only its plugin can pass
NEIGHBOURS = {
    "pytest-benchmark": "def test_theirs(benchmark):\n    assert benchmark(abs, -1) == 1\n",
    "pytest-asyncio": (
        "import asyncio, pytest\n@pytest.mark.asyncio\nasync def test_theirs():\n"
        "    await asyncio.sleep(0)\n"
    ),
    "pytest-randomly": (
        "def test_theirs(request):\n"
        "    assert isinstance(request.config.getoption('randomly_seed'), int)\n"
    ),
    "hypothesis": (
        "from hypothesis import given, settings, strategies as st\n@given(st.integers())\n"
        "def test_theirs(n):\n    assert settings.default.max_examples == 100 and n == n\n"
    ),
}
LAWS = """
from torch import nn
from invbench.testing import parametrize_with_properties

class Shift(nn.Module):
    event_shape = (2,)

    def forward(self, x):
        return x + 1, x.new_zeros(len(x))

    def inverse(self, z):
        return z - 1, z.new_zeros(len(z))

@parametrize_with_properties([Shift], properties=["shape", "round-trip-x", "rng-untouched"])
def test_laws(subject, law):
    law(subject)
"""


def test_the_neighbours_are_installed():
    """pip install 'invbench[test]' brings them: without them this file would prove nothing."""
    there = {point.dist.name for point in entry_points(group="pytest11") if point.dist}
    assert {*NEIGHBOURS, "pytest-xdist"} <= there


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["here", "xdist"])
def test_all_of_them_at_once(tmp_path, workers):
    for name, text in NEIGHBOURS.items():
        (tmp_path / f"test_{name.replace('-', '_')}.py").write_text(text)
    (tmp_path / "test_laws.py").write_text(LAWS)
    done = run_pytest(tmp_path, "--strict-markers", *workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(NEIGHBOURS) + 3} passed" in done.stdout, done.stdout


def test_what_is_random_to_pytest_randomly_changes_no_law(tmp_path):
    """Its seed reaches random and numpy; a wrong layer shows the same case under each."""
    (tmp_path / "test_laws.py").write_text(LAWS.replace("z - 1", "z - 2"))
    found = [
        [line for line in done.stdout.splitlines() if "breaks" in line or line.startswith("E")]
        for seed in (1, 2)
        for done in [run_pytest(tmp_path, f"--randomly-seed={seed}")]
    ]
    assert found[0] and sorted(found[0]) == sorted(found[1])

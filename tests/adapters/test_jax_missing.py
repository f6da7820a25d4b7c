"""Without jax: nothing asks for it, and what needs it says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from invbench.extras import install

HIDE = (
    "import sys; sys.modules['jax'] = None; import invbench; from invbench.targets import resolve; "
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr.strip().rpartition("\n")[2]


def test_jax_is_imported_by_nothing_else():
    code = "import sys, invbench, invbench.laws; print('jax' in sys.modules)"
    assert run(code) == "False\n"


@pytest.mark.parametrize(
    "code",
    ["invbench.adapt_jax", "resolve('flowjax/affine', ('layer',))"],
    ids=["adapt", "flowjax"],
)
def test_without_jax_one_line_says_what_to_install(code):
    said = run(HIDE + code)
    assert "UsageError: " in said
    assert install("jax") in said

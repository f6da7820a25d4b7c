"""The pytest plugin and the suites, each in a pytest session of its own; and the decorator for
other people's files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from invbench.errors import UsageError
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.law import CATEGORIES
from invbench.targets import resolve
from invbench.testing import applicable, parametrize_with_properties, violations
from invbench.testing.known_failures import read_known_failures
from tests.support.examples import TANH_AFFINE
from tests.support.pytest_runs import SUITES, run_pytest

BROKEN = TANH_AFFINE.replace("(-log_s).exp()", "log_s.exp()").replace("tanh-affine", "broken")


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_suite_tests_a_users_own_coupling(file, tmp_path):
    mine = file(TANH_AFFINE, "my.py")
    done = run_pytest(
        tmp_path, SUITES / "test_couplings.py", "--coupling", mine, "--budget", "smoke",
        "-k", "tanh-affine", "-vv",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    target = resolve(str(mine))
    asked = {name for severity in CATEGORIES for name in applicable(target, severity)}
    assert set(re.findall(r"\[tanh-affine-([\w-]+)\] (?:PASSED|XFAIL)", done.stdout)) == asked
    assert "design: tail slopes differ" in done.stdout


def test_suite_fails_on_a_broken_coupling_and_keeps_the_violation(file, tmp_path, monkeypatch):
    mine = file(BROKEN, "my.py")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = run_pytest(
        tmp_path, SUITES / "test_couplings.py", "--coupling", mine, "--property", "round-trip-x", "-k", "broken",
        "--budget", "smoke", "--results", tmp_path / "kept",
    )  # fmt: skip
    assert done.returncode == 1 and "1 failed" in done.stdout
    assert "broken breaks round-trip-x (defect)" in done.stdout
    rows = (tmp_path / "kept" / "violations" / "all.jsonl").read_text().splitlines()
    last = json.loads(rows[-1])  # the recipe that Hypothesis shrank to
    assert {(row["target"], row["property"]) for row in map(json.loads, rows)} == {
        ("broken", "round-trip-x")
    }
    again = violations(
        resolve(str(mine)), "round-trip-x", "float32", "cpu", InputRecipe(**last["recipe"])
    )
    assert again[0].kind == "defect" and again[0].message == last["message"]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert "broken breaks round-trip-x (defect)" in line and "%0Arecipe: InputRecipe(" in line
    (folder,) = (tmp_path / "kept" / "counterexamples").iterdir()
    assert f"invbench replay {folder}" in done.stdout


@pytest.mark.slow(reason="11 s: three sessions of the suites")
def test_the_suites_draw_the_same_until_a_seed_asks_for_others(file, tmp_path):
    mine = file(BROKEN, "my.py")
    drawn = []
    for seeds in ((), ("--seed", "0"), ("--seed", "today")):
        run_pytest(
            tmp_path, SUITES / "test_couplings.py", "--coupling", mine, "--property", "round-trip-x",
            "-k", "broken", "--budget", "smoke", "--results", tmp_path / f"kept{len(drawn)}", *seeds,
        )  # fmt: skip
        drawn.append((tmp_path / f"kept{len(drawn)}" / "violations" / "all.jsonl").read_text())
    assert drawn[0] == drawn[1] != drawn[2]


KNOWN = """
[[known]]
target = "broken"
property = "round-trip-x"
reason = "its inverse multiplies"
recipe = {{ pattern = "{pattern}", rows = 64 }}
"""


@pytest.mark.parametrize(
    ("pattern", "code", "text"), [("normal", 0, "1 xfailed"), ("zeros", 1, "stale entry")]
)
def test_a_known_failure_is_replayed_and_a_stale_one_is_an_error(
    file, tmp_path, pattern, code, text
):
    """Zeros come back as zeros whatever the inverse multiplies with, if the shift is zero too:
    there the entry is stale."""
    mine = file(BROKEN, "my.py")
    listed = file(KNOWN.format(pattern=pattern), "known.toml")
    if pattern == "zeros":
        listed.write_text(
            listed.read_text().replace("rows = 64", 'rows = 64, cond_pattern = "zeros"')
        )
    done = run_pytest(
        tmp_path, SUITES / "test_couplings.py", "--coupling", mine, "--property", "round-trip-x", "--xfails", listed,
        "-k", "broken",
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    assert text in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--coupling", "afine"), "did you mean 'affine'"),
        (("--coupling", "nowhere.py"), "no such file"),
        (("--property", "nope"), "no such law"),
        (("--xfails", "nowhere.toml"), "no such file of known failures"),
    ],
)
def test_wrong_usage_ends_the_session_with_one_line(tmp_path, arguments, text):
    done = run_pytest(tmp_path, SUITES / "test_couplings.py", *arguments)
    assert done.returncode in (2, 4)
    assert text in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_three_lines_put_the_laws_into_anyones_test_file(file, tmp_path):
    file(TANH_AFFINE, "my_flows.py")
    file(
        "import sys; sys.path.insert(0, '.')\n"
        "from my_flows import TanhAffine\n"
        "from invbench.testing import parametrize_with_properties\n"
        "@parametrize_with_properties([TanhAffine, 'actnorm'], properties=['round-trip-x', "
        "'monotone', 'finite'])\n"
        "def test_invertible(subject, law):\n"
        "    law(subject)\n",
        "test_mine.py",
    )
    done = run_pytest(tmp_path, "test_mine.py", "-vv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tanh-affine-monotone" in done.stdout
    assert "actnorm-round-trip-x" in done.stdout
    assert "actnorm-monotone" not in done.stdout
    assert "5 passed" in done.stdout


def test_the_options_reach_the_tests_of_the_decorator(file, tmp_path):
    file(BROKEN, "my_flows.py")
    file(
        "import sys; sys.path.insert(0, '.')\n"
        "from invbench.testing import parametrize_with_properties\n"
        "@parametrize_with_properties(['my_flows.py'])\n"
        "def test_invertible(subject, law):\n"
        "    law(subject)\n",
        "test_mine.py",
    )
    one = (
        "test_mine.py", "--invbench-property", "round-trip-x", "--strict-markers", "-m", "invbench_soundness",
    )  # fmt: skip
    done = run_pytest(tmp_path, *one, "--invbench-results", "kept", "--invbench-dtype", "float64")
    assert done.returncode == 1 and "1 failed" in done.stdout and "deselected" in done.stdout
    assert "invbench replay kept/counterexamples/broken-round-trip-x-" in done.stdout
    assert "--target my_flows.py" in done.stdout
    record = next((tmp_path / "kept/counterexamples").glob("*/case.json")).read_text()
    assert '"dtype": "float64"' in record
    listed = file(KNOWN.format(pattern="normal"), "known.toml")
    done = run_pytest(tmp_path, *one, "--invbench-xfails", listed)
    assert done.returncode == 0 and "1 xfailed" in done.stdout
    listed.write_text(listed.read_text().replace("round-trip-x", "monotone"))
    mine = ("test_mine.py", "--invbench-property")
    done = run_pytest(tmp_path, *mine, "monotone", "--invbench-xfails", listed)
    assert done.returncode == 1 and "XPASS(strict)" in done.stdout
    assert "no such law" in run_pytest(tmp_path, *mine, "nope").stderr


def test_unknown_targets_and_properties_of_the_decorator_are_named():
    with pytest.raises(UsageError, match="did you mean 'affine'"):
        parametrize_with_properties(["afine"])
    with pytest.raises(UsageError, match="property 'nope'"):
        parametrize_with_properties(["affine"], properties=["nope"])


WHOLE = '[[known]]\ntarget = "a"\nproperty = "p"\nreason = "r"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[known]\n", "not a readable TOML"),
        ('[[known]]\ntarget = "a"\n', "number 1: property: is missing"),
        ("known = [3]\n", r"number 1: not a table; write \[\[known\]\]"),
        ("known = 3\n", r"known is not a list of tables; write \[\[known\]\]"),
        (WHOLE + "recipes = {}\n", "number 1: recipes: no such field; there are target, property"),
        (WHOLE.replace('"r"', "3"), "number 1: reason: must be a text"),
        (WHOLE + 'recipe = "x"\n', "number 1: recipe: must be a table"),
        (WHOLE + WHOLE.replace("target", "tarjet"), "number 2: target: is missing"),
        (None, "no such file"),
    ],
)
def test_a_bad_file_of_known_failures_is_named(tmp_path, text, message):
    path = tmp_path / "known.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_known_failures(path)

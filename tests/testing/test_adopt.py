"""docs/adopt.md: each form as it stands there is a file, the files pass, and the workflow runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import invbench
from invbench.testing.options import OPTIONS
from tests.support.warm_python import run_module

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = DOCS / "adopters" / "examples"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The examples in a folder of their own."""
    shutil.copytree(EXAMPLES, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "project"


def shell(project: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as it stands in the docs."""
    module, *arguments = shlex.split(re.sub("^pytest ", "pytest -p no:cacheprovider ", command))
    path = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
    own = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return run_module(project, module, *arguments, environment=own)


def test_each_form_in_the_page_is_the_file_that_it_names():
    page = (DOCS / "adopt.md").read_text()
    shown = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```\n", page, re.DOTALL))
    assert set(shown) == {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {
        "my_flows.py"
    }
    assert all(text == (EXAMPLES / name).read_text() for name, text in shown.items())
    named = set(re.findall(r"--invbench-(\w+)`, `invbench_\1", page))
    assert named | {"coupling", "layer", "flow"} == set(OPTIONS)


@pytest.mark.slow(reason="10 s: a session of every file of the page")
def test_the_files_of_the_page_pass(project):
    done = shell(project, "pytest -q -rx")
    assert done.returncode == 0, done.stdout + done.stderr
    for file in ("test_beside.py", "test_list.py"):  # expected beside the test, and in known.toml
        assert f"XFAIL {file}::test_invertible[Double-double-precision] - its log 2" in done.stdout
    assert "2 xfailed" in done.stdout
    assert "skipped" not in done.stdout and "warning" not in done.stdout


def test_the_workflow_of_the_page_runs(project):
    """Its two commands, on the package of the page: the tests pass, and so does the baseline."""
    lines = re.findall(
        r"- run: ((?:pytest|invbench) .*)", (DOCS / "adopters/nightly.yml").read_text()
    )
    assert len(lines) == 2
    (project / "tests").mkdir()
    (project / "test_one_line.py").rename(project / "tests" / "test_invertible.py")
    quick = lines[0].replace("--invbench-budget default", "--invbench-budget smoke")
    done = shell(project, quick, GITHUB_ACTIONS="true")
    assert done.returncode == 0 and "::error" not in done.stdout, done.stdout + done.stderr
    assert (project / "invertible.xml").is_file()
    before = invbench.check(f"{project}/my_flows.py:Double", properties=["double-precision"])
    (project / "baseline.json").write_text(json.dumps(before.as_dict()))
    done = shell(project, f"{lines[1]} --property double-precision", GITHUB_ACTIONS="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in the baseline already: Double breaks double-precision" in done.stderr
    assert "::error" not in done.stderr
    assert list((project / "counterexamples").glob("**/snippet.py"))


def test_a_project_beside_the_page_gets_its_file_from_init(project):
    """``invbench init`` on the page's own package; what it wrote passes."""
    (project / "my_flows").mkdir()
    (project / "my_flows.py").rename(project / "my_flows" / "__init__.py")
    (project / "tests").mkdir()
    done = shell(project, "invbench init --yes")
    assert done.returncode == 0, done.stderr
    text = (project / "tests" / "test_invertible.py").read_text()
    assert (
        '    Layer("my_flows:Double"),\n    # Layer("my_flows:Quadratic", event_shape=…),' in text
    )
    assert '    # Layer("my_flows:Scale(dim=…)"),  # needs dim\n' in text
    done = shell(project, "pytest -q tests --invbench-xfails known.toml")
    assert done.returncode == 0 and "1 xfailed" in done.stdout, done.stdout

"""The plugin takes no name that another project may want, and its own suites keep the short ones."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from invbench.testing.options import OPTIONS
from tests.support.pytest_runs import SUITES, run_pytest, run_pytest_afresh
from tests.support.warm_python import run_module

ROOT = SUITES.parent
CONFTEST = "def pytest_addoption(parser):\n" + "".join(
    f"    parser.addoption('--{name}', default='theirs')\n    parser.addini('{name}', 'theirs')\n"
    for name in OPTIONS
)
THEIRS = """
import pytest

@pytest.fixture
def dtype(request):
    return request.config.getoption("dtype")

def test_theirs(request, dtype):
    assert dtype == "float9"
    assert request.config.getoption("--budget") == "theirs"
"""
ONE = "affine-shape"  # one quick test of the suites


def collected(folder: Path, *arguments: object, **environment: str) -> str:
    """What a session that collects prints, with its exit code."""
    command = ("pytest", "-p", "no:cacheprovider", "--co", "-q", *arguments)
    done = run_module(folder, *command, environment=environment)
    return f"{done.stdout}{done.stderr}\nexit {done.returncode}"


def test_a_conftest_may_take_each_of_the_bare_names(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_theirs.py").write_text(THEIRS)
    done = run_pytest(tmp_path, "--dtype", "float9", "--strict-markers")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_session_without_our_tests_imports_nothing_heavy(tmp_path):
    """torch is not there, nor what comes with it: the plugin waits until somebody asks."""
    heavy = "torch numpy scipy pandas pydantic sklearn hypothesis.core typer rich ray"
    (tmp_path / "test_theirs.py").write_text(
        "import sys\ndef test_light():\n"
        f"    assert not [name for name in {heavy.split()!r} if name in sys.modules]\n"
    )
    # Hypothesis' own plugin imports Hypothesis when it is asked for, not before
    # pytest-randomly imports numpy by itself, to seed it
    done = run_pytest_afresh(tmp_path, "-p", "no:randomly", "test_theirs.py")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_files_that_every_session_imports_need_pytest_only():
    """Read from the source, so that it holds wherever invbench/__init__ stands."""
    import ast

    known = {*sys.stdlib_module_names, "pytest", "invbench"}
    own = {"plugin", "options", "seed"}
    for name in (*own, "annotations", "requirements", "layer", "__init__"):
        tree = ast.parse((ROOT / "invbench" / "testing" / f"{name}.py").read_text())
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        named = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in imports
        }
        assert {module.partition(".")[0] for module in named} <= known, name
        ours = {module.rpartition(".")[2] for module in named if module.startswith("invbench")}
        assert ours <= own, name


@pytest.mark.parametrize("how", ["folder", "file", "inside", "rootdir elsewhere"])
def test_the_short_names_work_in_the_suites(tmp_path, how):
    where = {
        "folder": (ROOT, "suites"),
        "file": (tmp_path, SUITES / "test_couplings.py"),
        "inside": (SUITES, "test_couplings.py"),
        "rootdir elsewhere": (tmp_path, f"--rootdir={tmp_path}", SUITES),
    }[how]
    said = collected(*where, "--budget", "smoke", "--dtype=float64", "--property", "shape")
    assert "exit 0" in said and ONE in said, said
    assert "-round-trip-x" not in said


def test_a_target_beside_the_suites_does_not_hide_the_short_names(tmp_path):
    """pytest takes the file after an option that it does not know yet for a place to test."""
    mine = tmp_path / "my.py"
    mine.write_text((ROOT / "tests" / "support" / "examples.py").read_text().split("'''")[1])
    for folder, *place in ((SUITES,), (ROOT, "suites")):
        said = collected(folder, *place, "--coupling", mine, "--property", "shape")
        assert "tanh-affine-shape" in said, said


def test_the_suites_beside_a_conftest_that_took_a_short_name(tmp_path):
    """The name stays theirs; the long one is there."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_theirs.py").write_text("def test_theirs():\n    pass\n")
    said = collected(
        tmp_path, SUITES / "test_couplings.py", "test_theirs.py", f"--rootdir={tmp_path}",
        "--budget", "huge", "--invbench-property", "shape",
    )  # fmt: skip
    assert ONE in said and "test_theirs.py::test_theirs" in said, said


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages as a wheel fills it: the suites lie inside invbench."""
    folder = tmp_path_factory.mktemp("site")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "invbench", folder / "invbench", ignore=ignored)
    shutil.copytree(SUITES, folder / "invbench" / "suites", ignore=ignored)
    return folder


def before(site: Path) -> str:
    """PYTHONPATH with these packages in front."""
    return os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))


@pytest.mark.parametrize("name", ["invbench.suites", "invbench.suites.test_couplings"])
def test_the_short_names_work_in_the_installed_suites(site, tmp_path, name):
    said = collected(
        tmp_path,
        "--pyargs",
        name,
        "--budget",
        "smoke",
        "--property",
        "shape",
        PYTHONPATH=before(site),
    )
    assert "exit 0" in said and ONE in said, said


def test_the_short_names_reach_the_workers_of_xdist(site, tmp_path):
    """A wrong dtype is what a worker, not the controller, complains about."""
    done = run_module(
        tmp_path, "pytest", "-p", "no:cacheprovider", "-q", "-n", "1", "-k", ONE, "--pyargs",
        "invbench.suites.test_couplings", "--property", "shape", "--dtype", "int8",
        environment={"PYTHONPATH": before(site)},
    )  # fmt: skip
    assert "UsageError: dtype 'int8'" in done.stdout, done.stdout + done.stderr


def test_nobody_else_has_the_short_names(tmp_path):
    (tmp_path / "test_theirs.py").write_text("def test_theirs():\n    pass\n")
    said = collected(tmp_path, "--budget", "smoke")
    assert "unrecognized arguments: --budget" in said


LAYER = """
from torch import nn
from invbench.testing import parametrize_with_properties

class Double(nn.Module):
    event_shape = (3,)

    def forward(self, x):
        return 2 * x, x.new_full((len(x),), 3 * 0.6931471805599453)

    def inverse(self, z):
        return z / 2, z.new_full((len(z),), {log_det})

@parametrize_with_properties([Double])
def test_invertible(subject, law):
    law(subject)
"""


def test_an_ini_file_says_the_same(tmp_path):
    (tmp_path / "test_mine.py").write_text(LAYER.format(log_det="-3 * 0.6931471805599453"))
    (tmp_path / "nested").mkdir()
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\ninvbench_property =\n    shape\n    inverse-log-det\ninvbench_seed = today\n"
        "invbench_dtype = float64\ninvbench_xfails = known.toml\n"
    )
    (tmp_path / "known.toml").write_text(
        "[[known]]\ntarget='Double'\nproperty='shape'\nreason='not so'\n"
    )
    done = run_pytest(tmp_path / "nested", "..", "-vv")
    assert "1 passed" in done.stdout and "XPASS(strict)" in done.stdout, done.stdout + done.stderr
    assert "it holds now: take the expected failure of 'shape' out" in done.stdout
    assert "dtype float64" in done.stdout and "seed 20" in done.stdout
    (tmp_path / "pytest.ini").write_text("[pytest]\ninvbench_budget = vast\n")
    done = run_pytest(tmp_path)
    assert done.returncode == 4
    assert "invbench_budget" in done.stderr and "'vast' is not one of smoke" in done.stderr


@pytest.mark.parametrize("seed", ["tomorrow", "-1", "1e3"])
def test_a_seed_that_is_none_is_named(tmp_path, seed):
    (tmp_path / "test_mine.py").write_text("def test_it():\n    pass\n")
    done = run_pytest(tmp_path, f"--invbench-seed={seed}")
    assert done.returncode == 4 and done.stderr.count("\n") <= 2, done.stderr
    assert f"seed '{seed}' is neither a number" in done.stderr

"""The forms for adopters: a list of layers, a family, expected failures, and what is wrong in one
line."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from torch import nn

from invbench.declaration import Declaration
from invbench.errors import UsageError
from invbench.testing import Layer, LayerLaws, parametrize_with_properties
from invbench.testing.annotations import error_line
from invbench.testing.layer import DECLARED
from invbench.testing.requirements import missing
from tests.support.pytest_runs import run_pytest, run_pytest_afresh


class Scale(nn.Module):
    """z = k x, with the log-det of a factor ``said``."""

    def __init__(self, k: float = 2.0, said: float | None = None, dim: int = 3) -> None:
        super().__init__()
        self.dim, self.k = dim, k
        self.log_det = dim * torch.tensor(said or k, dtype=torch.float64).log().item()

    def forward(self, x):
        return self.k * x, x.new_full((len(x),), self.log_det)

    def inverse(self, z):
        return z / self.k, z.new_full((len(z),), -self.log_det)


def parameters(mark: pytest.MarkDecorator) -> dict[str, object]:
    """id → the parameter of ``parametrize_with_properties``."""
    return {param.id: param for param in mark.mark.args[1]}


def test_a_layer_may_declare_what_a_declaration_has():
    assert sorted(DECLARED) == sorted(f.name for f in fields(Declaration))


def test_the_forms_of_a_layer_and_their_names():
    layers = [Scale, Layer(Scale(3.0), name="three"), Layer("actnorm", name="norm")]
    made = parameters(parametrize_with_properties(layers, properties=["shape"]))
    assert list(made) == ["Scale-shape", "three-shape", "norm-shape"]
    assert {m.name for m in made["three-shape"].marks} == {"invbench", "invbench_soundness"}
    for param in made.values():
        subject, law = param.values
        law(subject)


def test_what_is_declared_reaches_the_laws():
    """exp maps onto the positive numbers, not onto the unit interval."""

    class Exp(nn.Module):
        event_shape = (2,)

        def forward(self, x):
            return x.exp(), x.sum(-1)

        def inverse(self, z):
            return z.log(), -z.log().sum(-1)

    right = Layer(Exp(), name="right", codomain="positive", data_range=3.0)
    wrong = Layer(Exp(), name="wrong", codomain="unit_interval", data_range=3.0)
    made = parameters(parametrize_with_properties([right, wrong], properties=["spaces"]))
    subject, law = made["right-spaces"].values
    law(subject)
    subject, law = made["wrong-spaces"].values
    with pytest.raises(
        pytest.fail.Exception, match="declared codomain='unit_interval', and forwar"
    ):
        law(subject)


def test_an_expected_failure_of_another_category_is_asked_too():
    known = {"log-det": "wrong on purpose", "half-supported": "no bf16 kernel"}
    made = parameters(parametrize_with_properties([Layer(Scale(2.0, 3.0), expected=known)]))
    marked = {
        name: next(m for m in param.marks if m.name == "xfail").kwargs
        for name, param in made.items()
        if any(m.name == "xfail" for m in param.marks)
    }
    assert set(marked) == {"Scale-log-det", "Scale-half-supported"}
    assert marked["Scale-log-det"] == {
        "reason": "wrong on purpose", "raises": AssertionError, "strict": True,
    }  # fmt: skip
    assert "invbench_capability" in {m.name for m in made["Scale-half-supported"].marks}
    subject, law = made["Scale-log-det"].values
    with pytest.raises(AssertionError, match=r"Scale breaks log-det \(defect\)") as caught:
        law(subject)
    assert "smallest case: 1 row" in caught.value.invbench_case
    assert "::test_an_expected_failure_of_another_category_is_asked_too" in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([3], "'int' is int, no layer"),
        ([nn.Identity()], "no event shape|has no"),
        ([Scale, Scale], "2 layers are called 'Scale'; say name="),
        ([Layer(Scale, expected={"round-trip": "x"})], "property 'round-trip' is not known"),
        ([Layer(Scale, domain="unit_intervall")], "did you mean 'unit_interval'"),
        ([Layer(Scale, tolerance=3)], "tolerance=3: a number between 0 and 1"),
        ([Layer("affine", event_shape=(3,))], "elementwise and takes any shape"),
    ],
)
def test_what_is_wrong_in_a_list_is_a_usage_error_and_one_line_of_pytest(layers, message):
    with pytest.raises(UsageError, match=message) as caught:
        parametrize_with_properties(layers)
    assert isinstance(caught.value, pytest.Collector.CollectError)
    assert "\n" not in str(caught.value)


class NeedsGpu(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.ones(3, device="cuda"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_layer_that_needs_a_gpu_says_so():
    for layer in (NeedsGpu, lambda: NeedsGpu(), Layer(NeedsGpu, event_shape=(3,))):
        with pytest.raises(UsageError, match=r"needs a GPU, and torch has none here: check it on"):
            parametrize_with_properties([layer])


def test_what_is_missing_is_said_with_the_command_that_installs_it():
    assert missing("8.0.0", "torch") is None
    assert missing("7.4.4") == "pytest 8 or later, this is 7.4.4: pip install 'pytest>=8'"
    assert missing("9.1", "no_such_module") == (
        "no_such_module, which is not installed: pip install no_such_module"
    )


def test_suites_without_hypothesis_are_one_line(tmp_path):
    (tmp_path / "block.py").write_text("import sys\nsys.modules['hypothesis'] = None\n")
    suites = Path(__file__).parents[2] / "suites"
    done = run_pytest_afresh(
        tmp_path, "-p", "no:hypothesispytest", "-p", "block", suites / "test_layers.py"
    )
    assert done.returncode == 4, done.stdout + done.stderr
    text = "the suites need hypothesis, which is not installed: pip install hypothesis"
    assert text in done.stderr and "Traceback" not in done.stderr


def test_installed_suites_without_hypothesis_are_one_line(tmp_path):
    package = tmp_path / "site" / "installed"
    package.mkdir(parents=True)
    for name in ("__init__.py", "conftest.py", "test_layers.py"):
        shutil.copy(Path(__file__).parents[2] / "suites" / name, package)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = site\n")
    (tmp_path / "block.py").write_text("import sys\nsys.modules['hypothesis'] = None\n")
    blocked = ("-p", "no:hypothesispytest", "-p", "block")
    done = run_pytest_afresh(tmp_path, *blocked, "--pyargs", "installed")
    text = "the suites need hypothesis, which is not installed: pip install hypothesis"
    said = done.stdout + done.stderr
    assert text in said and "Traceback" not in said and "INTERNALERROR" not in said, said
    assert done.returncode in (2, 4)


def test_the_decorator_needs_no_hypothesis(tmp_path):
    (tmp_path / "block.py").write_text("import sys\nsys.modules['hypothesis'] = None\n")
    (tmp_path / "test_mine.py").write_text(
        "from invbench.testing import parametrize_with_properties\n"
        "@parametrize_with_properties(['affine'], properties=['shape'])\n"
        "def test_it(subject, law):\n    law(subject)\n"
    )
    done = run_pytest_afresh(tmp_path, "-p", "no:hypothesispytest", "-p", "block")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


FAMILY = """
from torch import nn
from invbench.testing import Layer, LayerLaws

class Scale(nn.Module):
    def __init__(self, log_det):
        super().__init__()
        self.log_det = log_det

    def forward(self, x):
        return 2 * x, x.new_full((len(x),), self.log_det)

    def inverse(self, z):
        return z / 2, z.new_full((len(z),), -self.log_det)

class TestScales(LayerLaws):
    event_shape = (2,)
    properties = ("shape", "log-det", "dtype")
    expected = {"dtype": "stale"}

    def layers(self):
        right = 2 * 0.6931471805599453
        return [Layer(Scale(right), name="right", expected={}), Layer(Scale(1.0), name="wrong")]

class TestOne(LayerLaws):
    event_shape = (2,)
    properties = ("shape",)

    def make(self, seed):
        return Scale(2 * 0.6931471805599453)

class TestAlone:
    def test_alone(self):
        pass
"""


def test_a_family_its_junit_and_its_annotations(tmp_path, monkeypatch):
    """One wrong layer: its log-det fails, with the smallest case in every place."""
    (tmp_path / "test_family.py").write_text(FAMILY)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path.parent))
    for workers in ((), ("-n", "1")):
        done = run_pytest(tmp_path, "--junitxml=out.xml", "--strict-markers", "-vv", *workers)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "3 failed, 5 passed" in done.stdout, done.stdout
        assert "TestOne::test_law[One-shape]" in done.stdout
        assert "LayerLaws" not in done.stdout  # the base is no test
        assert done.stdout.count("it holds now: take the expected failure of 'dtype' out") >= 2
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("::error")]
        name = tmp_path.name
        assert line.startswith(f"::error file={name}/test_family.py,line="), line
        assert "wrong breaks log-det (defect)" in line and "%0Asmallest case: 1 row" in line
        (failed,) = [
            case
            for case in ET.parse(tmp_path / "out.xml").iter("testcase")
            if case.get("name") == "test_law[wrong-log-det]"
        ]
        (case,) = [
            p.get("value") for p in failed.iter("property") if p.get("name") == "invbench_case"
        ]
        assert "smallest case: 1 row" in str(case)
        assert "again: pytest 'test_family.py::TestScales::test_law[wrong-log-det]'" in str(case)


def test_a_family_says_what_is_wrong_with_it():
    def wrong(**attributes: object) -> str:
        family = type("TestMine", (LayerLaws,), attributes)()
        with pytest.raises(UsageError) as caught:
            family.pytest_generate_tests(_Metafunc())
        assert isinstance(caught.value, pytest.Collector.CollectError)
        return str(caught.value)

    assert wrong() == "TestMine: define layers(), or make(self, seed)"
    assert "TestMine.tolerence declares nothing; did you mean 'tolerance'?" in wrong(tolerence=1e-3)
    assert "did you mean 'affine'" in wrong(
        data=3, shape=(2,), dim=1, layers=lambda self: ["afine"]
    )


class _Metafunc:
    fixturenames = ("subject", "law")
    parametrize = None  # never called


def test_a_line_of_github_is_one_line_whatever_is_in_it():
    line = error_line("a: b, c", "100 %\nof\r\nit", "x/y.py", 3)
    assert line == "::error file=x/y.py,line=3,title=a%3A b%2C c::100 %25%0Aof%0D%0Ait"
    assert error_line("t", "m") == "::error title=t::m"

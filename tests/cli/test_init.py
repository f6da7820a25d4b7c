"""``invbench init``: what it finds in a package, what it asks, what it writes, and what it leaves."""

from __future__ import annotations

import itertools
import json
import sys

import pytest

from invbench.testing.candidates import candidates

NUMBER = itertools.count()
LAYERS = '''
import abc
import torch
from torch import nn
from torch.distributions import Transform, constraints


class Network(nn.Module):
    def forward(self, x):
        return x


class Shift(nn.Module):
    """z = x + 1."""

    event_shape = (3,)

    def forward(self, x):
        return x + 1, x.new_zeros(len(x))

    def inverse(self, z):
        return z - 1, z.new_zeros(len(z))


class _Private(Shift):
    pass


class Abstract(Shift, abc.ABC):
    @abc.abstractmethod
    def scale(self): ...


class Wide(Shift):
    def __init__(self, width):
        super().__init__()
        self.event_shape = (width,)


class Shapeless(nn.Module):
    def forward(self, x, reverse=False):
        return (x - 1 if reverse else x + 1), x.new_zeros(len(x))


class Triple(Transform):
    domain = codomain = constraints.real
    bijective = True

    def _call(self, x):
        return 3 * x

    def _inverse(self, y):
        return y / 3

    def log_abs_det_jacobian(self, x, y):
        return torch.full_like(x, 3.0).log()
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A project with a package of these files, which no other test has imported."""
    name = f"init_flows_{next(NUMBER)}"

    def write(layers: str = LAYERS, **files: str) -> str:
        folder = tmp_path / "src" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        for file, text in {"layers": layers, **files}.items():
            (folder / f"{file}.py").write_text(text)
        (tmp_path / "tests").mkdir()
        return name

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield write
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def test_the_bijections_of_a_package_are_found_and_nothing_else(package, monkeypatch, tmp_path):
    name = package(broken="import nothing_like_it", __main__="raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path / "src")
    found, problems = candidates(name)
    assert {c.spec.rpartition(":")[2]: (c.needs, c.shapeless, bool(c.problem)) for c in found} == {
        "Shapeless": ((), True, True),
        "Shift": ((), False, False),
        "Triple": ((), False, False),
        "Wide": (("width",), False, True),
    }
    assert [c.summary for c in found if c.spec.endswith("Shift")] == ["z = x + 1."]
    (problem,) = problems
    assert problem.startswith(f"{name}.broken cannot be imported (ModuleNotFoundError")


def test_without_questions_it_takes_what_can_be_built(invbench, package, tmp_path):
    name = package()
    code, out, error = invbench("init", "--yes", "--json")
    assert code == 0, error
    document = json.loads(out)
    assert document["layers"] == 2 and len(document["left_out"]) == 2
    text = (tmp_path / "tests" / "test_invertible.py").read_text()
    block = text.partition("LAYERS = [\n")[2].partition("]\n")[0]
    assert block.splitlines() == [
        f'    Layer("{name}.layers:Shift"),',
        f'    Layer("{name}.layers:Triple"),',
        f'    # Layer("{name}.layers:Shapeless", event_shape=…),  # needs the shape of one x',
        f'    # Layer("{name}.layers:Wide(width=…)"),  # needs width',
    ]
    compile(text, "test_invertible.py", "exec")


def test_it_asks_on_a_terminal_and_asks_again_after_a_wrong_answer(
    invbench, package, tmp_path, monkeypatch
):
    name = package()
    asked: list[str] = []
    answers = iter(["3,no", "4", False, True, "width='a'", "width=2"])

    def answer(question: str, **_: object) -> object:
        asked.append(question)
        return next(answers)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", answer)
    monkeypatch.setattr("typer.confirm", answer)
    code, _, error = invbench("init")
    assert code == 0, error
    text = (tmp_path / "tests" / "test_invertible.py").read_text()
    assert f'    Layer("{name}.layers:Shapeless", event_shape=(4,)),\n' in text
    assert f'    Layer("{name}.layers:Wide(width=2)"),\n' in text
    assert "Shift" not in text and ":Triple" in text
    assert len(asked) == 6 and "event shape 3,no: a shape without the batch" in error
    assert f"{name}.layers:Shift (z = x + 1.): test it?" in asked


def test_it_never_overwrites(invbench, package, tmp_path):
    package()
    file = tmp_path / "tests" / "test_invertible.py"
    file.write_text("mine")
    code, out, error = invbench("init", "--yes")
    assert (code, out, error.count("\n")) == (2, "", 1) and "stays as it is" in error
    assert file.read_text() == "mine"
    assert invbench("init", "--yes", "-o", tmp_path / "other.py")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "layers", "message"),
    [
        ((), LAYERS, "without a terminal say --yes"),
        (("--module", "no_such_package"), LAYERS, "cannot import no_such_package"),
        (("--yes",), "x = 1", "has nothing that goes both ways"),
        (("--yes",), LAYERS.partition("class Shift")[0], "has nothing that goes both ways"),
        (
            ("--yes",),
            "from torch import nn\nclass A(nn.Module):\n    def __init__(self, dim): super().__init__()\n"
            "    def forward(self, x): return x\n    def inverse(self, z): return z\n",
            "nothing in",
        ),
    ],
    ids=["no terminal", "no package", "nothing", "one way", "arguments"],
)
def test_what_it_cannot_do_is_one_line(invbench, package, tmp_path, arguments, layers, message):
    package(layers)
    code, out, error = invbench("init", *arguments)
    assert (code, out, error.count("\n")) == (2, "", 1), error
    assert message in error
    assert list((tmp_path / "tests").iterdir()) == []


def test_of_no_package_or_several_it_asks_which(invbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "has no package in it" in invbench("init", "--yes")[2]
    for name in ("one", "two", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    assert "which of one, two? Say it: invbench init --module one" in invbench("init", "--yes")[2]

"""The one-line check: anything that can be named, without a factory; declarations on the command
line."""

from __future__ import annotations

import json

import pytest
import torch

from invbench.cli.declare import condition_of, range_of, shape_of
from invbench.errors import UsageError
from invbench.targets import resolve, resolve_all

pytestmark = pytest.mark.usefixtures("own_registries")

BOTH = ("coupling", "layer", "distribution")
SOURCE = '''
import torch
from torch import nn
from torch.distributions import Normal, Transform, constraints
from torch.distributions.transforms import SigmoidTransform, StickBreakingTransform


class Scale(nn.Module):
    """z = e·x."""

    def __init__(self, gain=1.0):
        super().__init__()
        self.s = nn.Parameter(torch.tensor(gain))

    def forward(self, x):
        return x * self.s.exp(), self.s * x[0].numel()

    def inverse(self, z):
        return z * (-self.s).exp(), -self.s * z[0].numel()


class Wrong(Scale):
    def inverse(self, z):
        return z * (-self.s).exp(), self.s * z[0].numel()


class Sized(Scale):
    def __init__(self, dim=5):
        super().__init__()
        self.features = dim


class Needs(Scale):
    def __init__(self, width):
        super().__init__()
        self.dim = width


class Images(Scale):
    def __init__(self, channels=3):
        super().__init__()
        self.net = nn.Conv2d(channels, channels, 1)


class Conditional(nn.Module):
    def __init__(self, dim=3, context_features=2):
        super().__init__()
        self.dim, self.net = dim, nn.Linear(context_features, dim)

    def forward(self, x, context=None):
        s = self.net(context)
        return x * s.exp(), s.sum(1)

    def inverse(self, z, context=None):
        s = self.net(context)
        return z * (-s).exp(), -s.sum(1)


class Exp(Transform):
    domain, codomain, bijective = constraints.real, constraints.positive, True

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class Flow(nn.Module):
    def log_prob(self, x):
        return Normal(0.0, 1.0).log_prob(x).sum(-1)

    def sample(self, n):
        return torch.randn(n, 2)

    def forward(self, x):
        return x, x.new_zeros(len(x))

    inverse = forward


class Nothing(nn.Module):
    pass


def factory():
    return Sized(4)


def seeded(seed, width=2):
    layer = Sized(width)
    nn.init.constant_(layer.s, seed / 1e8)
    return layer


instance = Sized(3)
logit = SigmoidTransform().inv
sticks = StickBreakingTransform()
normal = Normal(torch.zeros(2), torch.ones(2))
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "event_shape"),
    [
        ("Sized", "layer", (5,)),
        ("Sized(dim=7)", "layer", (7,)),
        ("Needs(width=2)", "layer", (2,)),
        ("Images", "layer", (3, 4, 4)),
        ("factory", "layer", (4,)),
        ("seeded", "layer", (2,)),
        ("instance", "layer", (3,)),
        ("Exp", "layer", (4,)),
        ("logit", "layer", (4,)),
        ("sticks", "layer", (4,)),
        ("Flow", "distribution", None),
        ("normal", "distribution", None),
    ],
)
def test_whatever_is_named_is_built_and_its_shape_is_found(file, name, kind, event_shape):
    target = resolve(f"{file}:{name}", BOTH)
    assert (target.kind, target.entry.metadata.get("event_shape")) == (kind, event_shape)
    made = target.make(1)
    if kind == "layer":
        assert any(line.startswith(f"event_shape={event_shape}, ") for line in made.guesses)
        assert "mine.py:" in target.entry.origin
        assert target.sources == [file]
    else:
        assert callable(made.log_prob)


def test_a_seed_reaches_a_factory_that_takes_one(file):
    make = resolve(f"{file}:seeded", BOTH).make
    assert make(10**8).module.s.item() == 1
    assert make(0).module.s.item() == 0


def test_an_instance_is_copied_each_time(file):
    make = resolve(f"{file}:instance", BOTH).make
    first = make(0)
    with torch.no_grad():
        first.module.s.zero_()
    assert make(0).module.s.item() == 1


def test_a_shape_that_is_declared_is_no_guess_and_changes_the_digest(file):
    target = resolve(f"{file}:Scale", BOTH, {"event_shape": (3, 2)})
    assert target.entry.metadata == {"event_shape": (3, 2), "cond_shape": None}
    assert target.declared == {"event_shape": (3, 2)}
    made = target.make(0)
    assert made.guesses == (
        "log_det of forward is one number for the whole batch: taken for every row",
        "log_det of inverse is one number for the whole batch: taken for every row",
    )
    assert made(torch.ones(2, 3, 2))[1].tolist() == [6, 6]
    assert target.digest != resolve(f"{file}:Scale", BOTH, {"event_shape": (3,)}).digest
    assert target == resolve(f"{file}:Scale", BOTH, {"event_shape": (3, 2)})


def test_the_size_of_a_condition_is_found_too(file):
    target = resolve(f"{file}:Conditional", BOTH)
    assert (target.entry.metadata["event_shape"], target.entry.metadata["cond_shape"]) == (
        (3,),
        (2,),
    )
    assert "the condition goes to 'context'" in target.make(0).guesses


def test_what_a_transform_says_of_itself_is_declared(file):
    logit = resolve(f"{file}:logit", BOTH).entry.metadata
    assert str(logit["domain"]) == "Interval(lower_bound=0.0, upper_bound=1.0)"
    sticks = resolve(f"{file}:sticks", BOTH).entry.metadata
    assert (str(sticks["codomain"]), sticks["latent_shape"]) == ("Simplex()", (5,))
    other = resolve(f"{file}:logit", BOTH, {"domain": "interval(0.1, 0.9)"}).entry.metadata
    assert other["domain"] == "interval(0.1, 0.9)"


def test_a_flow_that_goes_both_ways_is_a_layer_when_that_is_asked_for(file):
    assert resolve(f"{file}:Flow", ("layer",), {"event_shape": (2,)}).kind == "layer"
    assert resolve(f"{file}:Flow", ("distribution",)).kind == "distribution"


def test_declarations_override_those_of_a_registered_layer():
    target = resolve("actnorm", BOTH, {"domain": "positive", "tolerance": None})
    assert target.entry.metadata["domain"] == "positive"
    assert "tolerance" not in target.entry.metadata
    assert "domain" not in resolve("actnorm", BOTH).entry.metadata


@pytest.mark.parametrize(
    ("name", "declared", "message"),
    [
        (
            "Scale",
            {},
            (
                r"has no event shape: say the shape of one x without the batch, as --event-shape "
                r"3,32,32"
            ),
        ),
        ("Needs", {}, r"needs width; write '.*mine.py:Needs\(width=…\)'"),
        ("Needs(breadth=2)", {}, r"needs width"),
        ("Sized(depth=2)", {}, r"does not take \{'depth': 2\}"),
        ("instance(dim=2)", {}, r"is an instance, which takes no options"),
        (
            "Nothing",
            {},
            (
                r"is a Nothing, no coupling or layer or distribution: name a module with forward "
                r"and inverse"
            ),
        ),
        (
            "Sized",
            {"domain": "positiv"},
            r"domain: 'positiv' is no space; did you mean 'positive'",
        ),
        ("Sized", {"inverse": "maybe"}, r"inverse='maybe': one of exact, iterated, sampling, none"),
        (
            "Sized",
            {"cond_shape": (2,)},
            r"forward\(x\) takes no condition, yet cond_shape is declared",
        ),
        ("Images", {"event_shape": 0}, r"event_shape=\(0,\): at least one dimension"),
        ("Absent", {}, r"named 'Absent' there"),
    ],
)
def test_what_cannot_stand_says_what_to_write_in_one_line(file, name, declared, message):
    with pytest.raises(UsageError, match=message) as caught:
        resolve(f"{file}:{name}", BOTH, declared)
    assert "\n" not in str(caught.value)


def test_a_coupling_takes_no_shape():
    with pytest.raises(
        UsageError, match="is elementwise and takes any shape; leave --event-shape out"
    ):
        resolve("affine", BOTH, {"event_shape": (3,)})


def test_a_file_without_a_name_says_what_it_defines(file):
    with pytest.raises(
        UsageError, match=r"or name it: .*mine.py:NAME \(it defines Scale, Wrong, Sized"
    ):
        resolve_all(str(file), BOTH)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("3,32,32", (3, 32, 32)),
        ("3x4", (3, 4)),
        ("(4,)", (4,)),
        ("2;2", ((2,), (2,))),
        ("2,3;4", ((2, 3), (4,))),
    ],
)
def test_shapes_as_they_are_written(text, shape):
    assert shape_of("--event-shape", text) == shape


@pytest.mark.parametrize("text", ["", "a", "0", "-1", "3,;x", "1.5"])
def test_a_wrong_shape_shows_how_it_is_written(text):
    with pytest.raises(UsageError, match="as --event-shape 3,32,32"):
        shape_of("--event-shape", text)


def test_ranges_and_conditions_as_they_are_written():
    assert range_of("--data-range", "-3,3") == (-3, 3)
    assert range_of("--data-range", "10") == 10
    assert condition_of("label(5)") == "label(5)"
    assert condition_of("label(5); positive") == ("label(5)", "positive")
    with pytest.raises(UsageError, match="two numbers"):
        range_of("--data-range", "1,2,3")


def test_the_line_of_the_issue_ends_with_a_verdict(invbench, file):
    line = (
        "check",
        f"{file}:Scale",
        "--event-shape",
        "3,2,2",
        "--budget",
        "smoke",
        "--property",
        "round-trip-x",
    )
    code, out, _ = invbench(*line)
    assert code == 0
    assert "Scale: sound" in out


def test_a_wrong_plain_layer_exits_1_and_names_the_law(invbench, file):
    line = (
        "check",
        f"{file}:Wrong",
        "--event-shape",
        "4",
        "--budget",
        "smoke",
        "--property",
        "inverse-log-det",
    )
    code, out, _ = invbench(*line, "--json")
    report = json.loads(out)
    assert code == 1
    assert [f["property"] for f in report["failures"]] == ["inverse-log-det"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Scale",), "has no event shape"),
        (("Scale", "--event-shape", "a"), "as --event-shape 3,32,32"),
        (
            ("Scale", "--event-shape", "4", "--domain", "unit_intervall"),
            "did you mean 'unit_interval'",
        ),
        (
            ("Scale", "--event-shape", "4", "--training", "maybe"),
            "training='maybe': one of same, differs",
        ),
        (("Scale", "--event-shape", "4", "--property", "nope"), "property 'nope' is not known"),
        (
            ("Scale", "--event-shape", "4", "--as", "flow"),
            "--as flow: one of coupling, layer, distribution",
        ),
    ],
)
def test_wrong_usage_of_the_one_line_is_exit_2(invbench, file, arguments, message):
    code, out, error = invbench("check", f"{file}:{arguments[0]}", *arguments[1:])
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1

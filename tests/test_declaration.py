"""What a layer may declare of itself: names of spaces, values of each declaration, and how a wrong
one is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.distributions import constraints

from invbench.cli.listing import listed
from invbench.declaration import SPACES, Circle, Declaration, declared_by, inside, space, space_name
from invbench.errors import UsageError

WRITTEN = (
    "real",
    "real_vector",
    "positive",
    "nonnegative",
    "unit_interval",
    "interval(-1, 1)",
    "greater_than(6.5)",
    "less_than(-2)",
    "circle(-3.14159, 6.28319)",
    "circle(0, 1)",
    "simplex",
    "lower_cholesky",
    "corr_cholesky",
    "positive_definite",
    "label(5)",
    "integers(-8, 8)",
    "mask",
)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_space_is_named_as_it_is_written(written: str) -> None:
    assert space_name(space(space_name(space(written)))) == space_name(space(written))
    assert space_name(space(written)).startswith(written.partition("(")[0])


def test_every_space_is_among_those_written() -> None:
    assert {written.partition("(")[0] for written in WRITTEN} == set(SPACES)


@pytest.mark.parametrize(
    ("written", "value", "lies"),
    [
        ("interval(-1, 1)", 0.5, True),
        ("interval(-1, 1)", 1.5, False),
        ("greater_than(6.5)", 6.0, False),
        ("greater_than(6.5)", 7.0, True),
        ("less_than(-2)", -3.0, True),
        ("less_than(-2)", -1.0, False),
        ("label(5)", 4.0, True),
        ("label(5)", 5.0, False),
        ("label(5)", 1.5, False),
        ("circle(0, 1)", 0.0, True),
        ("circle(0, 1)", 1.0, False),
        ("mask", 1.0, True),
        ("mask", 0.5, False),
    ],
)
def test_a_space_holds_what_its_name_says(written: str, value: float, lies: bool) -> None:
    assert bool(space(written).check(torch.tensor(value))) is lies


def test_a_constraint_is_its_own_space() -> None:
    assert space(constraints.simplex) is constraints.simplex
    assert space_name(constraints.independent(constraints.positive, 1))


def test_circle_has_its_period() -> None:
    assert Circle().period == pytest.approx(2 * math.pi)
    assert float(Circle(0.0, 1.0).upper_bound) == 1.0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("unit_intervall", "did you mean 'unit_interval'"),
        ("posative", "did you mean 'positive'"),
        ("interval", "interval takes 2 numbers"),
        ("interval(1)", "interval takes 2 numbers"),
        ("circle(1, 2, 3)", "circle takes 0 to 2 numbers"),
        ("positive(3)", "positive takes 0 numbers"),
        ("interval(a, b)", "must be numbers"),
        ("interval(1,, 2)", "must be numbers"),
        ("", "is no space"),
        ("__import__('os')", "is no space"),
        (3, "is no space"),
    ],
)
def test_a_wrong_space_is_refused_in_one_line(written: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        space(written)  # type: ignore[arg-type]
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "value", "kept"),
    [
        ("event_shape", 6, (6,)),
        ("event_shape", [3, 8, 8], (3, 8, 8)),
        ("event_shape", ((2,), (3, 4)), ((2,), (3, 4))),
        ("latent_shape", [[6, 4, 4], [12, 2, 2]], ((6, 4, 4), (12, 2, 2))),
        ("cond_shape", (5,), (5,)),
        ("data_range", 4, (-4.0, 4.0)),
        ("data_range", (0, 255), (0.0, 255.0)),
        ("tolerance", 1e-5, 1e-5),
        ("inverse", "sampling", "sampling"),
        ("log_det", "estimate", "estimate"),
        ("training", "differs", "differs"),
        ("stochastic", False, False),
        ("untouched", [0, 2], (0, 2)),
        ("order", range(3), (0, 1, 2)),
    ],
)
def test_values_of_each_declaration(keyword: str, value: object, kept: object) -> None:
    assert getattr(Declaration.of("layer", {keyword: value}), keyword) == kept


def test_spaces_of_a_declaration_by_name_or_object() -> None:
    found = Declaration.of(
        "layer",
        {
            "domain": "unit_interval",
            "codomain": constraints.real,
            "condition": ("label(3)", "positive"),
        },
    )
    assert found.domain is constraints.unit_interval and found.codomain is constraints.real
    assert isinstance(found.condition, tuple) and found.condition[1] is constraints.positive
    assert found.as_dict() == {
        "domain": "unit_interval",
        "codomain": "real",
        "condition": ["label(3)", "positive"],
    }


def test_what_is_written_can_be_declared_again() -> None:
    said = {
        "event_shape": (4,),
        "domain": "interval(-1, 1)",
        "condition": "label(7)",
        "inverse": "iterated",
    }
    said |= {"tolerance": 1e-4, "training": "differs", "codomain": "circle(0, 1)"}
    once = Declaration.of("layer", said).as_dict()
    assert Declaration.of("layer", once).as_dict() == once


def test_other_keywords_and_none_are_left_alone() -> None:
    assert Declaration.of("layer", {"author": "me", "domain": None}) == Declaration()


def test_train_differs_is_the_older_word_for_training() -> None:
    assert Declaration.of("layer", {"train_differs": True}).training == "differs"
    assert Declaration.of("layer", {"train_differs": True, "training": "same"}).training == "same"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"domain": "unit_intervall"}, "domain: "),
        ({"codomain": 5}, "codomain: "),
        ({"condition": "labels(5)"}, "condition: "),
        ({"condition": ("positive", "nothing")}, "condition: "),
        ({"event_shape": ()}, "at least one dimension"),
        ({"event_shape": (3, 0)}, "each of 1 or more"),
        ({"event_shape": "many"}, "event_shape=many"),
        ({"latent_shape": ((3,), ())}, "latent_shape"),
        ({"inverse": "approximate"}, "one of exact, iterated, sampling, none"),
        ({"log_det": "yes"}, "one of exact, estimate, none"),
        ({"training": True}, "one of same, differs"),
        ({"data_range": (1, 1)}, "(low, high)"),
        ({"data_range": (1, 2, 3)}, "(low, high)"),
        ({"tolerance": 0}, "a number between 0 and 1"),
        ({"tolerance": 3.0}, "a number between 0 and 1"),
        ({"tolerance": "small"}, "a number between 0 and 1"),
        ({"stochastic": 1}, "True or False"),
    ],
)
def test_a_wrong_declaration_says_which(declared: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Declaration.of("mine", declared)
    assert "'mine'" in str(caught.value) and said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "declared",
    [
        {"data_range": "wide"},
        {"data_range": (None, 1)},
        {"untouched": "first"},
        {"order": ("a",)},
        {"untouched": 3},
        {"condition": ()},
        {"domain": "integers(3, 1)"},
        {"domain": "interval(1, -1)"},
        {"domain": "label(0)"},
    ],
)
def test_a_declaration_of_nonsense_is_a_usage_error(declared: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="'mine'"):
        Declaration.of("mine", declared)


def test_what_is_declared_is_not_assumed_away() -> None:
    said = Declaration.of("layer", {"domain": "positive"})
    found = said.assuming(domain=constraints.real, tolerance=1e-4, stochastic=True)
    assert found.domain is constraints.positive
    assert found.tolerance == 1e-4 and found.stochastic is True


def test_a_transform_says_its_own_spaces_in_the_direction_of_use() -> None:
    sigmoid = torch.distributions.SigmoidTransform()
    assert declared_by(sigmoid, True) == {
        "domain": constraints.real,
        "codomain": constraints.unit_interval,
    }
    assert declared_by(sigmoid, False)["domain"] is constraints.unit_interval
    assert declared_by(object(), True) == {}


def test_inside_is_said_per_row() -> None:
    rows = torch.tensor([[0.5, 0.5], [0.5, 1.5], [torch.nan, 0.5]])
    assert inside(constraints.unit_interval, rows).tolist() == [True, False, False]
    assert inside(None, rows).tolist() == [True, True, False]
    assert inside(constraints.simplex, rows).tolist() == [True, False, False]


def test_the_page_of_laws_is_that_of_the_laws():
    page = Path(__file__).resolve().parents[1] / "docs" / "laws.md"
    text = page.read_text(encoding="utf-8")
    for row in listed("properties"):
        assert f"| `{row['name']}` | {row['source']} | {row['summary']} |".replace(
            "\\", ""
        ) in text.replace("\\|", "|")
        assert row.get("reference", "said in the statement")

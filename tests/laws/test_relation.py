"""How a wrong number relates to the right one."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.laws.judging.relation import pair, pattern_of, relation


@pytest.mark.parametrize(
    ("got", "right", "said"),
    [
        (-1.25, 1.25, "the same size with the opposite sign"),
        (2.5, 1.25, "2 times the right value"),
        (1.25, 2.5, "0.5 times the right value"),
        (-3.0, -1.0, "3 times the right value"),
        (0.0, 1.25, "0 came out"),
        (1.25, 0.0, "the right value is 0"),
        (math.nan, 1.0, "NaN"),
        (math.inf, 1.0, "infinite"),
        (1.0, -math.inf, "infinite"),
        (1.1, 1.0, ""),
        (1.0, 1.0, ""),
        (0.0, 0.0, ""),
    ],
)
def test_relation_in_words(got: float, right: float, said: str) -> None:
    if (got, right) == (0.0, 0.0):
        assert "sign" not in relation(got, right)
    else:
        assert relation(got, right) == said


def test_both_values_are_shown() -> None:
    assert pair(1.2, -1.2) == "got 1.2, right -1.2: the same size with the opposite sign"
    assert pair(1.2, 1.0, "reference") == "got 1.2, reference 1"


X = torch.linspace(-2, 2, 9)[:, None]


def test_a_constant_offset_is_seen() -> None:
    right = X[:, 0].exp()
    assert pattern_of(right + 0.7, right, torch.ones(9, dtype=torch.bool), X) == (
        "a constant offset of 0.7 in all of 9 wrong rows"
    )


def test_a_constant_factor_is_seen() -> None:
    right = X[:, 0].exp()
    assert "a constant factor of 1.7 in all of 9" in pattern_of(
        1.7 * right, right, torch.ones(9, dtype=torch.bool), X
    )


def test_a_side_is_seen() -> None:
    right, wrong = X[:, 0].exp(), X[:, 0] < 0
    got = torch.where(wrong, right * X[:, 0].cos(), right)
    assert pattern_of(got, right, wrong, X) == "only where x < 0"
    assert pattern_of(got.flip(0), right.flip(0), wrong.flip(0), -X.flip(0)) == "only where x > 0"


def test_nothing_is_said_of_few_rows_or_of_no_pattern() -> None:
    right = X[:, 0].exp()
    few = torch.zeros(9, dtype=torch.bool)
    few[:2] = True
    assert pattern_of(right + 1, right, few, X) == ""
    noise = torch.randn(9, generator=torch.Generator().manual_seed(0))
    assert pattern_of(right + noise, right, torch.ones(9, dtype=torch.bool), X) == ""


def test_rows_of_another_count_than_x_are_no_error() -> None:
    right = torch.arange(1.0, 7.0)
    assert "offset" in pattern_of(right + 1, right, torch.ones(6, dtype=torch.bool), X)

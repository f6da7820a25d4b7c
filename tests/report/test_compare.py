"""Two entries side by side: only common inputs, whole photographs, infinite values last."""

from __future__ import annotations

import json
import math

import pytest

from invbench.errors import UsageError
from invbench.report.compare import compare, in_words
from tests.support.specs import under_todays_protocol
from tests.support.sr_cells import sr

NAMES = [f"{photograph}/{k}" for photograph in range(10) for k in range(2)]


def of(found, measure):
    (one,) = [d for d in found if d.measure == measure]
    return one


def test_differences_by_hand(results):
    good = sr("good", [0] * 20, names=NAMES, log10=0.1, psnr=[21.0] * 20)
    bad = sr("bad", [1, 0] * 10, names=NAMES, log10=math.inf)
    found = compare("good", "bad", results=results(good, bad))
    errors = of(found, "error")
    assert (errors.n, errors.clusters, errors.a, errors.b, errors.difference) == (
        20,
        10,
        0,
        50,
        -50,
    )
    assert (errors.low, errors.high) == (-50, -50)
    assert errors.p == 2 / 2**10 and errors.better == 0.75
    assert (errors.second, errors.second_p) == ("mcnemar", 2 / 2**10)
    assert (of(found, "psnr").second, of(found, "psnr").second_p) == ("wilcoxon", 2 / 2**10)
    size = of(found, "max_abs_log10")
    assert (size.difference, size.better, size.b) == (-100, 1.0, math.inf)
    assert of(found, "psnr").difference == 1.0 and of(found, "psnr").better == 1.0
    assert in_words(errors, "good", "bad").endswith(
        "good is better, good − bad = -50 points [-50, -50] (p = 0.002, McNemar p = 0.002; "
        "P(good better on an input) = 0.75)"
    )
    assert "good is better" in in_words(of(found, "psnr"), "good", "bad")
    assert in_words(of(found, "inf"), "good", "bad").endswith("no difference")


def test_only_inputs_that_both_saw_count_and_a_missing_number_does_not(results):
    a = sr("a", [1] * 20, names=NAMES, psnr=[20.0] * 19 + [math.nan])
    b = sr("b", [0] * 12, names=NAMES[:12])
    found = compare("a", "b", results=results(a, b))
    assert of(found, "error").n == 12 and of(found, "error").clusters == 6
    assert of(found, "psnr").n == 12


def test_few_photographs_show_nothing_however_many_crops(results):
    names = [f"{photograph}/{k}" for photograph in range(3) for k in range(50)]
    found = compare(
        "a", "b", results=results(sr("a", [1] * 150, names=names), sr("b", [0] * 150, names=names))
    )
    assert of(found, "error").p == 0.25
    assert "not shown" in in_words(of(found, "error"), "a", "b")


def test_what_cannot_be_compared_is_said(results):
    folder = results(sr("a", [1], names=["x/0"]), sr("b", [0], names=["y/0"]))
    with pytest.raises(UsageError, match="there are: a, b"):
        compare("a", "c", results=folder)
    with pytest.raises(UsageError, match="share no input"):
        compare("a", "b", results=folder)
    with pytest.raises(UsageError, match="track 'nope'"):
        compare("a", "b", "nope", folder)


def test_the_command_speaks_words_and_json(results, invbench):
    folder = results(sr("a", [1] * 20, names=NAMES), sr("b", [0] * 20, names=NAMES))
    code, out, _ = invbench("compare", "a", "b", "--results", folder)
    assert code == 0 and "embedded/clean" in out and "b is better" in out
    code, out, _ = invbench("compare", "a", "b", "--results", folder, "--json")
    assert json.loads(out)["differences"][0]["difference"] == 100
    assert invbench("compare", "a", "b", "--results", folder / "nope")[0] == 2


def test_both_tests_are_adjusted_for_the_number_of_cases(results):
    cases = ("embedded/clean", "embedded/jpeg-1", "BSD100/clean")
    a = [sr("a", [1, 0] * 10, case, names=NAMES) for case in cases]
    b = [sr("b", [0, 0] * 10, case, names=NAMES) for case in cases]
    found = [d for d in compare("a", "b", results=results(*a, *b)) if d.measure == "error"]
    assert [(d.p, d.second_p) for d in found] == [(6 / 2**10, 6 / 2**10)] * 3


def test_attacks_are_compared_by_those_that_both_met(results):
    names = [f"{photograph}/0" for photograph in range(10)]
    groups = [
        sr("a", [0] * 10, "embedded/attack-latent", names=names),
        sr("b", [0] * 10, "embedded/attack-latent", names=names),
    ]
    groups.append(sr("a", [1] * 10, "embedded/attack-both-8", names=names))
    found = [
        d
        for d in compare("a", "b", results=results(*map(searched, groups)))
        if d.measure == "error"
    ]
    assert [(d.a, d.b, d.n) for d in found] == [(0, 0, 10)]


def searched(cell):
    """Under the protocol that the case is measured by today."""
    spec = under_todays_protocol(cell.spec)
    return cell.model_copy(update={"spec": spec, "key": spec.key})


def test_a_difference_that_another_training_may_reverse_is_not_shown(results):
    """Photographs agree under each training, trainings do not: 100, 100 and 0 % against 0, 0 and 0
    %."""
    names = [f"{photograph}/0" for photograph in range(12)]
    often = [
        sr("often", [rate] * 12, seed=seed, names=names) for seed, rate in enumerate((1, 1, 0))
    ]
    never = [sr("never", [0] * 12, seed=seed, names=names) for seed in range(3)]
    one = of(compare("often", "never", results=results(*often, *never)), "error")
    assert (one.trainings, one.overall, one.n, one.difference) == (
        (3, 3),
        True,
        12,
        pytest.approx(200 / 3),
    )
    assert one.low < 0 and one.p > 0.05
    once = [sr(entry, [failed] * 12, names=names) for entry, failed in (("x", 1), ("y", 0))]
    alone = of(compare("x", "y", results=results(*once)), "error")
    assert (alone.trainings, alone.overall) == ((1, 1), False) and alone.p == 2 / 2**12
    assert "these trainings alone" in in_words(alone, "x", "y")

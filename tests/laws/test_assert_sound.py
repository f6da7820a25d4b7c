"""``check(layer).assert_sound()``: what it raises, what it excuses, and the command that it gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import invbench
from invbench.declaration import Declaration
from invbench.errors import UsageError
from invbench.laws.command import check_command
from invbench.laws.report import Failure, Report, Unsound
from invbench.targets import resolve


def failure(law: str, kind: str = "defect", severity: str = "soundness", case: str = "") -> Failure:
    return Failure(law, severity, kind, 2.0, 1.0, {}, f"{law} is off", case)


def report(*failures: Failure, decided: str = "", command: str = "") -> Report:
    measures = {"decided": dict.fromkeys(decided.split(), 8), "command": command}
    return Report("mine", list(failures), measures)


@pytest.fixture
def outside_pytest(monkeypatch):
    """Call it in the test: pytest names the test anew at the start of each phase."""
    return lambda: monkeypatch.delenv("PYTEST_CURRENT_TEST")


def test_a_sound_report_says_nothing():
    report(failure("smooth", severity="design"), failure("noise", "ill-conditioned")).assert_sound()


def test_an_unsound_one_has_case_and_command(outside_pytest):
    outside_pytest()
    found = report(
        failure("shape"), failure("finite", case="smallest case: 1 row"), failure("vmap", severity="capability"),
        command="invbench check my.py:A --dtype float64",
    )  # fmt: skip
    with pytest.raises(AssertionError) as caught:
        found.assert_sound()
    assert isinstance(caught.value, Unsound)
    assert str(caught.value).splitlines() == [
        "mine breaks shape (defect): shape is off",
        "mine breaks finite (defect): finite is off",
        "smallest case: 1 row",
        "again: invbench check my.py:A --dtype float64 --property finite --property shape",
    ]
    assert caught.value.invbench_case == str(caught.value)


def test_in_pytest_the_command_is_the_test_itself(monkeypatch):
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_a.py::test_b[c d] (call)")
    with pytest.raises(Unsound, match=r"again: pytest 'tests/test_a.py::test_b\[c d\]'"):
        report(failure("shape"), command="invbench check a").assert_sound()


def test_without_a_command_the_call_is_described(outside_pytest):
    outside_pytest()
    with pytest.raises(Unsound, match=r"again: the same check with properties=\['shape'\]"):
        report(failure("shape")).assert_sound()


def test_expected_failures_of_any_category_are_excused():
    report(failure("shape"), failure("half-supported", "crash", "capability")).assert_sound(
        expected={"shape": "known", "half-supported": "no bf16 kernel"}
    )


def test_a_stale_expectation_is_an_error_when_the_law_was_judged():
    sound = report(failure("noise", "ill-conditioned"), decided="shape noise")
    for law in ("shape", "noise"):
        with pytest.raises(
            Unsound, match=rf"mine no longer breaks {law} \(expected: old\); take it"
        ):
            sound.assert_sound(expected={law: "old"})
    sound.assert_sound(expected={"finite": "not judged here"})
    with pytest.raises(UsageError, match="no such law; did you mean 'shape'"):
        sound.assert_sound(expected={"shap": "old"})


class Doubled(nn.Module):
    event_shape = (2,)

    def forward(self, x):
        return 2 * x, x.new_full((len(x),), torch.tensor(2.0).log().item())

    def inverse(self, z):
        return z / 2, z.new_full((len(z),), -torch.tensor(2.0).log().item())


def test_a_planted_fault_and_the_command_finds_it_again(invbench, outside_pytest):
    from invbench import check

    outside_pytest()
    with pytest.raises(Unsound) as caught:
        check(Doubled, budget="smoke", data_range=4.0).assert_sound()
    *_, last = str(caught.value).splitlines()
    assert last.startswith(f"again: invbench check {__name__}:Doubled --data-range=4.0 ")
    code, out, _ = invbench(*last.removeprefix("again: invbench ").split())
    assert code == 1 and "log-det" in out


@pytest.mark.parametrize(
    ("declared", "flags"),
    [
        ({}, []),
        ({"event_shape": (3, 4)}, ["--event-shape=3,4"]),
        ({"event_shape": ((2,), (3, 4))}, ["--event-shape=2;3,4"]),
        ({"domain": "interval(-1, 1)"}, ["--domain=interval(-1, 1)"]),
        ({"condition": ("label(3)", "positive")}, ["--condition=label(3);positive"]),
        ({"data_range": (-2, 3)}, ["--data-range=-2,3"]),
        ({"stochastic": True}, ["--stochastic"]),
        ({"stochastic": False}, ["--no-stochastic"]),
        ({"tolerance": 1e-5, "inverse": "iterated"}, ["--tolerance=1e-05", "--inverse=iterated"]),
    ],
)
def test_a_declaration_as_the_command_line_has_it(declared, flags):
    import shlex

    Declaration.of("actnorm", declared)
    target = resolve("actnorm", ("layer",), declared)
    command = check_command(target, "float64", "cpu", "default", 7)
    parts = ["invbench", "check", "actnorm", *flags, "--dtype", "float64", "--seed", "7"]
    assert shlex.split(command) == parts


def test_what_no_command_line_can_say_has_no_command():
    target = resolve("actnorm", ("layer",), {"untouched": (0,)})
    assert check_command(target, "float32", "cpu", "default", 0) == ""
    assert invbench.check(Doubled(), budget="smoke", properties=["shape"]).measures["command"] == ""

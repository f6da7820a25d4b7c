"""The harness itself: every law kills its planted fault, no law accuses a sound layer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import invbench
from invbench.couplings.compiled import compiler_missing
from invbench.errors import UsageError
from invbench.laws import LAWS, LawCase, check, judge, judge_case, subject_of
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.cases.sweep import sweep
from invbench.laws.law import Law
from invbench.registry import COUPLINGS, LAYERS
from invbench.targets import Target, resolve
from tests.support.faults import (
    LAYER_MUTANTS,
    MUTANTS,
    conduct,
    couplings,
    every_mutant,
    every_sound,
    target_of,
)
from tests.support.faults.jax_layers import JAX_MUTANTS

DEEP = {"compile"}
SOUNDNESS = [name for name, law in LAWS.items() if law.category == "soundness"]  # what may accuse
needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


def killed(law: str, target: Target) -> bool:
    budget = "deep" if LAWS[law].scope == "deep" else "smoke"
    return any(
        f.kind != "ill-conditioned" for f in check(target, budget=budget, properties=[law]).failures
    )


def test_every_law_has_a_planted_fault():
    assert set(MUTANTS) | set(LAYER_MUTANTS) | set(JAX_MUTANTS) == set(LAWS)


@pytest.mark.parametrize(
    ("law", "mutant"),
    [
        pytest.param(
            law, target, id=f"{law}-{target.name}", marks=[needs_compiler] if law in DEEP else []
        )
        for law, target in every_mutant()
    ],
)
def test_law_kills_its_mutant(law, mutant):
    assert killed(law, mutant), f"{mutant.name} survived {law}"


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        pytest.param(
            "float64",
            marks=pytest.mark.slow(reason="23 s: the layers of float32 again, in the other dtype"),
        ),
    ],
)
@pytest.mark.parametrize("sound", every_sound(), ids=lambda target: target.name)
def test_no_law_accuses_what_is_sound(sound, dtype):
    report = check(sound, dtype=dtype, budget="smoke", properties=SOUNDNESS)
    assert report.sound, [
        f"{f.property}: {f.message}" for f in report.failures if f.breaks_soundness
    ]


@pytest.mark.slow(reason="21 s: the suites ask the same laws of the same layers")
@pytest.mark.parametrize("name", list(LAYERS))
def test_no_law_accuses_a_sound_layer(name):
    report = check(name, budget="smoke", properties=SOUNDNESS)
    assert report.sound, [
        f"{f.property}: {f.message}" for f in report.failures if f.breaks_soundness
    ]


def test_a_row_whose_hidden_values_overflow_is_not_accused():
    """Found by Hypothesis: x of 2⁵⁸ through weights ×8 overflows float32 inside the conditioner;
    parts of the row would be representable."""
    recipe = InputRecipe(
        "knots", 58, "zeros", rows=32, seed=191600, weights="noise", log2_weights=3
    )
    case = LawCase.of(recipe, subject_of(resolve("spline-block", ("layer",)), torch.float32))
    assert not case.result(False)[1].isfinite().all()
    assert judge_case(LAWS["finite"], case) == []


KNOWN_DEFECTS = {
    "negative discriminant, assertion while sampling (nflows 87, pyro 3139)": (
        couplings.Raises,
        "round-trip-z",
        "crash",
    ),
    "crash when a whole batch lies in the tails (nflows 23)": (
        couplings.CrashesInTheTails,
        "finite",
        "crash",
    ),
    "scale silently capped (nflows 49)": (couplings.CapsScale, "round-trip-x", "defect"),
    "wrong inverse of a standard layer (pyro 2084)": (
        couplings.WrongInverse,
        "round-trip-x",
        "defect",
    ),
    "Inf from exp (normflows 47)": (couplings.NaiveSoftplus, "extreme-conditions", "defect"),
    "one-dimensional coupling gives NaN (normflows 58)": ("one-channel-nan", "finite", "defect"),
    "log-det sign (normflows 27, flowjax 208)": (couplings.LogDetSign, "log-det", "defect"),
    "reverse mask from the knots of x (FrEIA 140)": (
        couplings.ReverseMask,
        "round-trip-x",
        "defect",
    ),
    "forward and reverse disagree in a conditional flow (FrEIA 35)": (
        "forgets-condition",
        "round-trip-x",
        "defect",
    ),
    "NaN gradient through the unselected branch (flowjax 239)": (
        conduct.WhereGradient,
        "gradients-finite",
        "defect",
    ),
    "mixed precision crash (glasflow 65)": (conduct.MixedPrecisionCrash, "autocast", "crash"),
    "inverse error grows in training (invertible-resnet 3)": (
        "trainable-rotation",
        "round-trip-x",
        "defect",
    ),
}


@pytest.mark.parametrize(
    ("subject", "law", "kind"), KNOWN_DEFECTS.values(), ids=list(KNOWN_DEFECTS)
)
def test_known_defects_of_real_libraries_are_caught_and_blamed_on_the_code(subject, law, kind):
    planted = {
        name: planted for mutants in LAYER_MUTANTS.values() for name, planted in mutants.items()
    }
    target = (
        target_of(planted[subject], subject) if isinstance(subject, str) else target_of(subject)
    )
    found = check(target, budget="smoke", properties=[*SOUNDNESS, law]).failures
    assert (law, kind) in {(f.property, f.kind) for f in found}


def test_ill_conditioned_design_is_reported_and_stays_sound():
    report = check("modified-rq", budget="smoke", properties=["round-trip-x"])
    assert report.sound
    assert [f.kind for f in report.failures] == ["ill-conditioned"]


def test_assertion_inside_a_layer_is_a_crash_and_names_its_place():
    (failure,) = check(target_of(couplings.Raises), budget="smoke", properties=["finite"]).failures
    assert failure.kind == "crash"
    assert "discriminant is negative" in failure.message
    assert "couplings.py" in failure.message


def test_wrong_shape_stops_the_laws_that_would_only_echo_it():
    assert {f.property for f in check(target_of(conduct.WrongShape), budget="smoke").failures} == {
        "shape"
    }


def test_report_is_the_same_twice():
    first, second = (check("affine", budget="smoke").as_dict() for _ in range(2))
    for report in (first, second):
        report["measures"].pop("seconds")
    assert first == second


def test_check_leaves_the_global_random_state_alone():
    state = torch.random.get_rng_state()
    check("affine", budget="smoke")
    assert torch.equal(state, torch.random.get_rng_state())


def test_keyboard_interrupt_is_not_swallowed():
    def interrupted(subject, case):
        raise KeyboardInterrupt
        yield

    subject = subject_of(target_of(COUPLINGS["affine"].obj), torch.float32)
    with pytest.raises(KeyboardInterrupt):
        judge(Law("interrupted", interrupted), subject, InputRecipe(rows=2))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"dtype": "int8"}, "dtype 'int8'"),
        ({"budget": "huge"}, "budget 'huge'"),
        ({"properties": ["nope"]}, "property 'nope'"),
        ({"device": "cuda"}, "device 'cuda'"),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    if arguments.get("device") and torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(invbench.UsageError, match=text):
        check("affine", **arguments)


def test_recipe_rows_do_not_depend_on_how_many_are_drawn():
    short, long = (
        InputRecipe("normal", 0, "box", 3, rows, 7).materialise((3,), (2, 3), torch.float64)
        for rows in (5, 50)
    )
    assert torch.equal(short[0], long[0][:5])
    assert torch.equal(short[1], long[1][:5])


def test_recipe_in_float32_has_a_float64_reference_with_the_same_values():
    narrow, _ = InputRecipe("log", 100, rows=64).materialise((6,), None, torch.float32)
    assert narrow.isfinite().all()
    assert torch.equal(narrow.double().float(), narrow)


def test_smoke_sweep_covers_every_pattern():
    assert {r.pattern for r in sweep("smoke")} == {r.pattern for r in sweep("deep")}
    assert {r.cond_pattern for r in sweep("smoke")} == {r.cond_pattern for r in sweep("deep")}


class Placed(nn.Module):
    """z = 2 x in another order, which a buffer of floats holds; with ``wrong`` the inverse forgets
    to undo the order."""

    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.wrong = wrong
        self.register_buffer("order", torch.tensor([1.0, 2.0, 0.0, 3.0]))

    def forward(self, x, cond=None):
        return x[:, self.order.long()] * 2, x.new_full((len(x),), 4 * math.log(2))

    def inverse(self, z, cond=None):
        order = self.order.long() if self.wrong else self.order.long().argsort()
        return (z / 2)[:, order], z.new_full((len(z),), -4 * math.log(2))


@pytest.mark.parametrize("wrong", [True, False])
def test_a_permutation_kept_as_floats_is_exact_and_excuses_no_error(wrong):
    @invbench.layer(f"placed-{wrong}", event_shape=(4,))
    def placed(seed):
        return Placed(wrong)

    report = invbench.check(placed, budget="smoke")
    assert report.sound is not wrong
    assert not wrong or "round-trip-x" in {
        f.property for f in report.failures if f.kind == "defect"
    }


@pytest.mark.parametrize(
    "shapes", [{"event_shape": ()}, {"event_shape": (0,)}, {"event_shape": (2,), "cond_shape": ()}]
)
def test_a_shape_without_elements_is_refused_where_it_is_registered(shapes):
    with pytest.raises(UsageError, match="at least one dimension"):
        invbench.layer("shapeless", **shapes)

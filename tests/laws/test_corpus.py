"""A spread of the corpus: sound layers that are not accused, reported faults that are.
benchmarks/evidence/corpus.py runs all of it."""

from __future__ import annotations

import pytest

from invbench.laws import LAWS, check
from tests.support.corpus import FAULTS, NO_REPORT, SOUND, target

SOUNDNESS = [name for name, law in LAWS.items() if law.category == "soundness"]  # what may accuse
SPREAD_SOUND = (
    "c-realnvp-2",
    "c-maf",
    "c-sigmoid-undeclared",
    "c-log-undeclared",
    "c-rq-coupling",
    "c-plu-conv",
    "c-actnorm-trained",
    "c-bisection-undeclared",
    "c-circle-turn-undeclared",
    "c-simplex-undeclared",
    "c-label-undeclared",
    "c-dequantise-undeclared",
    "c-latents-undeclared",
    "c-transform-compose",
    "c-shift-1e6",
)
SPREAD_FAULTS = (
    "maf-inverse-sign",
    "leaky-relu-negative",
    "log-of-signed-det",
    "batchnorm-pixels",
    "alpha-not-undone",
    "raw-diagonal",
    "leading-one",
    "summed-over-batch",
    "float32-log-det",
    "shift-after-scale",
    "two-clamps",
    "unsaved-permutation",
    "softplus-overflows",
    "wrong-backward-rule",
    "flat-parameters",
    "swapped-knots",
)


def accusing(name: str, dtype: str) -> list[str]:
    return [
        f.property
        for f in check(target(name), dtype, budget="smoke", properties=SOUNDNESS).failures
        if f.breaks_soundness
    ]


def test_the_corpus_is_as_large_as_is_said() -> None:
    assert len(SOUND) >= 60 and len(set(SOUND.values())) >= 25
    assert len(FAULTS) >= 50
    assert all("#" in fault.report or fault.report == NO_REPORT for fault in FAULTS.values())
    names = [*SOUND, *(f.faulty for f in FAULTS.values()), *(f.fixed for f in FAULTS.values())]
    assert len(set(names)) == len(names)


def test_every_case_is_found_in_its_file() -> None:
    for name in (*SOUND, *(f.faulty for f in FAULTS.values()), *(f.fixed for f in FAULTS.values())):
        assert target(name).name == name


@pytest.mark.slow(reason="12 s: whole checks; sound layers of every kind are in test_laws.py")
@pytest.mark.parametrize("name", SPREAD_SOUND)
def test_a_sound_layer_is_not_accused(name: str) -> None:
    assert accusing(name, "float32") == []


@pytest.mark.slow(reason="19 s: 32 whole checks; each law kills its fault in test_laws.py")
@pytest.mark.parametrize("name", SPREAD_FAULTS)
def test_a_reported_fault_is_told_from_its_repair(name: str) -> None:
    fault = FAULTS[name]
    dtype = "float64" if fault.kind == "float32 in float64" else "float32"
    assert accusing(fault.faulty, dtype), fault.what
    assert accusing(fault.fixed, dtype) == []

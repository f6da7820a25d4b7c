"""Pooled rows are of the same conditions: sets named, entries without a part left out, and Table 1
made of them."""

from __future__ import annotations

from invbench.studies.hong2023.artefacts import table1
from invbench.studies.hong2023.condition_sets import ConditionSet, condition_sets, within
from tests.support.made_study import images

MANY = [f"embedded/{family}-{severity}" for family in ("noise", "blur") for severity in (1, 2, 3)]
FEW = ["BSD100/noise-3", "BSD100/blur-3"]


def measured(design, cases, error=0, seed=0):
    found = [images("sr", design, 0, error, case) for case in cases]
    if not seed:
        return found
    specs = [c.spec.model_copy(update={"seed": seed}) for c in found]
    return [
        c.model_copy(update={"spec": spec, "key": spec.key})
        for c, spec in zip(found, specs, strict=True)
    ]


def test_a_set_is_named_by_its_data_and_size_and_lists_its_families():
    whole = ConditionSet("embedded", frozenset(MANY))
    assert (whole.name, whole.conditions) == (
        "embedded, 6 changed conditions",
        "blur 1–3, noise 1–3",
    )
    one = ConditionSet("embedded", frozenset(["embedded/noise-3"]))
    assert (one.name, one.conditions) == ("embedded, 1 changed condition", "noise 3")
    gap = ConditionSet("x", frozenset(["x/channel-swap-1", "x/channel-swap-4"]))
    assert gap.conditions == "channel-swap 1 4"


def test_sets_are_those_that_some_entry_was_measured_on_each_of_one_data_set():
    found = condition_sets(
        {
            "a": measured("a", MANY + FEW),
            "b": measured("b", MANY + FEW),
            "c": measured("c", MANY[:2]),
        }
    )
    assert [(s.data, len(s.cases)) for s in found] == [
        ("BSD100", 2),
        ("embedded", 6),
        ("embedded", 2),
    ]


def test_an_entry_or_a_training_that_lacks_a_condition_is_not_in_the_row():
    whole = ConditionSet("embedded", frozenset(MANY))
    assert len(within(measured("a", MANY + FEW), whole)) == 6
    assert within(measured("a", MANY[:-1]), whole) == []
    two = measured("a", MANY) + measured("a", MANY[:1], seed=1)
    assert {c.spec.seed for c in within(two, whole)} == {0}


def test_rows_of_one_name_in_table_1_are_of_equal_n_and_data_sets_are_not_pooled(study):
    cells = [
        *measured("affine", ["BSD100/clean", *MANY, *FEW], 6),
        *measured("modified-rq", ["BSD100/clean", *MANY, *FEW]),
    ]
    built = study(*cells, *measured("additive", ["BSD100/clean", MANY[0]]))
    made = table1.make(built)
    table = made.tables["table1"]
    assert (table.groupby("data").n.nunique() == 1).all()
    n = dict(zip(zip(table.data, table.design, strict=True), table.n, strict=True))
    assert (
        n["embedded, 6 changed conditions", "affine"] == 72
        and n["BSD100, 2 changed conditions", "affine"] == 24
    )
    assert ("embedded, 6 changed conditions", "additive") not in n
    assert (
        n["embedded, 1 changed condition", "additive"]
        == n["embedded, 1 changed condition", "affine"]
        == 12
    )
    assert "- embedded, 6 changed conditions: blur 1–3, noise 1–3." in made.text

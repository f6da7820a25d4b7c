"""What cells will cost, from those that were measured: order, and time left."""

from __future__ import annotations

import json

import pytest

from invbench.runner.cost import Costs, Remaining, longest_first
from invbench.store.cell import Cell, CellSpec
from invbench.store.store import Store
from tests.support.specs import spec_named


def spec(case: str = "embedded/clean", entry: str = "affine", **more) -> CellSpec:
    return spec_named("sr", entry, case, weights_digest="w", **more)


def cell(found: CellSpec, seconds: float, status: str = "ok") -> Cell:
    return Cell(key=found.key, spec=found, status=status, provenance={"seconds": seconds})


PAST = [
    cell(spec("embedded/noise-1"), 2),
    cell(spec("embedded/noise-5"), 4),
    cell(spec("embedded/noise-3", entry="rq"), 12),
    cell(spec("embedded/noise-3#radius"), 100),
    cell(spec("embedded/noise-2"), 0.01, "error"),
]


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        # the median of its own at other strengths; the error says nothing
        (spec("embedded/noise-3", seed=7), 3),
        (spec("embedded/noise-3", entry="new"), 4),  # of all entries
        (spec("embedded/noise-3", entry="new", settings={"samples": 3}), 4),  # with other settings
        (spec("embedded/noise-9#radius", entry="new"), 100),
        (spec("embedded/blur-1"), 8),  # of the track
        (spec().model_copy(update={"track": "lowlight"}), 8),
        (spec(device="cuda"), None),
        (spec().model_copy(update={"weights_digest": ""}), None),
    ],
)
def test_seconds_of_the_nearest_kind_that_was_measured(found, seconds):
    assert Costs(PAST).seconds(found) == seconds


def test_longest_first_within_powers_of_two_as_planned():
    costs = Costs(
        [
            cell(spec(f"embedded/{name}-1"), s)
            for name, s in {"a": 1.0, "b": 9.0, "c": 15.0, "d": 4.0}.items()
        ]
    )
    planned = [spec(f"embedded/{name}-2") for name in "abcd"]
    assert [s.case[9] for s in longest_first(planned, costs)] == ["b", "c", "d", "a"]
    assert longest_first(planned, Costs()) == planned


def test_time_left_is_shared_among_workers_but_for_exclusive_cells():
    costs = Costs([cell(spec("embedded/a-1"), 60), cell(spec("speed"), 150)])
    shared = [spec("embedded/a-2", seed=seed) for seed in range(10)]
    alone = [spec("speed", seed=9, exclusive=True)]
    left = Remaining(shared + alone, costs, 4)
    assert left.seconds == 10 * 60 / 4 + 150
    assert str(left) == "about 5 min with 4 workers"
    left.finish(cell(alone[0].model_copy(update={"exclusive": False}), 150))  # as it is read again
    assert left.seconds == 10 * 60 / 4
    assert Remaining(shared[:1], costs, 4).seconds == 60  # not less than its longest cell


def test_what_nobody_has_measured_has_no_estimate_until_a_cell_is_done():
    planned = [spec("embedded/a-1", seed=seed) for seed in range(3)]
    left = Remaining(planned, Costs(), 1)
    assert left.seconds is None
    assert str(left) == "no cell measured before says how long with 1 worker"
    left.finish(cell(planned[0], 3600))
    assert str(left) == "about 2 h with 1 worker"
    assert len(left) == 2


def test_dry_run_says_how_long_and_runs_nothing(invbench, tmp_path):
    run = (
        "run",
        "--track",
        "coupling",
        "--entry",
        "affine",
        "--budget",
        "smoke",
        "--results",
        tmp_path,
        "--dry-run",
    )
    assert (
        "3 cells are missing, no cell measured before says how long with 1 worker"
        in invbench(*run, "--workers", 1)[2]
    )
    from invbench.runner.run import options_of, plan

    options = options_of("smoke")
    for found in plan(["coupling"], ["additive"], options):
        # two that share the workers, and the speed, which is measured alone
        Store(tmp_path).write(cell(found, 300))
    assert "3 cells are missing, about 10 min with 2 workers" in " ".join(
        invbench(*run, "--workers", 2)[2].split()
    )
    assert {row["seconds"] for row in json.loads(invbench(*run, "--json")[1])} == {300}


def test_retry_takes_several_statuses_and_refuses_what_is_none(invbench, tmp_path):
    from invbench.runner.run import options_of, plan

    options = options_of("smoke")
    run = (
        "run",
        "--track",
        "coupling",
        "--entry",
        "affine",
        "--budget",
        "smoke",
        "--results",
        tmp_path,
        "--dry-run",
    )
    for found, status in zip(
        plan(["coupling"], ["affine"], options), ("error", "timeout", "ok"), strict=True
    ):
        Store(tmp_path).write(cell(found, 1, status))
    counts = [
        len(json.loads(invbench(*run, "--json", "--retry", r)[1]))
        for r in ("error", "error,timeout", "oom")
    ]
    assert counts == [1, 2, 0]
    code, _, error = invbench(*run, "--retry", "eror")
    assert code == 2 and "no such status" in error

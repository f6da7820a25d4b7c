"""From cells to tables: every status in the denominators, nothing stale mixed in, names escaped."""

from __future__ import annotations

import io
import json
import math

import pandas as pd
import pytest

import invbench
from invbench.errors import UsageError
from invbench.report.columns import COLUMNS
from invbench.report.rows import current_cells, gathered, make_rows
from invbench.report.table import FORMATS, read_table, render
from invbench.tracks import TRACKS
from invbench.tracks.columns import COMMON
from tests.support.specs import spec_named
from tests.support.sr_cells import sr


def rows_of(*cells, pooled=False):
    return {(r["entry"], r["case"]): r for r in make_rows(cells, "sr", pooled)}


@pytest.mark.parametrize("track", COLUMNS)
def test_a_track_has_the_common_columns_first_each_once_and_shows_some_of_its_own(track):
    columns, shown = COLUMNS[track], TRACKS[track].screen
    assert columns[: len(COMMON)] == COMMON
    assert len(set(columns)) == len(columns)
    assert [c for c in shown if c not in columns] == []
    assert set(shown) - set(COMMON)


def test_rates_have_exact_intervals():
    row = rows_of(sr("a", [1] * 3 + [0] * 7))["a", "embedded/clean"]
    assert (row["n"], row["error_pct"], row["inf_pct"]) == (10, 30.0, 0.0)
    assert row["error_lo"] == pytest.approx(6.674, abs=1e-3)
    assert row["error_hi"] == pytest.approx(65.245, abs=1e-3)


@pytest.mark.parametrize("status", ["error", "oom", "timeout"])
def test_a_failed_cell_stays_in_the_denominator_as_errors_and_is_not_ranked(status):
    row = rows_of(sr("a", [0] * 10), sr("a", [], seed=1, status=status))["a", "embedded/clean"]
    assert (row["n"], row["error_pct"], row["status"]) == (
        20,
        50.0,
        " ".join(sorted((f"{status}:1", "ok:1"))),
    )
    assert "tier" not in row


def test_a_skipped_cell_has_a_row_and_no_rate():
    row = rows_of(sr("a", [], status="skipped"))["a", "embedded/clean"]
    assert row["status"] == "skipped:1"
    assert "error_pct" not in row


def test_an_infinite_value_is_kept_as_the_largest():
    row = rows_of(sr("a", [1], log10=math.inf), sr("a", [0], seed=1))["a", "embedded/clean"]
    assert row["max_abs_log10"] == math.inf


def test_entries_that_a_paired_test_cannot_tell_apart_share_a_tier():
    names = [f"{image}/0" for image in range(50)]
    errors = {"good": [0] * 50, "alike": [1] + [0] * 49, "bad": [1] * 50}
    rows = rows_of(*(sr(entry, found, names=names) for entry, found in errors.items()))
    rank = {name: (r["rank_lo"], r["rank_hi"], r["tier"]) for (name, _), r in rows.items()}
    assert rank == {"good": (1, 2, 1), "alike": (1, 2, 1), "bad": (3, 3, 2)}


def test_crops_of_one_photograph_are_one_piece_of_evidence():
    names = [f"{image}/{k}" for image in "ab" for k in range(25)]
    rows = rows_of(sr("good", [0] * 50, names=names), sr("bad", [1] * 50, names=names))
    assert {r["tier"] for r in rows.values()} == {1}


def test_an_entry_without_an_input_that_another_has_is_listed_and_not_ranked():
    rows = rows_of(sr("a", [0] * 8), sr("b", [0] * 8), sr("short", [0] * 6))
    assert rows["short", "embedded/clean"]["status"] == "ok:1 missing:2"
    assert "tier" not in rows["short", "embedded/clean"] and "tier" in rows["a", "embedded/clean"]


def test_an_entry_that_was_trained_once_is_ranked_with_the_spread_that_others_show():
    """Of these trainings, 50 % is less than 100 %; another training of the one design had 0 %, so
    of the designs nothing is known."""
    names = [f"photograph{k}/0" for k in range(14)]
    trained = [sr("often", [0] * 14, names=names), sr("often", [1] * 14, names=names, seed=1)]
    rows = rows_of(*trained, sr("once", [1] * 14, names=names))
    often, once = (rows[name, "embedded/clean"] for name in ("often", "once"))
    assert (often["n"], often["error_pct"], often["seeds"], once["status"]) == (28, 50, 2, "ok:1")
    assert (often["tier"], once["tier"], often["tier_given"], once["tier_given"]) == (1, 1, 1, 2)
    assert (often["rank_of"], once["rank_of"]) == ("design", "training, spread of others")
    assert (often["rank_lo"], often["rank_hi"]) == (1, 2)
    alone = rows_of(trained[0], sr("once", [1] * 14, names=names))
    assert {row["rank_of"] for row in alone.values()} == {"training"} and alone[
        "once", "embedded/clean"
    ]["tier"] == 2


def test_a_training_that_lacks_inputs_is_left_out_of_rate_and_rank_alike():
    names = [f"photograph{k}/0" for k in range(6)]
    whole = (
        sr("a", [0] * 6, "embedded/jpeg-1", names=names),
        sr("a", [0] * 6, "embedded/jpeg-2", names=names),
    )
    part = sr("a", [1] * 6, "embedded/jpeg-1", seed=1, names=names)
    row = rows_of(*whole, part, pooled=True)["a", "embedded/ood"]
    assert (row["n"], row["seeds"], row["error_pct"], row["status"], row["tier"]) == (
        12,
        1,
        0,
        "ok:2 partial:1",
        1,
    )


def test_an_interval_is_of_photographs_not_of_their_crops():
    """Ten crops of each of four photographs, all alike: no more than four inputs."""
    names = [f"{photograph}/{k}" for photograph in "abcd" for k in range(10)]
    clear = rows_of(sr("a", [0] * 40, names=names))["a", "embedded/clean"]
    assert (clear["photographs"], clear["error_hi"]) == (4, pytest.approx(60.236, abs=1e-3))
    half = rows_of(sr("a", [0] * 20 + [1] * 20, names=names))["a", "embedded/clean"]
    assert half["error_lo"] < 6.76 and half["error_hi"] > 93.2  # Clopper–Pearson of 2 of 4


def test_attacks_that_others_met_and_an_entry_did_not_leave_it_unranked():
    def attack(entry, name):
        return sr(entry, [1, 0], f"embedded/attack-{name}", names=["x/0", "y/0"])

    rows = rows_of(
        *(attack("a", name) for name in ("latent", "both-8", "image-8")),
        attack("b", "latent"),
        pooled=True,
    )
    a, b = (rows[name, "embedded/attacked"] for name in "ab")
    assert (a["cases"], b["cases"], b["status"]) == (3, 1, "ok:1 missing:4")
    assert "tier" in a and "tier" not in b


def test_the_notes_say_what_is_pooled_and_what_the_data_can_tell(results):
    names = [f"photograph{k}/0" for k in range(6)]
    cells = [
        sr(entry, [entry == "a"] * 6, f"embedded/{case}", names=names)
        for entry in "abc"
        for case in ("jpeg-1", "jpeg-2", "jpeg-3", "zero")
    ]
    table = read_table("sr", results(*cells), pooled=True)
    assert "embedded/ood: pools 4 cases: jpeg 1–3, zero." in table.notes
    (told,) = [note for note in table.notes if "smallest p" in note]
    assert told == (
        "embedded/ood: 3 entries on 6 photographs; smallest p after correction 0.094: the "
        "test cannot tell entries apart, whatever they do."
    )
    assert set(table.frame["tier"]) == {1}


def test_pooling_puts_every_condition_but_clean_together():
    cells = [
        sr("a", [0, 0]),
        sr("a", [1, 0], "embedded/noise-1"),
        sr("a", [1, 1], "embedded/sharpen-2"),
    ]
    rows = rows_of(*cells, pooled=True)
    assert set(rows) == {("a", "embedded/clean"), ("a", "embedded/ood")}
    assert rows["a", "embedded/ood"]["error_pct"] == 75.0


def test_attacks_are_pooled_by_the_worst_of_each_input():
    def attack(name, errors, log10, **settings):
        found = sr("a", errors, f"embedded/attack-{name}", log10=log10, names=["x", "y"])
        return found.model_copy(
            update={"spec": found.spec.model_copy(update={"settings": settings})}
        )

    cells = attack("latent", [1, 0], 2.0), attack("both-8", [0, 0], 5.0, eps_255=8)
    rows = rows_of(*cells, attack("both-16", [1, 1], math.inf, eps_255=16), pooled=True)
    row = rows["a", "embedded/attacked"]
    assert (row["n"], row["error_pct"], row["max_abs_log10"]) == (2, 50, 5.0)
    fewer = sr("a", [1], "embedded/attack-image-8", names=["y"])
    row = rows_of(*cells, fewer, pooled=True)["a", "embedded/attacked"]
    assert (row["n"], row["error_pct"]) == (2, 100)
    lost = sr("a", [], "embedded/attack-image", status="error")
    row = rows_of(*cells, lost, pooled=True)["a", "embedded/attacked"]
    assert (row["complete"], row["n"], row["error_pct"]) == (False, 4, 75)


def test_the_order_in_which_attacks_were_measured_does_not_matter():
    def attack(entry, name, at):
        return sr(entry, [1, 0], f"embedded/attack-{name}", at=at, names=["x", "y"])

    cells = [
        attack("a", "latent", "1"),
        attack("a", "image-8", "2"),
        attack("b", "image-8", "3"),
        attack("b", "latent", "4"),
    ]
    rows = rows_of(*cells, pooled=True)
    assert {row["tier"] for row in rows.values()} == {1}


def test_critical_radius_is_the_median_with_censored_inputs_beyond_all():
    def of(radii):
        return rows_of(
            sr("a", [0]), sr("a", [], "embedded/clean#radius", inf=None, radius_F2=radii)
        )["a", "embedded/clean"]

    assert of([0.1, 0.5, math.inf])["critical_radius"] == 0.5
    assert of([0.1, math.inf, math.inf])["critical_radius"] == math.inf
    assert of([0.1, math.nan, 0.2])["critical_radius"] is None  # one was not searched
    assert of([0.1, 0.5, math.inf])["n"] == 1


def test_cells_of_an_older_source_are_stale_and_never_mixed():
    old = sr("a", [1, 1], seed=1, digest="old", at="2026-01-01")
    new = sr("a", [0, 0], seed=0, digest="new", at="2026-02-01")
    shown, stale = current_cells([new, old])
    assert (shown, stale) == ([new], [old])


def with_spec(cell, **changes):
    spec = cell.spec.model_copy(update=changes)
    return cell.model_copy(update={"spec": spec, "key": spec.key})


def test_cells_of_another_protocol_are_stale():
    old = with_spec(sr("a", [0], at="2027"), protocol=0)
    assert current_cells([old])[0] == []
    # nor do they make those of this protocol stale, whatever their source and time
    new = sr("a", [0], digest="new", at="2026")
    assert current_cells([old, new]) == ([new], [old])


def test_cells_of_older_weights_of_a_seed_are_stale_and_never_mixed():
    def of(weights, case, seed, at):
        return with_spec(sr("a", [0], case, seed, at=at), weights_digest=weights)

    old = of("w1", "embedded/clean", 0, "2026-01"), of("w1", "embedded/noise-1", 0, "2026-01")
    new, other = (
        of("w2", "embedded/clean", 0, "2026-02"),
        of("w1", "embedded/noise-1", 1, "2026-01"),
    )
    shown, stale = current_cells([*old, new, other])
    assert shown == [other, new] and stale == list(old)
    # a cell that had no weights to measure hides none that had
    skipped = with_spec(
        sr("a", [], "embedded/noise-2", status="skipped", at="2026-03"), weights_digest=""
    )
    assert current_cells([*old, new, skipped]) == ([new, skipped], list(old))


def test_stale_cells_are_counted_in_the_notes_and_in_no_row(results):
    folder = results(
        sr("a", [1] * 4, digest="old", at="2026-01"),
        sr("a", [0] * 4, digest="new", at="2026-02"),
        sr("b", [0] * 4),
    )
    table = read_table("sr", folder)
    assert list(table.frame["error_pct"]) == [0, 0] and list(table.frame["n"]) == [4, 4]
    assert any("1 stale cells" in note and "a 1" in note for note in table.notes)


def test_the_notes_say_protocol_n_seeds_dtype_and_conventions(results):
    notes = read_table("sr", results(sr("a", [0]), sr("a", [0], seed=1))).notes
    assert notes[0] == "Protocol 1; dtype float32; device cpu; torch 2.13.0; 2 cells, seeds 0, 1."
    assert any("Clopper–Pearson" in note for note in notes) and any(
        "n counts inputs" in note for note in notes
    )


def test_csv_round_trips_through_pandas_with_infinity(results):
    folder = results(sr("a", [1], log10=math.inf), sr("b", [0]))
    back = pd.read_csv(io.StringIO(render(read_table("sr", folder), "csv"))).set_index("entry")
    assert list(back.reset_index().columns) == COLUMNS["sr"]
    assert back.loc["a", "max_abs_log10"] == math.inf
    assert back.loc["b", "error_pct"] == 0
    assert back["critical_radius"].isna().all()
    pd.testing.assert_frame_equal(
        back.reset_index()[COLUMNS["sr"]],
        read_table("sr", folder).frame,
        check_dtype=False,
        check_exact=True,
    )


def test_json_is_strict(results):
    folder = results(sr("a", [1], log10=math.inf))
    document = json.loads(
        render(read_table("sr", folder), "json"), parse_constant=lambda c: pytest.fail(c)
    )
    assert document["rows"][0]["max_abs_log10"] == "Infinity"
    assert document["rows"][0]["lpips"] is None


@pytest.mark.parametrize("style", ["md", "html"])
def test_a_name_that_is_markup_is_shown_as_text(results, style):
    text = render(read_table("sr", results(sr("<img onerror=x>|", [0]))), style)
    assert "<img" not in text
    assert "&lt;img" in text


def test_tex_escapes_what_tex_would_read(results):
    text = render(read_table("sr", results(sr(r"a_b&50%\x{}", [0]))), "tex", screen=True)
    assert r"a\_b\&50\%\textbackslash{}x\{\}" in text
    assert r"\toprule" in text
    assert r"error\_pct" in text


@pytest.mark.parametrize("style", list(FORMATS))
def test_every_format_is_the_same_twice(results, style):
    folder = results(sr("a", [1, 0]), sr("b", [0, 0]))
    assert render(read_table("sr", folder), style) == render(read_table("sr", folder), style)


def test_a_cell_cut_in_half_is_named_in_the_notes_and_the_rest_is_shown(results):
    folder = results(sr("a", [0]), sr("b", [0]))
    path = folder / sr("b", [0]).spec.path
    path.write_text(path.read_text()[:100])
    table = read_table("sr", folder)
    assert list(table.frame["entry"]) == ["a"]
    assert any(str(path) in note for note in table.notes)


def test_no_results_say_what_to_run(tmp_path):
    with pytest.raises(UsageError, match=r"invbench run --track sr --results"):
        invbench.leaderboard("sr", tmp_path)
    with pytest.raises(UsageError, match="track 'nope'"):
        invbench.leaderboard("nope", tmp_path)


def test_rows_of_different_budgets_are_pointed_out(results):
    other = sr("b", [0])
    spec = other.spec.model_copy(update={"settings": {"limit": 6}})
    folder = results(sr("a", [0]), other.model_copy(update={"spec": spec, "key": spec.key}))
    assert any("different budgets" in note for note in read_table("sr", folder).notes)


def test_a_run_in_another_dtype_or_on_another_device_is_a_row_of_its_own():
    cells = [sr("a", [0, 1])]
    for change in ({"dtype": "float64"}, {"device": "cuda"}):
        spec = cells[0].spec.model_copy(update=change)
        cells.append(cells[0].model_copy(update={"spec": spec, "key": spec.key}))
    rows = {row["case"]: row["n"] for row in make_rows(cells, "sr")}
    assert rows == {"embedded/clean": 2, "embedded/clean [float64]": 2, "embedded/clean [cuda]": 2}


@pytest.mark.parametrize(
    ("part", "dtype", "device", "row"),
    [
        ("#stretch", "float64", "cpu", "embedded/clean"),
        ("#stretch", "float64", "cuda", "embedded/clean [cuda]"),
        ("#radius", "float32", "cpu", "embedded/clean"),
        ("#radius", "float64", "cpu", "embedded/clean [float64]"),
        ("#fp16", "float32", "cuda", "embedded/clean (fp16) [cuda]"),
    ],
)
def test_the_other_cells_of_a_case_stand_in_the_row_of_their_run(part, dtype, device, row):
    one = sr("a", [0, 1])
    spec = spec_named("sr", "a", one.spec.case + part, dtype=dtype, device=device)
    ((case, _),) = gathered([one.model_copy(update={"spec": spec, "key": spec.key})], "sr")
    assert case == row

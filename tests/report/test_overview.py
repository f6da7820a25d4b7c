"""The overview: a row per design and cure, ranked like the tables, every number with its cells, and
a sentence that the numbers make."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from invbench.report.charts import Evidence
from invbench.report.rows import current_cells
from invbench.report.site.figures import FIGURES
from invbench.report.site.overview import joined, tables
from invbench.report.site.sentence import sentences
from invbench.store.cell import Cell
from invbench.store.index import Index
from invbench.store.store import Store
from tests.support.site_results import cell, samples

FLOW = {"flow": "srflow", "size": "mini"}
CURED = {"flow": "srflow(conv1x1=orthogonal,split=bounded)", "size": "mini"}
PHOTOGRAPHS = 12


def of(
    entry: str, share: float, settings=FLOW, clean: float = 0.0, conditions=("noise-3",)
) -> list[Cell]:
    """Cells of an entry on 12 photographs, ``share`` of which fail when changed and attacked."""

    def measures(part: float) -> dict:
        found = samples(1, part, 2 * PHOTOGRAPHS)
        return found | {"error": [int(i // 2 < part * PHOTOGRAPHS) for i in range(2 * PHOTOGRAPHS)]}

    cells = [cell("sr", entry, "embedded/clean", settings=settings, **measures(clean))]
    cells += [
        cell("sr", entry, f"embedded/{name}", settings=settings, **measures(share))
        for name in conditions
    ]
    attack = settings | {"eps_255": 8}
    cells.append(
        cell("sr", entry, "embedded/attack-condition-8", settings=attack, **measures(share))
    )
    cells.append(cell("sr", entry, "certificate", settings=settings, max_abs=10.0 ** (1 + share)))
    return cells


def overview(folder: Path, *groups: list[Cell], track: str = "sr") -> list[dict]:
    store = Store(folder)
    for one in (one for group in groups for one in group):
        store.write(one)
    shown, stale = current_cells(Index(folder).cells(track))
    assert stale == []
    return tables(Evidence(track, shown))


def by_name(table: dict) -> dict[str, dict]:
    return {row["name"]: row for row in table["rows"]}


def test_row_has_rates_sizes_bound_and_the_cells_of_each(tmp_path):
    (table,) = overview(tmp_path, of("additive", 0.25), of("affine", 1.0, clean=0.5))
    rows = by_name(table)
    assert list(rows) == ["additive", "affine"] and table["ranked"] == "changed"
    assert table["sentences"][0] == (
        "Of 2 entries, additive fails least on changed conditions, and every other can be told "
        "from it."
    )
    figures = rows["affine"]["figures"]
    assert [figures[k]["x"] for k in ("clean", "changed", "attacked")] == [50.0, 100.0, 100.0]
    assert figures["clean"]["lo"] < 50 < figures["clean"]["hi"]
    assert figures["largest"]["x"] == pytest.approx(3.1)
    assert figures["certified"]["x"] == pytest.approx(2.0)
    assert figures["lr_psnr"]["x"] == 40.0
    for row in table["rows"]:
        for figure in row["figures"].values():
            own = row["o"][figure["o"]]
            assert own["files"] and own["command"].startswith("invbench run --track sr --entry")
    assert rows["affine"]["o"]["changed"]["count"] == 1
    assert "attack" not in rows["affine"]["o"]["changed"]["command"]
    assert "--attack condition" in rows["affine"]["o"]["attacked"]["command"]
    assert rows["affine"]["o"]["proof"]["count"] == 1


def test_overview_agrees_with_the_pooled_rows_of_the_track(tmp_path):
    entries = (of("additive", 0.1), of("affine", 1.0), of("rq", 0.2))
    (table,) = overview(tmp_path, *entries)
    pooled = Evidence("sr", current_cells(Index(tmp_path).cells("sr"))[0]).pooled
    for row in pooled:
        role = {"clean": "clean", "ood": "changed", "attacked": "attacked"}[row["case"][9:]]
        mine = by_name(table)[row["entry"]]
        assert mine["figures"][role]["x"] == row["error_pct"]
        if role == "changed":
            assert [mine["rank"][c] for c in ("rank_lo", "rank_hi", "tier")] == [
                row[c] for c in ("rank_lo", "rank_hi", "tier")
            ]


def test_cures_have_rows_of_their_own_and_are_ranked_with_the_designs(tmp_path):
    (table,) = overview(
        tmp_path, of("affine", 1.0), of("affine+guard", 0.0), of("affine", 0.0, CURED)
    )
    rows = by_name(table)
    cured = "affine (conv1x1=orthogonal,split=bounded)"
    assert set(rows) == {"affine", "affine+guard", cured}
    assert rows[cured]["entry"] == "affine"
    assert rows[cured]["options"] == "(conv1x1=orthogonal,split=bounded)"
    assert [rows[n]["rank"]["tier"] for n in ("affine+guard", cured, "affine")] == [1, 1, 2]
    # of two that never fail the first is the best, and the sentence speaks of that one
    assert "1 cannot be told from it" in table["sentences"][0]
    assert rows[cured]["figures"]["certified"]["x"] == pytest.approx(1.0)
    assert rows["affine"]["figures"]["certified"]["x"] == pytest.approx(2.0)


def test_cure_that_has_seen_more_takes_no_rank_from_the_designs(tmp_path):
    more = of("affine", 0.0, CURED, conditions=("noise-3", "noise-4"))
    (table,) = overview(tmp_path, of("affine", 1.0), of("additive", 0.0), more)
    rows = by_name(table)
    assert [rows[name]["rank"]["tier"] for name in ("additive", "affine")] == [1, 2]
    assert rows["affine (conv1x1=orthogonal,split=bounded)"]["rank"]["tier"] is None


def test_another_flow_has_a_table_of_its_own(tmp_path):
    other = {"flow": "fs_ncsr", "size": "mini"}
    own, second = overview(tmp_path, of("affine", 1.0), of("affine", 0.0, other))
    assert [own["id"], second["id"]] == ["sr-srflow", "sr-fs_ncsr"]
    assert own["rows"][0]["figures"]["changed"]["x"] == 100.0
    assert second["rows"][0]["figures"]["changed"]["x"] == 0.0


def test_column_without_a_number_is_left_out_and_one_from_another_track_names_its_row(tmp_path):
    (table,) = overview(tmp_path, of("affine", 1.0), of("affine", 0.0, CURED))
    joined([table], [])
    keys = [column["key"] for column in table["columns"]]
    assert "changed" in keys and not {"bits", "decode", "radius"} & set(keys)
    columns = ["entry", "case", "inverse_ns"]
    track = {"name": "coupling", "columns": columns, "rows": [{"v": ["affine", "corpus", 3.5]}]}
    joined([table], [track])
    rows = by_name(table)
    assert rows["affine"]["figures"]["decode"] == {"x": 3.5, "row": ["coupling", "affine|corpus"]}
    assert "decode" not in rows["affine (conv1x1=orthogonal,split=bounded)"]["figures"]
    assert table["columns"][-1]["key"] == "decode"


def test_infinite_bound_is_said_and_one_that_is_missing_is_not_invented(tmp_path):
    cells = [one for one in of("affine", 1.0) if one.spec.measure != "certificate"]
    infinite = cell("sr", "additive", "certificate", settings=FLOW, max_abs="Infinity")
    bounded = [one for one in of("additive", 0.0) if one.spec.measure != "certificate"]
    (table,) = overview(tmp_path, cells, [*bounded, infinite])
    rows = by_name(table)
    assert rows["additive"]["figures"]["certified"]["x"] == "Infinity"
    assert "certified" not in rows["affine"]["figures"] and "proof" not in rows["affine"]["o"]


def test_every_figure_has_a_meaning(tmp_path):
    from invbench.report.column_docs import meanings

    known = meanings()
    # of tracks that may come: until one has the column, no table shows it
    assert {figure.column for figure in FIGURES} - set(known) <= {"bits", "decode_ratio"}


def row(name: str, rate: float, tier: int | None, apart: bool = False, of="training") -> dict:
    ranked = {} if tier is None else {"tier": tier, "rank_of": of}
    return {"name": name, "error_pct": rate, "about": {"best": False, "from_best": apart}} | ranked


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [row("b", 30.0, 1), row("a", 20.0, 1), row("c", 90.0, 2, True)],
            "Of 3 entries, a fails least on changed conditions; 1 cannot be told from it: b.",
        ),
        (
            [row("a", 0.0, 1), row("b", 50.0, 2, True)],
            "Of 2 entries, a fails least on changed conditions, and every other can be told from it.",
        ),
        (
            [row("a", 0.0, 1), row("b", 50.0, 1)],
            "Of 2 entries, none can be told from another on changed conditions.",
        ),
        (
            # in the second tier, since c is told from b, but not from the best
            [row("a", 0.0, 1), row("b", 1.0, 1), row("c", 9.0, 2)],
            "Of 3 entries, a fails least on changed conditions, and none can be told from it.",
        ),
        (
            [row("a", 0.0, 1), row("b", 5.0, 1), row("x", math.nan, None)],
            "Of 3 entries (2 ranked), none can be told from another on changed conditions.",
        ),
        (
            [row("a", 0.0, 1), row("x", math.nan, None)],
            "Of 2 entries, a is ranked alone: there is nothing to compare on changed conditions.",
        ),
        (
            [row("x", math.nan, None)],
            "Of 1 entry, none is ranked: there is nothing to compare on changed conditions.",
        ),
    ],
)
def test_first_sentence_is_made_of_the_numbers(rows, said):
    assert sentences(rows, "changed")[0] == said


def test_sentences_say_between_which_rates_and_of_what_the_ranks_speak():
    rows = [row("a", 1.25, 1, of="design"), row("z", 99.0, 2, True, of="design")]
    assert sentences(rows, "clean")[1:] == [
        "Between the best and the last, z, 1.2 to 99.0 % of inputs fail.",
        "Each was trained several times: the ranks speak of the designs.",
    ]
    equal = [row("a", 100.0, 1), row("b", 100.0, 1)]
    assert sentences(equal, "attacked")[1:] == [
        "Every ranked entry fails on 100.0 % of inputs.",
        "Each was trained once: the ranks speak of these trainings, not of the designs.",
    ]
    mixed = [row("a", 1.0, 1, of="design"), row("b", 2.0, 1, of="training, spread of others")]
    assert sentences(mixed, "clean")[2].startswith("Some were trained once")

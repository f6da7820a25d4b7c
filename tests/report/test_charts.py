"""Charts for a column of a paper, the heat map, and the certified bound against bits."""

from __future__ import annotations

import struct

import pytest

from invbench.errors import UsageError
from invbench.report.charts import CHARTS, Evidence, tracks_of
from invbench.report.charts.plot import write_chart
from invbench.report.charts.style import on_paper
from invbench.report.rows import current_cells
from invbench.store.index import Index
from tests.support.site_results import DESIGNS, fill


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def evidence(results):
    def of(track: str) -> Evidence:
        return Evidence(track, current_cells(Index(results).cells(track))[0])

    return of


@pytest.mark.parametrize("kind", list(CHARTS))
def test_on_paper_a_chart_has_the_width_and_letters_that_can_be_read(kind, evidence, results):
    from matplotlib.text import Text

    drawn = None
    with on_paper(8):
        for track in tracks_of(kind):
            drawn = drawn or CHARTS[kind].draw(evidence(track))
    assert drawn is not None
    assert drawn.figure.get_size_inches()[0] == pytest.approx(8 / 2.54)
    drawn.figure.canvas.draw()
    texts = [t for t in drawn.figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= (4.8 if kind == "heatmap" else 6)
    edge = drawn.figure.bbox
    for text in texts:
        box = text.get_window_extent()
        if box.width and text.get_in_layout():
            assert box.x0 > edge.x0 - 2 and box.x1 < edge.x1 + 12, text.get_text()


def test_width_is_in_the_file_and_a_senseless_one_is_refused(results, tmp_path):
    write_chart("pareto", tmp_path / "a.png", "sr", results, 8)
    width = struct.unpack(">I", (tmp_path / "a.png").read_bytes()[16:20])[0]
    assert width == pytest.approx(200 * 8 / 2.54, abs=2)
    with pytest.raises(UsageError, match="6 to 40 cm"):
        write_chart("pareto", tmp_path / "a.png", "sr", results, 2)


def test_heat_map_has_the_rates_of_the_rows_and_the_hardest_family_first(evidence):
    own = evidence("sr")
    drawn = CHARTS["heatmap"].draw(own)
    head, *body = drawn.table
    assert head[2:] == [f"severity {s}, %" for s in range(1, 6)]
    shown = [row[:2] for row in body]
    # the one cell of stripes failed; the others fail more often under noise than under jpeg
    assert [family for _, family in shown] == ["stripes", "noise", "jpeg"] * 3
    for entry, family, *rates in body:
        for severity, rate in enumerate(rates, 1):
            row = own.row(entry, f"embedded/{family}-{severity}")
            assert rate == (f"{row['error_pct']:.1f}" if row else "–")
    assert "of 4 entries" in drawn.note


def test_bound_stands_beside_the_fit_and_an_infinite_one_is_drawn_as_such(evidence):
    head, *body = CHARTS["bound"].draw(evidence("toy2d")).table
    assert head[2] == "NLL" and {row[0] for row in body} == set(DESIGNS)
    found = {row[0]: row[2:4] for row in body}
    assert found["additive"] == ["0.5", "1"] and found["affine"] == ["1.5", "∞"]
    assert CHARTS["bound"].draw(evidence("sr")) is None  # no certificate, no bits

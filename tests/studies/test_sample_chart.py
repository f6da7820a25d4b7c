"""``invbench plot fig6``: which photographs are picked, what is framed, what fits a column."""

from __future__ import annotations

import pytest
import torch

from invbench.data.datasets import Pair
from invbench.errors import UsageError
from invbench.report.charts.plot import write_chart
from invbench.report.charts.style import on_paper, png, svg
from invbench.store.index import Index
from invbench.studies.hong2023 import sample_picks
from invbench.studies.hong2023.sample_chart import FRAME, draw
from invbench.studies.hong2023.sample_picks import SHOWN, Row, picks
from invbench.studies.hong2023.samples import Input
from invbench.studies.plots import PLOTS
from tests.support.made_study import cell, made_study

NAMES = ["cat/0", "cat/1", "dog/0"]
FURTHEST = Row("embedded/clean", "affine", True, "furthest and finite")
OVERFLOW = Row("embedded/clean", "affine", False, "not finite")


@pytest.fixture
def decoded(monkeypatch):
    """Flows whose samples are grey, but that sample 3 of ``affine`` has a pixel of 1e6, and of
    ``affine-floor`` one that is not finite."""

    def drawn(design, given):
        x = torch.full((given.samples, 3, 8, 8), 0.5)
        wrong = {"affine": 1e6, "affine-floor": torch.inf}
        x[3, 0, 0, 0] = wrong.get(design, 0.5)
        return x, []

    def input_of(cell, index):
        pair = Pair(cell.measures["names"][index], torch.zeros(3, 2, 2), torch.zeros(3, 8, 8))
        return Input("embedded/clean", pair, pair.low, index)

    monkeypatch.setattr(sample_picks, "input_of", input_of)
    monkeypatch.setattr(sample_picks, "flow_of", lambda cell, design: design)
    monkeypatch.setattr(sample_picks, "drawn", drawn)


@pytest.fixture
def measured():
    one = cell("sr", "affine", "embedded/clean", inf=(0, 0, 1), names=NAMES)
    return one.model_copy(update={"measures": one.measures | {"max_abs_log10": [2.0, 9.0, 39.0]}})


@pytest.fixture
def found(decoded, measured):
    return picks(lambda design, case: [measured], (FURTHEST, OVERFLOW, FURTHEST))


def test_furthest_finite_input_is_picked_and_no_photograph_twice(found):
    assert [pick.given.pair.name for pick in found] == ["cat/1", "dog/0"]
    assert [pick.worst for pick in found] == [3, 3]


def test_on_a_column_letters_can_be_read_and_an_error_is_framed_and_said(found):
    from matplotlib.colors import to_hex
    from matplotlib.text import Text

    with on_paper(8):
        drawing = draw(found)
    figure = drawing.figure
    assert figure.get_figwidth() == pytest.approx(8 / 2.54)
    figure.canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= 6
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 > -2 and box.x1 < figure.bbox.x1 + 2, text.get_text()
    said = {}
    for panel in figure.axes[: len(SHOWN) + 2]:
        spine = panel.spines["left"]
        said[panel.get_title()] = (panel.get_xlabel(), spine.get_visible())
        assert to_hex(spine.get_edgecolor()) == FRAME
    assert said == {
        "input": ("clean", False),
        "affine": ("max 10^6.0", True),
        "affine-floor": ("not finite", True),
        "modified-rq": ("max 10^-0.3", False),
        "truth": ("cat", False),
    }
    head, *body = drawing.table
    assert len(body) == 2 * len(SHOWN) and len({len(row) for row in (head, *body)}) == 1
    assert body[0][2:] == ["affine", "1 of 10", "10^6.0"]


def test_same_samples_give_the_same_bytes(found):
    with on_paper(8):
        once, again = draw(found), draw(found)
    assert svg(once) == svg(again) and png(once) == png(again)


def test_verb_draws_it_from_stored_cells_and_says_what_to_run_without_them(
    decoded, measured, tmp_path
):
    root = made_study(tmp_path / "results", measured).root
    assert Index(root).counts == {"sr": 1}
    file = tmp_path / "fig6.png"
    track, unreadable = write_chart("fig6", file, "", root, 8, PLOTS)
    assert (track, unreadable) == ("sr", []) and file.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="not for track 'toy2d'; it is for: sr"):
        write_chart("fig6", file, "toy2d", root, 8, PLOTS)
    with pytest.raises(UsageError, match=r"no cells for chart 'fig6'.*invbench run --track sr"):
        write_chart("fig6", file, "", tmp_path / "nothing", 8, PLOTS)

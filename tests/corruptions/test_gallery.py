"""The picture of all corruptions: every cell shows what its corruption does, and wrong usage leaves no
file behind."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.corruptions import corrupt
from invbench.corruptions.gallery import GAP, HEAD, LABEL, ZOOM, gallery
from invbench.data.datasets import sr_pairs
from invbench.registry import CORRUPTIONS

PAIR = sr_pairs("embedded", 128, 1, 1)[0]


def test_every_cell_is_the_corruption_of_its_row_at_the_severity_of_its_column():
    picture = np.array(Image.open(io.BytesIO(gallery(PAIR, seed=5))))
    height, width = (ZOOM * side for side in PAIR.low.shape[-2:])
    assert picture.shape == (
        HEAD + len(CORRUPTIONS) * (height + GAP),
        LABEL + 5 * (width + GAP) + GAP,
        3,
    )
    for row, (name, entry) in enumerate(CORRUPTIONS.items()):
        top = HEAD + row * (height + GAP)
        assert (picture[top : top + height, :LABEL] < 128).any(), f"{name}: no label"
        for column in range(5):
            left = LABEL + column * (width + GAP)
            cell = torch.from_numpy(picture[top : top + height, left : left + width]).movedim(-1, 0)
            if column >= len(entry.metadata["strengths"]):
                assert (cell == 255).all(), f"{name}: there is no severity {column + 1}"
                continue
            expected = (corrupt(name, column + 1, [PAIR], 5)[0].clamp(0, 1) * 255).round()
            enlarged = expected.repeat_interleave(ZOOM, 1).repeat_interleave(ZOOM, 2)
            assert torch.equal(cell.float(), enlarged), (name, column + 1)


def test_the_command_writes_the_sheet_and_prints_its_path(invbench, tmp_path):
    path = tmp_path / "new" / "out.png"
    assert invbench("list", "conditions", "--sheet", path) == (0, f"{path}\n", "")
    assert Image.open(path).format == "PNG"
    code, out, _ = invbench("list", "conditions", "--sheet", path, "--json")
    assert (code, json.loads(out)) == (0, {"sheet": str(path)})
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (
            ("attacks", "--sheet", "out.png"),
            "not attacks; run: invbench list conditions --sheet out.png",
        ),
        (("--sheet", "out.png"), "not everything; run: invbench list conditions --sheet out.png"),
        (("conditions", "--sheet", "out.jpg"), "give a name that ends in .png"),
    ],
)
def test_a_sheet_of_something_else_is_refused_with_advice(
    invbench, tmp_path, monkeypatch, arguments, advice
):
    monkeypatch.chdir(tmp_path)
    code, out, error = invbench("list", *arguments)
    assert (code, out) == (2, "")
    assert advice in error
    assert list(tmp_path.iterdir()) == []

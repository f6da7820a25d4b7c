"""JPEG in torch against Pillow, which asks libjpeg."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.corruptions import corrupt
from invbench.corruptions.jpeg import compress
from invbench.data.datasets import sr_pairs

# grass has been a JPEG before, on the grid of these crops: at quality 80 one pixel in six is near a
# tie (one pixel further on, one in sixty)
PHOTOGRAPHS = [
    pair.high for pair in sr_pairs("embedded", 128, 2) if not pair.name.startswith("grass")
]


def pillow(image, quality):
    file = io.BytesIO()
    array = (image.movedim(0, -1) * 255).round().byte().numpy()
    Image.fromarray(array).save(file, "JPEG", quality=quality, subsampling=2)  # 4:2:0
    return torch.from_numpy(np.array(Image.open(file))).movedim(-1, 0).float()


@pytest.mark.parametrize("quality", [80, 50, 25, 10, 5])
def test_jpeg_is_what_pillow_does_but_for_ties(quality):
    off = torch.stack(
        [((compress(x, quality) * 255).round() - pillow(x, quality)).abs() for x in PHOTOGRAPHS]
    )
    assert off.mean() <= 0.3  # grey levels
    assert (off > 2).double().mean() <= 0.02
    # a coefficient that rounds the other way changes its own block, and colour by its upsampling
    # one pixel around it: the rest is right
    assert (off <= 1).double().mean() > 0.95


@pytest.mark.parametrize(("height", "width"), [(1, 16), (17, 5), (30, 41), (8, 129)])
@pytest.mark.parametrize("value", [0, 77, 128, 255])
def test_jpeg_of_a_grey_flat_image_of_any_size_is_pillows(height, width, value):
    image = torch.full((3, height, width), value / 255)
    assert torch.equal((compress(image, 25) * 255).round(), pillow(image, 25))


def test_jpeg_has_these_qualities_mildest_first():
    for severity, quality in enumerate((80, 50, 25, 10, 5), 1):
        assert torch.equal(
            corrupt("jpeg", severity, PHOTOGRAPHS[:1])[0], compress(PHOTOGRAPHS[0], quality)
        )

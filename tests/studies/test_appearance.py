"""What wrong pixels look like, by hand, and as the released code converts them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from invbench.studies.hong2023.appearance import appearance, nan_level, released


def test_appearance_of_wrong_pixels_by_hand():
    x = torch.full((3, 2, 3), 0.5)
    x[:, 0, 0] = torch.tensor([9.0, -9.0, 9.0])  # saturated magenta
    x[:, 0, 1] = torch.tensor([9.0, 0.5, 0.5])  # an error, not saturated
    x[:, 0, 2] = torch.tensor([math.nan, -math.inf, math.nan])  # black on a screen
    x[:, 1, 0] = torch.tensor([math.inf, math.nan, 0.5])  # not black
    x[:, 1, 1] = torch.tensor([-math.inf, -1.0, 0.0])  # black whatever a NaN becomes
    x[:, 1, 2] = torch.tensor([math.inf, math.inf, math.inf])  # white
    assert appearance(x) == pytest.approx(
        {
            "saturated_pct": 50,
            "baseline_pct": math.nan,
            "black_pct": 50,
            "black_least_pct": 25,
            "nan_pct": 50,
        },
        nan_ok=True,
    )
    assert all(
        math.isnan(v) for k, v in appearance(torch.zeros(3, 2, 2)).items() if k != "baseline_pct"
    )


def test_the_released_conversion_is_numpys_clip_and_cast_but_for_nan():
    x = torch.cat((torch.linspace(-1, 2, 1001), torch.tensor([math.inf, -math.inf])))
    expected = (np.clip(x.numpy(), 0, 1) * 255.0).astype(np.uint8)
    assert np.array_equal(released(x, 7).numpy(), expected)
    assert released(torch.tensor([math.nan]), 7).tolist() == [7]
    assert nan_level() in range(256)

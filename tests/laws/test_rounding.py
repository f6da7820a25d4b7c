"""Errors against rounding units, in whichever dtype each of them is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from invbench.laws.judging.rounding import rounding_violations
from invbench.laws.law import Violation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_units_in_another_dtype_than_the_errors_are_compared(dtype):
    """Seen: a layer whose float64 log_det is a float32 (normflows' Planar) was accused of a crash
    that was the judge's own."""

    def unit(rows: Tensor, effort: object) -> Tensor:
        return torch.full((len(rows),), 1e-6, dtype=dtype)

    for error in (torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0], dtype=torch.float64)):
        valid = torch.ones(2, dtype=torch.bool)
        found = rounding_violations(error, unit, valid, "it", least=1e-9)
        (violation,) = [v for v in found if isinstance(v, Violation)]
        assert violation.row == 1 and violation.value == pytest.approx(1e6)

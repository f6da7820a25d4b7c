"""The mean difference of two designs on the same photographs, or the mean of one design, with an
interval over photographs and over trainings."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from invbench.measures.paired import HUGE, LEVEL, cluster_sums, mean_interval, sign_flip
from invbench.measures.pairwise import banerjee
from invbench.measures.statistics import training_parts

__all__ = ["Contrast", "contrast"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contrast:
    """A ``mean`` with its 95 % interval and the p-value of "no difference". ``overall``: it is
    about the designs; else about the trainings at hand."""

    mean: float
    low: float
    high: float
    p: float
    overall: bool


def contrast(values: Array, clusters: Sequence[Hashable], most: float = math.inf) -> Contrast:
    """The contrast of ``values``: (T_a, T_b, N), the difference of each training of design a to
    each of design b on each input; or (T, N), the values of one design.

    ``clusters`` (N,): the photograph of an input. ``most``: the largest |value| that is possible.

    Over photographs: ``mean_interval`` and ``sign_flip`` of the means over trainings. Over
    trainings: V_T = σ²(1/T_a + 1/T_b) with σ² pooled over both designs and ν = T_a + T_b − 2, so a
    design with one training gets the other's σ²; for one design V_T = σ²/T and ν = T − 1. The half
    width is √(h_P² + t²_ν·V_T). p is the larger of that of the sign-flip test and that of Banerjee
    (``pairwise``). Where each design was trained once, only photographs count.
    """
    finite = np.nan_to_num(values, nan=0.0, posinf=HUGE, neginf=-HUGE)
    designs = tuple(range(finite.ndim - 1))
    of_inputs = finite.mean(designs)
    mean, low, high = mean_interval(of_inputs, clusters)
    p = sign_flip(of_inputs, clusters)
    counts = np.array(finite.shape[:-1])
    freedom = int((counts - 1).sum())
    if not freedom:
        return Contrast(mean, low, high, p, False)
    sums, sizes = cluster_sums(np.moveaxis(finite, -1, 0), clusters)  # (P, T_a, T_b) or (P, T)
    sides = [sums.mean(tuple(1 + other for other in designs if other != own)).T for own in designs]
    squares = sum(
        t * (t - 1) * training_parts(side, sizes)[0]
        for t, side in zip(counts.tolist(), sides, strict=True)
    )  # (T − 1) s², as training_parts gives s²/T
    of_trainings = squares / freedom * float((1 / counts).sum())
    if len(sizes) > 1:
        n = len(sizes)
        deviations = sums.mean(tuple(1 + own for own in designs)) - mean * sizes
        of_photos = n / (n - 1) * float((deviations**2).sum()) / float(sizes.sum()) ** 2
        p = max(
            p,
            float(
                banerjee(
                    np.array([mean**2]),
                    np.array([of_photos]),
                    np.array([of_trainings]),
                    n - 1,
                    freedom,
                )[0]
            ),
        )
    reach = float(stdtrit(freedom, LEVEL / 2) ** 2) * of_trainings
    wide_low, wide_high = (
        mean - math.sqrt((mean - low) ** 2 + reach),
        mean + math.sqrt((high - mean) ** 2 + reach),
    )
    return Contrast(mean, max(wide_low, -most), min(wide_high, most), p, True)

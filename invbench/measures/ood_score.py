"""The OOD score: how far a condition lies from the training conditions, as the encoder g_θ sees it
(Hong, Park, Chun, ICCV 2023, eq. 10 and 11).

    d_M(v, p) = √((v − μ)ᵀ Σ⁻¹ (v − μ)),   μ = E[u], u ~ p                           (10)
    s_OOD(y′) = d_M(g_θ(y′), p),   p: distribution of g_θ(y) over training patches y   (11)

Eq. 10 prints Σ as the second moment E[uuᵀ], which hardly notices a move along μ. Mahalanobis (1936)
and the paper's source (Lee et al., NeurIPS 2018) have the covariance E[(u − μ)(u − μ)ᵀ]. Both are
offered (``centred``). Either is estimated with the shrinkage of Ledoit and Wolf (2004) in float64,
and inverted by a Cholesky solve.

g_θ(y) is a map of features, and eq. 11 does not say how it becomes a vector u. There are three
readings (``POOLINGS``):

mean   the mean over positions, one vector of C per patch, as in Lee et al.; any patch size.
Default. worst  one vector of C per position; the score of a patch is that of its most distant
position, since explosions start at one place flat   the whole map as one vector of C·h·w, eq. 11 to
the letter; patches of the training size only
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import cholesky, solve_triangular
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from invbench.errors import UsageError

__all__ = ["POOLINGS", "OODScore"]

# features (B, C, h, w) -> vectors u of each patch, (B, m, d)
POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda g: g.flatten(2).mean(2)[:, None],
    "worst": lambda g: g.flatten(2).movedim(1, 2),
    "flat": lambda g: g.flatten(1)[:, None],
}
BLOCK = 1 << 20  # vector entries that are solved at once, to bound memory


@dataclass(frozen=True)
class OODScore:
    """s_OOD (eq. 11) of patches by their features.

    ``mean``: μ, (d,). ``factor``: the lower Cholesky factor L of Σ = LLᵀ, (d, d). ``shrinkage``:
    the weight in [0, 1] that Ledoit and Wolf give to a multiple of the identity. ``vectors``: how
    many vectors u were fitted.
    """

    mean: np.ndarray
    factor: np.ndarray
    pooling: str
    centred: bool
    shrinkage: float
    vectors: int

    @classmethod
    def fit(cls, features: Tensor, pooling: str = "mean", centred: bool = True) -> OODScore:
        """Fit to g_θ of training patches, (N, C, h, w). ``centred=False`` takes eq. 10 as printed.

        Raises ``UsageError`` when the pooling is unknown, a feature is not finite, there are fewer
        than two vectors, or all are equal.
        """
        vectors = _vectors(features, pooling)
        u = vectors.reshape(-1, vectors.shape[-1])
        if not np.isfinite(u).all():
            raise UsageError(
                "OOD score: a feature of a training patch is not finite; look for a diverged "
                "encoder"
            )
        if len(u) < 2:
            raise UsageError(f"OOD score: {len(u)} training vectors; give two or more")
        sigma, shrinkage = ledoit_wolf(u, assume_centered=not centred)
        try:
            factor = cholesky(sigma, lower=True)
        except LinAlgError:
            raise UsageError(
                "OOD score: Σ is singular; the training features do not vary, give other patches"
            ) from None
        return cls(u.mean(0), factor, pooling, centred, float(shrinkage), len(u))

    def __call__(self, features: Tensor) -> np.ndarray:
        """s_OOD ≥ 0 of patches with features (B, C, h, w), (B,), float64; infinite where a feature
        is not finite.

        Raises ``UsageError`` when the vectors have another length than in training.
        """
        vectors = _vectors(features, self.pooling)
        patches, positions, d = vectors.shape
        if d != len(self.mean):
            raise UsageError(
                f"OOD score: vectors of length {d}, but it was fitted on {len(self.mean)} "
                f"({self.pooling}); "
                "give features of the same flow and, with 'flat', patches of the same size"
            )
        finite = np.isfinite(vectors).all((1, 2))
        v = np.where(finite[:, None, None], vectors, self.mean) - self.mean
        step = max(1, BLOCK // d)
        rows = v.reshape(-1, d)
        squares = [
            # ‖L⁻¹(v − μ)‖²
            np.square(solve_triangular(self.factor, rows[k : k + step].T, lower=True)).sum(0)
            for k in range(0, len(rows), step)
        ]
        distances = np.sqrt(np.concatenate(squares)) if squares else np.zeros(0)
        largest = distances.reshape(patches, positions).max(1) if patches else distances
        return np.where(finite, largest, np.inf)


def _vectors(features: Tensor, pooling: str) -> np.ndarray:
    if pooling not in POOLINGS:
        raise UsageError(
            f"OOD score: pooling {pooling!r} is not known; known: {', '.join(POOLINGS)}"
        )
    if features.dim() != 4:
        raise UsageError(
            f"OOD score: features of shape {tuple(features.shape)}; give (patches, channels, "
            f"rows, columns)"
        )
    return POOLINGS[pooling](features.detach().cpu().double()).numpy()

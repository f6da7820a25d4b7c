"""Rounding by simulation: every arithmetic result inside a call is moved by a relative ±2u (Parker,
Monte Carlo arithmetic, 1997).

It shows what cancels inside a layer but not in its inputs or weights. The simulation runs the
layer's own code, so it counts on appeal only. It excuses everything for weights that strain the
layer, and little for its own weights, with which a formula must not lose digits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from invbench.laws.subject import Subject

__all__ = ["jittered"]

COPIES = 4
ARITHMETIC = frozenset(
    "add sub mul div matmul linear conv1d conv2d conv3d addmm bmm einsum exp expm1 log "
    "log1p tanh sigmoid softplus logsigmoid sum mean "
    "cumsum pow sqrt rsqrt square norm det logdet slogdet inv solve solve_triangular "
    "reciprocal softmax log_softmax logsumexp "
    "true_divide __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ "
    "__rtruediv__ __matmul__ __pow__ __rpow__ rsub "
    "atanh atan sinh cosh erf erfinv lerp prod var std linalg_inv linalg_solve linalg_det "
    "linalg_slogdet".split()
)
SOLVERS = frozenset(
    "solve inv linalg_inv linalg_solve solve_triangular linalg_solve_triangular lu_solve "
    "linalg_lu_solve det logdet slogdet "
    "linalg_det linalg_slogdet cholesky linalg_cholesky cholesky_solve qr linalg_qr "
    "matrix_exp".split()
)


class _Jitter(TorchFunctionMode):
    def __init__(self, u: float, seed: int) -> None:
        super().__init__()
        self.u, self.generator = u, torch.Generator().manual_seed(seed)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in SOLVERS:  # a backward-stable solver is exact for a matrix a rounding away
            args = tuple(self._beside(a) for a in args)
        out = func(*args, **(kwargs or {}))
        return self._moved(out) if name in ARITHMETIC else out

    def _beside(self, a: Any) -> Any:
        """A square matrix moved by a rounding of its largest entry, zeros too; anything else by one
        of its own size."""
        if (
            isinstance(a, Tensor)
            and a.is_floating_point()
            and a.ndim >= 2
            and a.shape[-1] == a.shape[-2]
        ):
            signs = 2 * torch.randint(0, 2, a.shape, generator=self.generator).double() - 1
            return a + (2 * self.u * signs).to(a.dtype) * a.abs().amax((-2, -1), keepdim=True)
        return self._moved(a)

    def _moved(self, out: Any) -> Any:
        if isinstance(out, Tensor) and out.is_floating_point():
            signs = 2 * torch.randint(0, 2, out.shape, generator=self.generator).double() - 1
            # 1 + u is 1 in the dtype whose u it is
            return out * (1 + 2 * self.u * signs).to(out.dtype)
        return out


def jittered(
    reference: Subject, v: Tensor, cond: Tensor | None, u: float, inverse: bool
) -> list[tuple[Tensor, Tensor]]:
    """(value, log_det; log-slope of a coupling) of a direction of the float64 reference, under four
    simulations of rounding to u."""
    results = []
    for seed in range(COPIES):
        with torch.no_grad(), _Jitter(u, seed):
            results.append(
                reference.log_slopes(v, cond, inverse)
                if reference.elementwise
                else reference.direction(inverse)(v, cond)
            )
    return results

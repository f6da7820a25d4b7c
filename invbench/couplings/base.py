"""The contract of a coupling design: an elementwise monotone bijection."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor, nn

__all__ = ["Elementwise"]


class Elementwise(nn.Module):
    """An elementwise monotone bijection c(x; h) whose parameters h come raw from a conditioner.

    A subclass sets ``n_params`` and defines ``forward`` and ``inverse``. Forward is data → noise.

    ============== =========================================================================
    ``n_params``   number of raw conditioner outputs per element
    ``forward``    ``(x, params) -> (y, log|dy/dx|)``, both of ``x.shape``
    ``inverse``    ``(y, params) -> (x, log|dx/dy|)``, both of ``y.shape``
    ============== =========================================================================

    ``params`` has shape ``(n_params, *x.shape)``; ``x`` may be of any rank.

    Optional, used where given and otherwise measured:

    ``slope_bounds(params)``
        exact ``(inf, sup)`` of c′ over all x, each of shape ``params.shape[1:]``;
    ``slope_range``
        ``(s_l, s_u)``, bounds on c′ over all x *and all parameters*;
    ``displacement``
        sup over y and parameters of ``|c⁻¹(y) − (y − t)|``, t the design's shift; may be infinite;
    ``shift_bound``
        sup ``|t|`` over parameters; absent for a free shift;
    ``tail_slopes_equal``
        whether c′(−∞) = c′(+∞) = 1 for all parameters (Hong, Park, Chun, ICCV 2023, Remark 2);
    ``metadata``
        ``citation``, ``year``, ``family``, ``formula``.
    """

    n_params: int
    slope_range: ClassVar[tuple[float, float] | None] = None
    displacement: ClassVar[float | None] = None
    tail_slopes_equal: ClassVar[bool | None] = None
    metadata: ClassVar[dict[str, Any]] = {}

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError  # a subclass without it is refused at registration

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError  # a subclass without it is refused at registration

    @classmethod
    def contract_violation(cls) -> str | None:
        """Why ``cls`` is no coupling, in words, or None."""
        for name, signature in (
            ("forward", "forward(self, x, params)"),
            ("inverse", "inverse(self, y, params)"),
        ):
            if getattr(cls, name) is getattr(Elementwise, name):
                return f"has no {name}; define {signature} returning (value, log-slope)"
        n = getattr(cls, "n_params", None)
        if isinstance(n, property) or n is None and "__init__" in cls.__dict__:
            return None  # set per instance
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            return f"has n_params = {n!r}; set the class attribute n_params to a positive integer"
        slopes = cls.slope_range
        if slopes is not None and not 0 <= slopes[0] <= slopes[1] <= math.inf:
            return f"has slope_range = {slopes!r}; it must be (s_l, s_u) with 0 <= s_l <= s_u"
        return None

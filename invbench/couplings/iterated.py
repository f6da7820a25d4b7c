"""The base class of the designs whose inverse is a root that no formula gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise
from invbench.couplings.root import Function, attempted_root, monotone_root, through_root

__all__ = ["Iterated", "Problem"]


class Problem(NamedTuple):
    """The arguments of ``monotone_root``, and what makes x of the root."""

    function: Function
    y: Tensor
    low: Tensor
    high: Tensor
    start: Tensor | None = None
    given: Sequence[Tensor] = ()
    noise: float = 0.0
    finish: Callable[[Tensor], Tensor] = lambda root: root
    coarse: Problem | None = None  # its root, in less precision, is the start

    def solved(self) -> Tensor:
        start = self.start if self.coarse is None else self.coarse.solved().to(self.y.dtype)
        return self.finish(
            monotone_root(self.function, self.y, self.low, self.high, start, self.given, self.noise)
        )

    def attempted(self, steps: int, coarse_steps: int = 0) -> tuple[Tensor, Tensor]:
        """What ``steps`` steps give, and for whom that is what ``solved`` gives."""
        start = self.start
        if self.coarse is not None:
            start = self.coarse.attempted(coarse_steps)[0].to(self.y.dtype)
        root, done = attempted_root(
            self.function, self.y, self.low, self.high, start, self.given, self.noise, steps=steps
        )
        return self.finish(root), done


class Iterated(CheckedElementwise):
    """A coupling that states its inverse as a root in a proven bracket: ``problem(y, params)``.

    Eager code iterates until all are done. A compiled kernel makes ``steps`` steps, which is enough
    for nearly all inputs; eager code finishes the others (``compiled``).
    """

    closed_inverse = False
    steps: ClassVar[int]
    coarse_steps: ClassVar[int] = 0

    def problem(self, y: Tensor, params: Tensor) -> Problem:
        raise NotImplementedError

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            x = self.problem(y, params).solved()
        return self.through(x, y, params)

    def attempt(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``decode`` without a branch, and which elements are as ``decode`` leaves them."""
        with torch.no_grad():
            x, done = self.problem(y, params).attempted(self.steps, self.coarse_steps)
            return x, -self.encode(x, params)[1], done

    def through(self, x: Tensor, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(x, −log c′(x)) of the root x, with gradients."""
        return through_root(x, y, lambda x: self.encode(x, params))

    def widened(self, v: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Both in the dtype of the computation, as ``CheckedElementwise`` has them."""
        wide = torch.promote_types(torch.promote_types(v.dtype, params.dtype), self.working)
        return v.to(wide), params.to(wide)

"""The subject of the laws of distributions: ``log_prob`` and ``sample`` of any library with one
interface, and its float64 reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions.constraints import Constraint

from invbench.declaration import Declaration, Shape
from invbench.errors import UsageError
from invbench.laws.distributions.forms import Form, View, attempt
from invbench.laws.judging.recast import modules_of, recast
from invbench.laws.support import known_support, within

__all__ = ["DistributionSubject", "seeded"]


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """Within it, a plain torch.randn is of the dtype: many bases draw so."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Within it, torch's global generators start from ``seed``; afterwards they are as they
    were."""
    devices = [torch.device(device).index or 0] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True, eq=False)
class DistributionSubject:
    """One distribution in one dtype. Rows are (n, *batch_shape, *event_shape). A condition is (1,
    *cond_shape), or there is one for every row.

    ``lead``: where ``sample`` puts the rows: (n, …), (1, n, …) or (n, 1, …), where 1 is the
    condition. ``guesses``: what was found out by calling, in sentences. ``declaration``: what the
    target declares.
    """

    name: str
    obj: Any
    view: View
    sampling: Form
    density: Form
    event_shape: Shape
    batch_shape: Shape
    cond_shape: Shape | None
    dtype: torch.dtype
    device: str
    lead: str = "n"
    declaration: Declaration = field(default_factory=Declaration)
    guesses: list[str] = field(default_factory=list)

    def given(self, cond: Tensor | None) -> Any:
        """The object with ``log_prob`` and ``sample``, under conditions (rows, *cond_shape)."""
        with torch.no_grad(), _default(self.dtype):
            return self.view.at(self.obj, cond)

    def raw_sample(self, n: int, cond: Tensor | None) -> Any:
        """What ``sample`` returns."""
        with torch.no_grad(), _default(self.dtype):
            return self.sampling.call(
                self.given(cond), n, None if self.view.takes_condition else cond
            )

    def sample(self, n: int, cond: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(n rows, their log_prob where ``sample`` returns it), under one condition (1,
        *cond_shape)."""
        returned = self.raw_sample(n, cond)
        value, log_prob = (
            returned
            if isinstance(returned, (tuple, list)) and len(returned) > 1
            else (returned, None)
        )
        rows = (n, *self.batch_shape, *self.event_shape)
        kept = isinstance(log_prob, Tensor) and log_prob.numel() == math.prod(
            (n, *self.batch_shape)
        )
        return value.reshape(rows), log_prob.reshape(n, *self.batch_shape) if kept else None

    def log_prob(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """log_prob of rows; one condition for all of them, or one for each."""
        with torch.no_grad(), _default(self.dtype):
            if self.view.takes_condition and cond is not None:
                return self.density.call(
                    self.given(cond.expand(x.shape[0], *cond.shape[1:])), x, None
                )
            return self.density.call(self.given(cond), x, cond)

    def inner(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """A call of another of its methods, in the dtype."""
        with torch.no_grad(), _default(self.dtype):
            return method(*arguments)

    def proper(self, n: int, cond: Tensor | None = None) -> Tensor:
        """n samples that are finite and inside the support, as far as 16 n draws contain them.
        Rounding may put some on its edge."""
        x = self.sample(16 * n, cond)[0]
        good = x.isfinite() if x.is_floating_point() else torch.ones_like(x, dtype=torch.bool)
        fine = good.reshape(16 * n, -1).all(1) & self.inside(x, cond).reshape(16 * n, -1).all(1)
        return torch.cat([x[fine], x[~fine]])[:n]

    def inside(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """Per row and batch element, whether it lies in the support. Where none is known, finite
        values do."""
        given = self.given(cond if cond is None else cond.expand(x.shape[0], *cond.shape[1:]))
        return within(given, self.declaration.domain, x, x.ndim - len(self.event_shape))

    def support(self, cond: Tensor | None = None) -> Constraint | None:
        """The support, declared or told by the object."""
        return self.declaration.domain or known_support(self.given(cond))

    @property
    def dim(self) -> int:
        return math.prod(self.event_shape)

    @cached_property
    def modules(self) -> list[nn.Module]:
        return modules_of(self.obj)

    @cached_property
    def float64_reference(self) -> DistributionSubject | None:
        """The same parameters in float64; None when it does not compute in float64 throughout."""
        if self.dtype == torch.float64:
            return self

        def build() -> DistributionSubject | None:
            reference = replace(
                self, obj=recast(self.obj, torch.float64, self.device), dtype=torch.float64
            )
            log_prob = reference.log_prob(
                self.sample(5, self.condition(0))[0].double(), reference.condition(0)
            )
            return reference if log_prob.dtype == torch.float64 else None

        with seeded(0, self.device):
            return attempt(build)[0]

    def condition(self, index: int) -> Tensor | None:
        """One condition (1, *cond_shape): from N(0, 1), mapped into the declared space. The global
        generator is not touched."""
        if self.cond_shape is None:
            return None
        generator = torch.Generator().manual_seed(1000 + index)
        z = torch.randn((1, *self.cond_shape), generator=generator, dtype=torch.float64)
        space = self.declaration.condition
        if isinstance(space, tuple):
            raise UsageError(
                f"{self.name}: several conditions cannot be handed to a distribution; wrap them "
                f"into one"
            )
        if space is None:
            return z.to(self.device, self.dtype)
        if space.is_discrete:
            low = int(getattr(space, "lower_bound", 0))
            high = int(getattr(space, "upper_bound", 1))
            drawn = torch.randint(low, high + 1, z.shape, generator=generator)
            return drawn.to(self.device)
        return torch.distributions.transform_to(space)(z).to(self.device, self.dtype)

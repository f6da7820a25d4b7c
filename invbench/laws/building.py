"""A subject built from a target."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from invbench.couplings.base import Elementwise
from invbench.declaration import Declaration
from invbench.devices import without_gpu
from invbench.errors import UsageError
from invbench.laws.space import packing
from invbench.laws.subject import SEED, Subject
from invbench.targets import Target

__all__ = ["subject_of"]

EVENT = (6,)  # elementwise couplings are tested on rows of six elements


def subject_of(
    target: Target, dtype: torch.dtype, device: str = "cpu", survey: bool = True
) -> Subject:
    """Build the target with the fixed seed 20231001. With ``survey``, undeclared properties are
    assumed where the layer shows them.

    Raises ``UsageError`` when the target cannot be built, or when it contradicts its declaration.
    """
    kind, make = target.kind, target.make

    def build(seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return make(seed) if kind == "layer" else make()  # type: ignore[no-any-return]

    if kind not in ("coupling", "layer"):
        raise UsageError(
            f"{target.name!r} is a {kind}; properties are checked on couplings and layers"
        )
    metadata = dict(target.entry.metadata)
    with without_gpu(target.name):
        try:
            module = build(SEED).to(device, dtype).eval()
        except UsageError:
            raise
        except Exception as error:  # a stranger's constructor may raise anything
            raise UsageError(
                f"{kind} {target.name!r} cannot be built: {type(error).__name__}: {error}"
            ) from error
    if kind == "layer":
        subject = _layer(
            target.name,
            module,
            {**getattr(module, "declares", {}), **metadata},
            dtype,
            device,
            build,
        )
    else:
        subject = _coupling(target.name, module, dtype, device, build)
    if survey:
        from invbench.laws.survey.survey import surveyed  # imported here: it needs subjects

        return surveyed(subject)
    return subject.warm()


def _layer(
    name: str,
    module: nn.Module,
    metadata: dict[str, Any],
    dtype: torch.dtype,
    device: str,
    build: Callable[[int], nn.Module],
) -> Subject:
    said = Declaration.of(name, metadata)
    if said.event_shape is None:
        raise UsageError(
            f"layer {name!r} has no event shape; say it, as --event-shape 3,32,32 (without the "
            f"batch)"
        )
    inner = packing(said.event_shape, said.domain)
    outer = packing(said.latent_shape or said.event_shape, said.codomain)
    cond = said.cond_shape
    if cond and isinstance(cond[0], tuple):
        cond = packing(cond, None).shape
    return Subject(
        name,
        "layer",
        module,
        inner.shape,
        cond,
        dtype,
        device,
        metadata,
        build,
        said,
        (),
        inner,
        outer,
    )


def _coupling(
    name: str, module: nn.Module, dtype: torch.dtype, device: str, build: Callable[[int], nn.Module]
) -> Subject:
    if (
        not isinstance(module, Elementwise)
        or not isinstance(module.n_params, int)
        or module.n_params < 1
    ):
        raise UsageError(f"coupling {name!r} has no positive integer n_params; set it in the class")
    declared = {n: getattr(module, n) for n in ("slope_range", "displacement", "tail_slopes_equal")}
    said = {
        n: getattr(module, n)
        for n in ("domain", "codomain", "tolerance", "inverse_is", "training")
        if hasattr(module, n)
    }
    said = {k: v for k, v in said.items() if k != "training" or isinstance(v, str)}
    if "inverse_is" in said:
        said["inverse"] = said.pop("inverse_is")
    declared |= {n: getattr(module, n) for n in ("kinks", "train_differs") if hasattr(module, n)}
    bounds = getattr(module, "slope_bounds", None)
    if inspect.ismethod(bounds):
        declared["slope_bounds"] = bounds
    declaration = Declaration.of(name, {**said, "train_differs": declared.get("train_differs")})
    return Subject(
        name,
        "coupling",
        module,
        EVENT,
        (module.n_params, *EVENT),
        dtype,
        device,
        declared,
        build,
        declaration,
    )

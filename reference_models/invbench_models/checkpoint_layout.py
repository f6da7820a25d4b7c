"""The layout of published checkpoints: the name, shape and order in which each tensor of a flow is
stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.couplings import Affine, AffineFloor, ModifiedRQ
from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.flows import ConditionalCoupling, Split
from invbench_models.llflow import LowLightFlow
from invbench_models.multiscale import MultiscaleFlow

__all__ = [
    "PUBLISHED",
    "PublishedCoupling",
    "PublishedFlow",
    "Slot",
    "layout",
    "published_coupling",
]

NET = "flowUpsamplerNet"


@dataclass(frozen=True)
class PublishedCoupling:
    """How the couplings ``designs`` are stored.

    ``module``, ``network``: names of the module and of its network. ``order[j]``: which output per
    element is our parameter j. Output p of channel c is channel c·n + p of the published head; ours
    has all channels of parameter 0 first. ``kernel``: 1×1 matrices are frozen, and stored as
    convolution kernels beside their transposes.
    """

    designs: str
    module: str
    network: str
    order: tuple[int, ...]
    kernel: bool = False


AFFINE = PublishedCoupling(
    "affine or affine-floor", "affine", "fAffine", (1, 0)
)  # (t, a), the "cross" split; ours is (a, t)
PUBLISHED: dict[type[Elementwise], PublishedCoupling] = {
    Affine: AFFINE,
    AffineFloor: AFFINE,
    ModifiedRQ: PublishedCoupling(
        "modified-rq", "rqspline", "fRQspline", (0, 1, 2, 3), kernel=True
    ),
}
SPLIT_ORDER = (0, 1)  # (mean, logs), "cross" too
CONDITIONER = {"0.weight": "first.weight", "2.weight": "second.weight"}
NORMS = {"0.actnorm": "first_norm", "2.actnorm": "second_norm"}
HEAD = {"weight": "head.weight", "bias": "head.bias", "logs": "logs"}

PublishedFlow = MultiscaleFlow | LowLightFlow
SIZES: dict[type, str] = {
    MultiscaleFlow: "'paper' or 'paper-8x'",
    LowLightFlow: "'small' or 'paper'",
}

Arrange = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Slot:
    """One published tensor: its shape, the name of our tensor, and how it is rearranged. Where
    ``ours`` is empty, it is the inverse of the published tensor ``inverse_of``."""

    shape: tuple[int, ...]
    ours: str
    arrange: Arrange = lambda v: v
    inverse_of: str = ""


def layout(flow: PublishedFlow) -> dict[str, Slot]:
    """Published name → slot, for every tensor of the published checkpoint of this architecture. The
    flow may be on the meta device.

    Raises ``UsageError`` when no checkpoint of the coupling or of the size was published.
    """
    if not flow.spec.blocks:
        raise UsageError(
            f"a published checkpoint needs a published architecture: size {SIZES[type(flow)]}"
        )
    stored = published_coupling(flow)
    shapes = {name: tuple(tensor.shape) for name, tensor in flow.state_dict().items()}
    return dict(_slots(flow, stored, shapes))


def published_coupling(flow: PublishedFlow) -> PublishedCoupling:
    """How the flow's coupling is stored. Raises ``UsageError`` when no checkpoint of it was
    published."""
    block = next(layer for layer in flow.layers.values() if isinstance(layer, ConditionalCoupling))
    design = getattr(block.coupling, "design", block.coupling)  # of a compiled one
    if type(design) not in PUBLISHED:
        names = ", ".join(dict.fromkeys(stored.designs for stored in PUBLISHED.values()))
        raise UsageError(
            f"no checkpoint of coupling {type(design).__name__} was published, only of {names}"
        )
    return PUBLISHED[type(design)]


def _slots(
    flow: PublishedFlow, stored: PublishedCoupling, shapes: dict[str, tuple[int, ...]]
) -> Iterator[tuple[str, Slot]]:
    for ours, shape in shapes.items():
        part, _, rest = ours.partition(".")
        if part == "encoder":
            yield f"RRDB.{_encoder_name(rest)}", Slot(shape, ours)
        elif part == "prior":
            yield f"RRDB.fine_tune_color_map.0.{rest.removeprefix('head.')}", Slot(shape, ours)
        elif part == "unused":
            yield f"{NET}.f.0.{rest}", Slot(shape, ours)
    index, here = -1, ""
    for name, layer in flow.layers.items():
        kind = name.rpartition("_")[2]
        # each published layer starts with one of these
        index += kind in ("squeeze", "actnorm", "split")
        here, ours = f"{NET}.layers.{index}", f"layers.{name}"
        if kind == "actnorm":
            yield from _norm(f"{here}.actnorm", ours, shapes)
        elif kind == "conv1x1":
            shape = shapes[f"{ours}.weight"]
            shape = (*shape, 1, 1) if stored.kernel else shape
            yield f"{here}.invconv.weight", Slot(shape, f"{ours}.weight", lambda v: v.flatten(1))
            if stored.kernel:
                yield (
                    f"{here}.invconv.weight_transpose",
                    Slot(shape, "", inverse_of=f"{here}.invconv.weight"),
                )
        elif isinstance(layer, Split):
            yield from _head(f"{here}.conv", f"{ours}.network", SPLIT_ORDER, shapes)
        elif isinstance(layer, ConditionalCoupling):
            network = {
                "injector": "fFeatures",
                "noise": f"{stored.network}_std",
                "coupling": stored.network,
            }[kind]
            where, ours = f"{here}.{stored.module}.{network}", f"{ours}.network"
            for theirs, mine in CONDITIONER.items():
                yield f"{where}.{theirs}", Slot(shapes[f"{ours}.{mine}"], f"{ours}.{mine}")
            for theirs, mine in NORMS.items():
                yield from _norm(f"{where}.{theirs}", f"{ours}.{mine}", shapes)
            yield from _head(f"{where}.4", ours, stored.order, shapes)


def _encoder_name(ours: str) -> str:
    """``upconvs.0.weight`` → ``upconv1.weight``; the others keep their names."""
    if not ours.startswith("upconvs."):
        return ours
    _, index, rest = ours.split(".")
    return f"upconv{int(index) + 1}.{rest}"


def _norm(where: str, ours: str, shapes: dict[str, tuple[int, ...]]) -> Iterator[tuple[str, Slot]]:
    for name in ("bias", "logs"):
        (channels,) = shapes[f"{ours}.{name}"]
        yield f"{where}.{name}", Slot((1, channels, 1, 1), f"{ours}.{name}", torch.flatten)


def _head(
    where: str, ours: str, order: tuple[int, ...], shapes: dict[str, tuple[int, ...]]
) -> Iterator[tuple[str, Slot]]:
    def arrange(v: Tensor) -> Tensor:
        by_element = v.reshape(-1, len(order), *v.shape[1:])  # (C, n, …)
        return by_element[:, list(order)].transpose(0, 1).reshape(v.shape)

    def arrange_logs(v: Tensor) -> Tensor:
        return arrange(v.flatten())

    for theirs, mine in HEAD.items():
        shape = shapes[f"{ours}.{mine}"]
        logs = theirs == "logs"
        yield (
            f"{where}.{theirs}",
            Slot(
                (*shape, 1, 1) if logs else shape,
                f"{ours}.{mine}",
                arrange_logs if logs else arrange,
            ),
        )

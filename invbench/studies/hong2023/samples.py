"""Draws the samples of a stored cell again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.corruptions import corrupt
from invbench.data.datasets import Pair, sr_pairs
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.store.record import Record
from invbench.training.weights import load_flow
from invbench.uniform import stream_seed

__all__ = ["Input", "drawn", "flow_of", "input_of"]


@dataclass(frozen=True)
class Input:
    """One conditional input of a cell: its pair, its condition y (3, h, w), and the stream, number
    and temperature of its latents."""

    case: str
    pair: Pair
    y: Tensor
    stream: int
    samples: int = 10
    temperature: float = 0.9


def input_of(cell: Record, index: int) -> Input:
    """The input ``index`` of a cell of sr or lowlight. Raises ``UsageError`` when its data set is
    not there, or had other photographs then."""
    settings, spec = cell.spec.settings, cell.spec
    dataset, family, severity = spec.dataset, spec.corruption, int(spec.severity or 1)
    per_image, limit = int(settings["crops_per_image"] or 1), settings["limit"]
    if spec.track == "sr":
        pairs = sr_pairs(
            dataset, int(settings["crop"] or 0), per_image, None if limit is None else int(limit)
        )
    elif spec.track == "lowlight":
        from invbench.tracks.measuring.lowlight import dark_pairs

        pairs = dark_pairs(dataset, per_image, limit)
    else:
        raise UsageError(f"track {spec.track!r} has no photographs")
    names = cell.measures.get("names")
    if isinstance(names, list) and [pair.name for pair in pairs] != names:
        raise UsageError(
            f"{spec.case} of {spec.entry} was measured on other photographs than {dataset} has "
            f"today; "
            f"invbench run --track {spec.track} --entry {shlex.quote(spec.entry)} --corruption "
            f"{family}"
        )
    y = corrupt(family, severity, pairs, spec.seed)[index]
    stream = stream_seed(spec.seed, index)
    return Input(
        spec.case,
        pairs[index],
        y,
        stream,
        int(settings["samples"] or 1),
        float(settings["temperature"] or 0),
    )


def flow_of(cell: Record, design: str) -> ConditionalFlow:
    """The trained flow of a cell, with another design's coupling. Raises ``UsageError`` without
    weights."""
    settings = cell.spec.settings
    return load_flow(str(settings["flow"]), design, str(settings["size"]), seed=cell.spec.seed)


@torch.no_grad()
def drawn(flow: ConditionalFlow, given: Input) -> tuple[Tensor, list[Tensor]]:
    """(x, latents) of the samples that the cell measured, in its order."""
    y = given.y[None].expand(given.samples, -1, -1, -1)
    z = flow.sample_latents(
        given.samples, y, given.temperature, torch.Generator().manual_seed(given.stream)
    )
    return flow.decode(z, y), z

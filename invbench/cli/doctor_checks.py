"""What works on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from invbench.data.folders import data_root, locate, take_inventory
from invbench.data.layouts import LAYOUTS, LOW_LIGHT, DataLayout
from invbench.errors import InvbenchError
from invbench.extras import absent, install
from invbench.files import cache_dir
from invbench.registry import COUPLINGS, FLOWS, LAYERS
from invbench.store.index import Index
from invbench.targets import resolve
from invbench.training.weights import find_weights, load_flow

__all__ = ["Finding", "examine"]

# extra -> what it is for
EXTRAS = {
    "bench": "run, attack, guard, table, site, plot and pytest -n",
    "ray": "run --engine ray",
    "jax": "check flowjax/*, distrax/*, bijx/*, distreqx/*",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``fatal``: invbench cannot do its main job without it."""

    what: str
    ok: bool
    detail: str
    fatal: bool = False


def examine(results: Path) -> list[Finding]:
    """Look at everything; never raises for what it finds."""
    parts = [_machine, _parts, _weights]
    if not absent("bench"):
        parts[1:1] = [_photographs, _data_sets]
    return [finding for part in parts for finding in part()] + list(_store(results))


def _machine() -> Iterator[Finding]:
    yield Finding(
        "python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    yield Finding("torch", True, torch.__version__)
    cuda = torch.cuda.is_available()
    yield Finding(
        "cuda",
        cuda,
        torch.cuda.get_device_name() if cuda else "no device; everything runs on the CPU",
    )
    cache = cache_dir()
    parent = next(p for p in (cache, *cache.parents) if p.exists())
    writable = os.access(parent, os.W_OK)
    yield Finding(
        "cache", writable, f"{cache}{'' if writable else ' is not writable; set INVBENCH_CACHE'}"
    )


def _photographs() -> Iterator[Finding]:
    from invbench.data.images import EMBEDDED, embedded

    for name in EMBEDDED:
        try:
            embedded(name)
        except Exception as error:  # a broken installation of another package may raise anything
            yield Finding(
                f"photograph {name}", False, f"{type(error).__name__}: {error}", fatal=True
            )
    yield Finding("embedded photographs", True, ", ".join(EMBEDDED))


def _data_sets() -> Iterator[Finding]:
    try:
        data_root()
    except InvbenchError as error:
        yield Finding("data sets", False, str(error))
        return
    for layout in (*LAYOUTS.values(), *LOW_LIGHT.values()):
        try:
            yield Finding(
                f"data set {layout.name}",
                True,
                "; ".join((str(take_inventory(layout)), *_pairs(layout))),
            )
        except InvbenchError as error:
            yield Finding(
                f"data set {layout.name}",
                False,
                str(error).removeprefix(f"data set {layout.name}: "),
            )


def _pairs(layout: DataLayout) -> Iterator[str]:
    """Which pairs are there, by the heads of their files. Raises ``UsageError`` for pairs that are
    incomplete or do not fit."""
    from invbench.data.pair_files import pairs_of

    lacking = [
        scale
        for scale in layout.low
        if scale > 1 and not locate(layout, layout.low[scale]).is_dir()
    ]
    present = [scale for scale in layout.low if scale not in lacking]
    for scale in present:
        pairs_of(layout, scale).check()
    for text, scales in (
        ("low-resolution files at", present),
        ("no low-resolution files at", lacking),
    ):
        if layout.low and scales:
            yield (
                "low-light partners of all"
                if scales == [1]
                else f"{text} {', '.join(f'×{s}' for s in scales)}"
            )


def _weights() -> Iterator[Finding]:
    if "srflow" not in FLOWS:
        what = "not installed; the track sr needs them: pip install invbench-reference-models"
        yield Finding("reference models", False, what)
        return
    for name in COUPLINGS:
        try:
            path = find_weights("srflow", resolve(name), "mini", 0)
            if path is not None:
                load_flow("srflow", name)
            yield Finding(
                f"weights srflow mini {name}", path is not None, str(path) if path else "none"
            )
        except InvbenchError as error:
            yield Finding(f"weights srflow mini {name}", False, str(error), fatal=True)


def _parts() -> Iterator[Finding]:
    for extra, purpose in EXTRAS.items():
        lacking = absent(extra)
        said = f"lacks {', '.join(lacking)}; for {purpose}: {install(extra)}"
        yield Finding(f"extra {extra}", not lacking, said if lacking else purpose)
    for registry in (COUPLINGS, LAYERS, FLOWS):
        for name, reason in registry.broken:
            yield Finding(f"plugin {name}", False, reason)


def _store(results: Path) -> Iterator[Finding]:
    try:
        index = Index(results)
    except InvbenchError as error:
        yield Finding(f"results {results}", False, str(error))
        return
    yield Finding(
        f"results {results}",
        not index.unreadable,
        f"{sum(index.counts.values())} cells, {len(index.unreadable)} damaged files",
    )
    for file in index.unreadable:
        yield Finding("damaged", False, f"{file.path}: {file.reason}; move it away and run again")

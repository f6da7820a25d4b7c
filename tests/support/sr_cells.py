"""Cells of track ``sr``, made by hand."""

from __future__ import annotations

from invbench.store.cell import Cell
from tests.support.specs import spec_named


def sr(
    entry,
    errors,
    case="embedded/clean",
    seed=0,
    status="ok",
    at="2026-01-01",
    digest="d",
    log10=0.1,
    **measures,
):
    """A cell of len(errors) inputs; ``errors`` says which of them failed."""
    spec = spec_named("sr", entry, case, seed=seed, entry_digest=digest)
    if status in ("ok", "diverged"):
        n = len(errors)
        measures = {
            "inf": [0] * n,
            "error": errors,
            "max_abs_log10": [log10] * n,
            "psnr": [20.0] * n,
        } | measures
    return Cell(
        key=spec.key,
        spec=spec,
        status=status,
        measures=measures,
        provenance={"finished": at, "torch": "2.13.0"},
    )

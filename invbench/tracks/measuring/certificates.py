"""The cell of a flow's certificate: how large its decodes can be under any condition."""

from __future__ import annotations

import torch

from invbench.bounds import certify
from invbench.flows import ConditionalFlow
from invbench.store.cell import CellSpec, Measured
from invbench.tracks.kinds import CERTIFICATE

__all__ = ["RADIUS_OF_LATENTS", "certificates_of", "measure_certificate"]

RADIUS_OF_LATENTS = 4.0  # |z| up to so many τ, as far as the attacks go
DRAWN = 8.0  # no draw goes further: a normal value does so once in 8e14
OF_THE_FLOW = ("flow", "size", "data", "iterations", "batch", "lr", "clip", "temperature")


def certificates_of(specs: list[CellSpec]) -> list[CellSpec]:
    """One cell for each training among ``specs``: a certificate is of a flow, whatever it is fed
    with."""
    found = {}
    for spec in specs:
        settings = {name: spec.settings[name] for name in OF_THE_FLOW if name in spec.settings}
        found[spec.seed] = spec.at(
            dataset="",
            corruption="",
            severity=None,
            attack="",
            eps=None,
            precision="",
            measure=CERTIFICATE,
            settings={**settings, "radius": RADIUS_OF_LATENTS},
            batch_size=1,
        )
    return list(found.values())


def measure_certificate(spec: CellSpec, flow: ConditionalFlow) -> Measured:
    """``invbench.certify`` for every condition and |z| ≤ 4τ, τ the temperature of the track's
    samples. ``max_abs``, ``max_residual`` and ``max_intermediate`` are infinite without a bound,
    for the ``reason`` given; ``max_residual_drawn``: the residual with latents of any draw, 8τ."""
    flow = flow.to("cpu", torch.float32)
    temperature = float(spec.settings.get("temperature") or 1.0)
    found = certify(flow, float(spec.settings["radius"] or 0), temperature=temperature)
    return Measured(
        {
            "max_abs": found.max_abs,
            "max_residual": found.max_residual,
            "max_intermediate": found.max_intermediate,
            "max_residual_drawn": certify(flow, DRAWN, temperature=temperature).max_residual,
            "dtypes": " ".join(found.dtypes),
            "reason": found.reason,
        }
    )

"""Nanoseconds per element of compiled couplings, and the share of the device's memory bandwidth
that they reach.

What a kernel moves at least, of float32, with P raw parameters per element: forward and inverse
read x and the parameters and write the value and the log-slope, (P + 3) numbers; the gradient reads
them and two gradients and writes one of each input, 2P + 4 numbers. The bandwidth is that of a copy
on the same device in the same call, bytes read and written.
"""

from __future__ import annotations

from typing import Any

import torch

from gpu.part import Answer, Setting
from gpu.parts.kernels import TIMED
from gpu.timing import seconds
from invbench.couplings.compiled import compile_couplings, compiler_missing
from invbench.registry import COUPLINGS

BYTES = 4
COPIED = 2**28  # numbers: 1 GiB, many times a cache


def measure(setting: Setting) -> Answer:
    if missing := compiler_missing(setting.device):
        return Answer(skipped=missing)
    elements = 2**18 if setting.small else 2**24
    copied = bandwidth(setting.device, 2**22 if setting.small else COPIED)
    rows: list[dict[str, Any]] = [{"what": "copy", "gb_per_s": copied / 1e9}]
    for name in TIMED[:1] if setting.small else TIMED:
        rows += timed(name, elements, setting.device, copied)
        setting.keep(_answer(rows, elements))
    return _answer(rows, elements)


def bandwidth(device: str, numbers: int) -> float:
    """Bytes per second of a copy, read and written."""
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    return 2 * BYTES * numbers / seconds(lambda: target.copy_(source), device)


def timed(name: str, elements: int, device: str, copied: float) -> list[dict[str, Any]]:
    """A row for each direction of a coupling that is compiled, and for the gradient."""
    module: Any = compile_couplings(COUPLINGS[name].obj())
    generator = torch.Generator(device).manual_seed(0)
    count = int(module.n_params)
    x = torch.randn(elements, generator=generator, device=device)
    params = torch.randn(count, elements, generator=generator, device=device)
    calls = {"forward": (lambda: module(x, params), count + 3)}
    if module.design.closed_inverse:
        calls["inverse"] = (lambda: module.inverse(x, params), count + 3)
    rows = []
    with torch.no_grad():
        for what, (call, moved) in calls.items():
            rows.append(_row(name, what, seconds(call, device), moved, elements, copied))
    inputs = (x.requires_grad_(), params.requires_grad_())
    results, ones = module(*inputs), (torch.ones_like(x), torch.ones_like(x))

    def gradient() -> object:
        return torch.autograd.grad(results, inputs, ones, retain_graph=True)

    took = seconds(gradient, device)
    return [*rows, _row(name, "gradient", took, 2 * count + 4, elements, copied)]


def _row(
    name: str, what: str, took: float, moved: int, elements: int, copied: float
) -> dict[str, Any]:
    return {
        "design": name,
        "what": what,
        "ns_per_element": took / elements * 1e9,
        "share_of_bandwidth": BYTES * moved * elements / took / copied,
    }


def _answer(rows: list[dict[str, Any]], elements: int) -> Answer:
    forward = [
        f"{row['design']} {row['ns_per_element']:.3g} ns ({row['share_of_bandwidth']:.0%})"
        for row in rows
        if row["what"] == "forward"
    ]
    said = (
        f"forward, {elements} elements: {', '.join(forward)}; copy {rows[0]['gb_per_s']:.4g} GB/s"
    )
    return Answer(said, [], rows)

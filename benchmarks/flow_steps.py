"""One train step and one decode of the mini super-resolution flow, per coupling, and the memory
that training keeps."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor

import invbench  # noqa: F401  registers the flows
from invbench.couplings.compiled import compile_couplings, compiler_missing
from invbench.couplings.iterated import Iterated
from invbench.flows import ConditionalFlow
from invbench.registry import COUPLINGS, FLOWS

Medians = Callable[[list[tuple[str, Callable[[], None]]], int], list[float]]


def build(name: str, compiled: bool) -> ConditionalFlow:
    """The flow after one step of training has moved its heads off zero."""
    flow = FLOWS["srflow"].obj(COUPLINGS[name].obj, "mini", 0)
    if compiled:
        compile_couplings(flow)
    return flow


def train_step(flow: ConditionalFlow, x: Tensor, y: Tensor) -> Callable[[], None]:
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        (-flow.log_prob(x, y).mean() / x[0].numel()).backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 10.0)
        optimiser.step()

    return step


def decode_step(flow: ConditionalFlow, y: Tensor) -> Callable[[], None]:
    latents = flow.sample_latents(5, y, 0.9, torch.Generator().manual_seed(0))

    def step() -> None:
        with torch.no_grad():
            flow.decode(latents, y)

    return step


def saved_mib(flow: ConditionalFlow, x: Tensor, y: Tensor) -> float:
    """Bytes of the distinct storages that autograd saves in one forward pass, weights not counted;
    the same in every run."""
    weights = {p.untyped_storage().data_ptr() for p in flow.parameters()}
    sizes: dict[int, int] = {}
    # alive until the end, or an address would be counted once for two tensors
    kept: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        flow.log_prob(x, y).mean()
    return sum(sizes.values()) / 2**20


def flow_rows(names: list[str], repeats: int, medians: Medians) -> pd.DataFrame:
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.rand(8, 3, 64, 64, generator=generator),
        torch.rand(8, 3, 16, 16, generator=generator),
    )
    modes = ["eager"] if compiler_missing() else ["eager", "compiled"]
    rows, tasks = [], []
    for name in names:
        for mode in modes:
            flow = build(name, mode == "compiled")
            with torch.no_grad():
                flow.encode(x, y)  # initialises ActNorm
            step = train_step(flow, x, y)
            for _ in range(3):
                step()
            rows.append({"coupling": name, "mode": mode, "saved_mib": saved_mib(flow, x, y)})
            decoding = decode_step(flow, y[:1].expand(5, -1, -1, -1))
            # an iterated inverse is eager code in both modes, unless it can be attempted
            kind = COUPLINGS[name].obj
            closed = kind.closed_inverse or issubclass(kind, Iterated)
            tasks += [
                (f"{name} {mode} train", step),
                (f"{name} {mode if closed else 'eager'} decode", decoding),
            ]
    seconds = medians(tasks, repeats)
    table = pd.DataFrame(rows)
    table["train_ms"], table["decode_ms"] = (
        [1e3 * s for s in seconds[::2]],
        [1e3 * s for s in seconds[1::2]],
    )
    base = table[(table.coupling == "affine") & (table["mode"] == "eager")].iloc[0]
    for column in ("train_ms", "decode_ms", "saved_mib"):
        table[column.replace("_ms", "_rel").replace("_mib", "_rel")] = table[column] / base[column]
    return table

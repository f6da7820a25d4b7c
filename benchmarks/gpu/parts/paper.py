"""The published SRFlow, with fresh weights, on the device: seconds and peak memory of a training
step and of a decode, and its round trip. The targets at batch 1 are those of
``benchmarks/paper_models.py``; the published batch is halved until it fits."""

from __future__ import annotations

from typing import Any

import torch
from paper_models import LOW, PATCH, TARGETS, fresh, photograph
from torch import Tensor

from gpu.part import Answer, Setting
from gpu.timing import peak_gib, seconds
from invbench.devices import tf32
from invbench.flows import ConditionalFlow

PUBLISHED = 12  # images of a batch
DESIGNS = ("affine", "modified-rq")
RESERVE = 10.0


def measure(setting: Setting) -> Answer:
    rows: list[dict[str, Any]] = []
    for name in DESIGNS:
        if rows and setting.left() < RESERVE:
            break
        rows.append(measured(name, setting.device))
        setting.keep(_answer(rows))
    return _answer(rows)


@tf32(False)
def measured(name: str, device: str) -> dict[str, Any]:
    model, scale = fresh("srflow", "paper", name)
    model.to(device)
    x, y = (part.to(device) for part in photograph(scale))
    row: dict[str, Any] = {"design": name, "round_trip": round_trip(model, x, y)}
    row |= {f"decode_{k}": v for k, v in decoding(model, device).items()}
    row |= {f"step_{k}": v for k, v in training(model, x, y, device).items()}
    batch = PUBLISHED
    while batch > 1:
        try:
            xs, ys = (part.repeat(batch, 1, 1, 1) for part in (x, y))
            found = training(model, xs, ys, device)
        except torch.cuda.OutOfMemoryError:
            found = None
        if found:
            return row | {"batch": batch} | {f"batch_{k}": v for k, v in found.items()}
        torch.cuda.empty_cache()  # here: in the handler its traceback held what did not fit
        batch //= 2
    return row


@torch.no_grad()
def round_trip(model: ConditionalFlow, x: Tensor, y: Tensor) -> float:
    """The largest error, once the first batch has set every ActNorm."""
    model.train().encode(x, y)
    model.eval()
    return (model.decode(model.encode(x, y)[0], y) - x).abs().max().item()


@torch.no_grad()
def decoding(model: ConditionalFlow, device: str) -> dict[str, Any]:
    """Of one 40×40 image, encoder included."""
    y = photograph(PATCH // LOW)[1].to(device)
    latents = model.sample_latents(1, y, 0.9, torch.Generator().manual_seed(0))
    _forget(device)
    took = seconds(lambda: model.decode(latents, y), device, 3, 1)
    return {"s": took, "gib": peak_gib(device)}


def training(model: ConditionalFlow, x: Tensor, y: Tensor, device: str) -> dict[str, Any]:
    """Of a step from the second on: Adam's moments exist."""
    optimiser = torch.optim.Adam(model.train().parameters(), lr=2.5e-4)
    losses: list[Tensor] = []

    def step() -> None:
        optimiser.zero_grad()
        loss = -model.log_prob(x, y).mean() / x[0].numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        losses.append(loss.detach())

    _forget(device)
    took = seconds(step, device, 3, 1)
    return {"s": took, "gib": peak_gib(device), "loss": losses[-1].item()}


def _forget(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _answer(rows: list[dict[str, Any]]) -> Answer:
    failures = []
    for row in rows:
        if not row["round_trip"] <= TARGETS["round_trip"]:
            failures.append(f"{row['design']}: round trip off by {row['round_trip']:.2g}")
        if not abs(row["step_loss"]) < float("inf"):
            failures.append(f"{row['design']}: loss {row['step_loss']}")
        if (row["step_gib"] or 0.0) * 2**30 > TARGETS["train_gb"] * 1e9:
            failures.append(f"{row['design']}: {row['step_gib']:.3g} GiB at batch 1")
    first = rows[0]
    at = f", batch {first['batch']} in {first['batch_s']:.3g} s" if "batch" in first else ""
    gib = f"{first['batch_gib']:.3g} GiB" if first.get("batch_gib") else "memory not known"
    said = f"step {first['step_s']:.3g} s at batch 1{at} ({gib}), decode {first['decode_s']:.3g} s"
    return Answer(said, failures, rows)

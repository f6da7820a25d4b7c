"""Fused kernels against eager code, on the device: on a GPU they are Triton's, by torch.compile.

Values and log-slopes are held to the laws' bound, 2 · SLACK · unit, as two computations of one map
are (``agreement``). Gradients are held to float64 on the CPU: with e the error of eager code,

    |kernel − exact| ≤ 2 e + SLACK · u · (1 + max |exact|).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gpu.part import Answer, Setting
from gpu.parts.agreement import calls, compare
from gpu.subjects import cases, design
from invbench.couplings.base import Elementwise
from invbench.couplings.compiled import CompiledCoupling, compile_couplings, compiler_missing
from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import SLACK, unit_roundoff
from invbench.laws.subject import Subject
from invbench.measures.precision import PRECISIONS

__all__ = ["gradient_share"]

TIMED = ("affine", "modified-rq", "rq-bounded", "cubic-rational-bounded")  # as in ``speed``
MORE = ("affine-exp", "linear-rational", "rq", "cubic-rational")  # as long as there is time
SECONDS = 20.0  # of one design, at most: four kernels are compiled
ROWS = 64


def measure(setting: Setting) -> Answer:
    if missing := compiler_missing(setting.device):
        return Answer(skipped=missing)
    rows: list[dict[str, Any]] = []
    names = TIMED[:1] if setting.small else TIMED + MORE
    for name in names:
        if name in MORE and setting.left() < SECONDS:
            break
        rows.append(fused(name, setting.device))
        setting.keep(_answer(rows))
    return _answer(rows)


def fused(name: str, device: str) -> dict[str, Any]:
    """The largest shares of the bounds of one design; ``wrong``: what is beyond them."""
    base = design(name)
    eager = base.as_type(torch.float32, device)
    kernel = replace(eager, module=compile_couplings(eager.module))
    row: dict[str, Any] = {"design": name, "wrong": ""}
    if not isinstance(kernel.module, CompiledCoupling):
        return row | {"wrong": "it stays eager"}
    found: list[tuple[float, str, float]] = []
    how = PRECISIONS["float32"]
    try:
        for case in cases(base, ROWS):
            both = (calls(one, case, how, device) for one in (kernel, eager))
            found += compare(case, *both)
            found.append(gradient_share(case, eager, kernel, device))
        row["launched"] = launched(kernel, case, device)
    except Exception as error:  # any code may reach the compiler
        return row | {"wrong": f"{type(error).__name__}: {str(error)[:300]}"}
    worst = max(found)
    row |= {"share": worst[0], "of": worst[1], "difference": max(d for _, _, d in found)}
    wrong = [f"{what}: {d:.3g}, {s:.3g} times its bound" for s, what, d in found if s > 1]
    if row["launched"] and not any("triton" in kernel for kernel in row["launched"]):
        wrong.append(f"no kernel of Triton ran, but {', '.join(row['launched'])}")
    return row | {"wrong": "; ".join(wrong)}


def gradient_share(
    case: LawCase, eager: Subject, kernel: Subject, device: str
) -> tuple[float, str, float]:
    """(share of its bound, what, largest error) of the gradient to x and to the parameters."""
    exact = _gradients(case.subject.float64_reference().module, *case.float64_inputs(False))
    there = (case.x.to(device), None if case.cond is None else case.cond.to(device))
    ours, theirs = (_gradients(subject.module, *there) for subject in (kernel, eager))
    worst = (0.0, "gradient", 0.0)
    for right, own, other in zip(exact, ours, theirs, strict=True):
        off, before = ((part.cpu().double() - right).abs().max() for part in (own, other))
        rounding = SLACK * unit_roundoff(torch.float32) * (1 + right.abs().max())
        worst = max(worst, ((off / (2 * before + rounding)).item(), "gradient", off.item()))
    return worst


def _gradients(module: Any, x: Tensor, cond: Tensor | None) -> tuple[Tensor, ...]:
    assert isinstance(module, Elementwise) and cond is not None
    x, params = x.clone().requires_grad_(), cond.movedim(1, 0).clone().requires_grad_()
    value, log_slope = module(x, params)
    return torch.autograd.grad((value + log_slope).sum(), (x, params))


def launched(kernel: Subject, case: LawCase, device: str) -> list[str]:
    """Names of the kernels that a call of the forward map starts on a GPU; none where the profiler
    cannot see."""
    if torch.device(device).type != "cuda":
        return []
    from torch.profiler import ProfilerActivity, profile

    x, cond = case.x.to(device), case.cond
    try:
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            kernel.log_slopes(x, None if cond is None else cond.to(device))
            torch.cuda.synchronize()
        return sorted({e.key for e in seen.key_averages() if "mem" not in e.key.lower()})
    except RuntimeError:
        return []


def _answer(rows: list[dict[str, Any]]) -> Answer:
    wrong = [f"{row['design']}: {row['wrong']}" for row in rows if row["wrong"]]
    worst = max((row["share"] for row in rows if "share" in row), default=0.0)
    said = (
        f"{len(rows) - len(wrong)} of {len(rows)} agree, the worst takes {worst:.2g} of its bound"
    )
    return Answer(said, wrong, rows)

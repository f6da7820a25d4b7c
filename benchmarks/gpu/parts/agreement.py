"""CPU = GPU: the forward map, the inverse and the log-determinant of every design and of a small
flow, in each precision.

The laws let a direction differ from its float64 reference by SLACK units of rounding, of which one
is u times the conditioning of the map there (``invbench.laws.judging.units``). Both devices may use
that up, each on its own side, so that

    |GPU − CPU| ≤ 2 · SLACK · unit(u),   u of the coarsest operation of the precision,

and the GPU alone is held to SLACK units of the float64 reference. ``share`` is the part of the
bound that the largest difference takes: 1 or less agrees. Units of tf32 and of autocast are those
of the dtype with the same u.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gpu.part import Answer, Setting
from gpu.subjects import cases, design, flow, flow_case
from invbench.devices import tf32
from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import APPEAL, FIRST, SLACK, Effort, magnitude
from invbench.laws.judging.rounding import APPEALS, per_row
from invbench.laws.judging.units import log_det_unit, value_unit
from invbench.laws.subject import Subject
from invbench.measures.precision import PRECISIONS, Precision

__all__ = ["Call", "calls", "compare"]

# a direction → (value, log-slope of a coupling or log-determinant), float64 on the CPU
Call = Callable[[bool], tuple[Tensor, Tensor]]
Unit = Callable[[Tensor, Effort], Tensor]

RESERVE = 6.0
ON_CPU = ("affine", "modified-rq", "rq-bounded", "cubic-rational-bounded", "cubic-spline")
FLOWS = ("affine", "modified-rq")
SAME_U = {"tf32": torch.float16, "autocast-bfloat16": torch.bfloat16}
SAME_U |= {"autocast-float16": torch.float16}  # precision → dtype of the same u: 2⁻¹¹, 2⁻⁸, 2⁻¹¹


def measure(setting: Setting) -> Answer:
    from invbench.runner.run import builtin_entries

    names = ON_CPU if setting.small else builtin_entries()
    precisions = [n for n, p in PRECISIONS.items() if p.device in ("any", setting.device)]
    plan = [("design", n, p) for p in precisions for n in names]
    # the flow comes first: it has a layer of every kind
    flows = FLOWS[:1] if setting.small else FLOWS
    plan = [("flow", n, p) for p in precisions for n in flows] + plan
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for k, (kind, name, precision) in enumerate(plan):
        if setting.left() < RESERVE:
            failures.append(f"{len(plan) - k} of {len(plan)} comparisons not reached in time")
            break
        row = compared(kind, name, precision, setting)
        rows.append(row)
        if row["wrong"]:
            failures.append(f"{row['subject']} in {precision}: {row['wrong']}")
        setting.keep(_answer(rows, failures))
    return _answer(rows, failures)


def compared(kind: str, name: str, precision: str, setting: Setting) -> dict[str, Any]:
    """The largest share of one subject in one precision; ``wrong``: what is beyond its bound."""
    how = PRECISIONS[precision]
    base = design(name) if kind == "design" else flow(name, 16 if setting.small else 32)
    host, device = base.as_type(how.dtype, "cpu"), base.as_type(how.dtype, setting.device)
    count = (12 if setting.small else 96) if kind == "design" else 2
    row: dict[str, Any] = {"subject": base.name, "precision": precision, "wrong": ""}
    found: list[tuple[float, str, float]] = []
    for case in cases(host, count) if kind == "design" else [flow_case(host, count)]:
        judge = _judging(case, host, precision)
        try:
            ours = calls(device, case, how, setting.device)
        except RuntimeError as error:  # what the CPU cannot compute either is no difference
            return row | {"wrong": _unless_everywhere(host, case, how, error)}
        found += compare(judge, ours, calls(host, case, how, "cpu"))
    worst = max(found)
    row |= {"share": worst[0], "of": worst[1], "difference": max(d for _, _, d in found)}
    if beyond := [
        f"{what} differs by {d:.3g}, {s:.3g} times its bound" for s, what, d in found if s > 1
    ]:
        row["wrong"] = "; ".join(beyond)
    return row


def calls(subject: Subject, case: LawCase, how: Precision, device: str) -> Call:
    """Both directions of the subject on the case, computed on the device in the precision."""
    cond = None if case.cond is None else case.cond.to(device)
    results = {}
    for inverse in case.subject.directions:
        with tf32(how.tf32), how.context(torch.device(device).type):
            pair = LawCase.call(subject, inverse, case.inputs(inverse).to(device), cond)
        results[inverse] = tuple(part.cpu().double() for part in pair)
    return results.__getitem__  # type: ignore[return-value]


def compare(case: LawCase, device: Call, host: Call) -> list[tuple[float, str, float]]:
    """(share of the bound, what, largest difference) of values and log-determinants, of one device
    to the other and of the device to float64."""
    return [
        (share(error, first, unit, valid, slack), what, error[valid].max().item())
        for what, error, first, unit, valid, slack in _quantities(case, device, host)
        if valid.any()
    ]


def _quantities(
    case: LawCase, device: Call, host: Call
) -> Iterator[tuple[str, Tensor, Tensor, Unit, Tensor, float]]:
    subject = case.subject
    for inverse in subject.directions:
        what = "inverse" if inverse else "forward"
        valid = per_row(case.valid(inverse), subject.elementwise)
        rows = valid.reshape(len(valid), -1).all(1)
        (ours, log), exact = device(inverse), case.exact_elementwise(inverse)
        units = value_unit(case, inverse), _log_unit(case, inverse)
        first, first_log = (unit(torch.arange(len(valid)), FIRST) for unit in units)
        for name, other, slack in (("CPU", host(inverse), 2 * SLACK), ("float64", exact, SLACK)):
            value = magnitude(subject, apart(ours, other[0]))
            yield f"{what} from {name}", value, first, units[0], valid, slack
            logs = apart(*(_summed(part, subject) for part in (log, other[1])))
            yield f"log-det of {what} from {name}", logs, first_log, units[1], rows, slack


def share(error: Tensor, first: Tensor, unit: Unit, valid: Tensor, slack: float) -> float:
    """The largest error / (slack · unit) of valid elements; ``first``: the units at the first
    effort. The worst rows appeal, as with the laws."""
    error = torch.where(valid, error.nan_to_num(nan=torch.inf), torch.zeros_like(error))
    ratio = _ratio(error, slack * first)
    of_rows = ratio.reshape(len(ratio), -1).amax(1)
    if len(beyond := (of_rows > 1).nonzero()[:, 0]):
        chosen = beyond[of_rows[beyond].topk(min(APPEALS, len(beyond))).indices]
        more = torch.maximum(first[chosen], unit(chosen, APPEAL))
        return _ratio(error[chosen], slack * more).max().item()
    return of_rows.max().item()


def apart(a: Tensor, b: Tensor) -> Tensor:
    """|a − b|; 0 where both are the same infinity, or no numbers."""
    same = (a == b) | (a.isnan() & b.isnan())
    return torch.where(same, torch.zeros_like(a), (a - b).abs())


def _ratio(error: Tensor, bound: Tensor) -> Tensor:
    return torch.where(error > 0, error / bound, torch.zeros_like(error)).nan_to_num(
        nan=0.0, posinf=torch.inf
    )


def _summed(log: Tensor, subject: Subject) -> Tensor:
    return log.flatten(1).sum(1) if subject.elementwise else log


def _log_unit(case: LawCase, inverse: bool) -> Unit:
    return lambda rows, effort: log_det_unit(case.part(rows), inverse, effort=effort)


def _judging(case: LawCase, subject: Subject, precision: str) -> LawCase:
    """The case by whose units the precision is judged: of the dtype with its u."""
    lower = SAME_U.get(precision, subject.dtype)
    return LawCase(replace(subject, dtype=lower), case.recipe, case.x, case.cond, case.z)


def _unless_everywhere(host: Subject, case: LawCase, how: Precision, error: RuntimeError) -> str:
    try:
        calls(host, case, how, "cpu")
    except RuntimeError:
        return ""
    return f"raises {type(error).__name__}: {str(error)[:200]}"


def _answer(rows: list[dict[str, Any]], failures: list[str]) -> Answer:
    shares = [row["share"] for row in rows if "share" in row]
    agreed = sum(not row["wrong"] for row in rows)
    said = (
        f"{agreed} of {len(rows)} agree, the worst takes {max(shares, default=0):.2g} of its bound"
    )
    return Answer(said, failures, rows)

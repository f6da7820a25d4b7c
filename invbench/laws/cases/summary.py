"""A failure for the terminal: the smallest case, its results, its weights, and a way to run it
without the harness."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.cases.reduce import minimal
from invbench.laws.cases.snippet import calls, construction, reweighting
from invbench.laws.guard import TookTooLong, guarded
from invbench.laws.judge import weights_in_words
from invbench.laws.law import Law, Violation
from invbench.targets import Target

__all__ = ["case_summary"]

NUMBERS = 12  # written out
OUTCOME = 2.0  # seconds for both directions


def case_summary(
    target: Target, law: Law, violation: Violation, case: LawCase, seconds: float
) -> str:
    """Several lines of up to 100 columns."""
    if seconds > 0:
        with contextlib.suppress(ValueError):  # the case alone may not break the law
            case, violation = minimal(law, case, violation.kind, seconds)
    elif violation.row is not None and violation.row < len(case.x):
        case = case.part(torch.tensor([violation.row]))
    lines = [
        (
            f"smallest case: {len(case.x)} row{'s' if len(case.x) > 1 else ''}, "
            f"{weights_in_words(case.recipe)}"
        )
    ]
    v = case.z if violation.latent else case.x
    name = "z" if violation.latent else "x"
    lines.append(f"  {name} = {numbers(v)}")
    if case.cond is not None:
        lines.append(f"  condition = {numbers(case.cond)}")
    lines += _outcome(case, violation.latent, name)
    lines += [
        "to run it with torch and the layer alone:",
        *(f"  {line}" for line in _script(target, case, violation.latent, name)),
    ]
    return "\n".join(line[:400] for line in lines)


def numbers(v: Tensor) -> str:
    flat = v.detach().cpu().flatten()
    text = ", ".join(f"{value:.9g}" for value in flat[:NUMBERS].tolist())
    shape = "" if v.ndim == 1 else f" of shape {tuple(v.shape)}"
    return f"[{text}{', …' if len(flat) > NUMBERS else ''}]{shape}"


def _outcome(case: LawCase, latent: bool, name: str) -> list[str]:
    """The results of both directions."""
    subject, first, second = (
        case.subject,
        "inverse" if latent else "forward",
        "forward" if latent else "inverse",
    )
    v, lines = case.z if latent else case.x, []
    try:
        with torch.no_grad(), guarded(OUTCOME):
            value, log_det = subject.direction(latent)(v, case.cond)
            lines.append(f"  {first}({name}) = {numbers(value)}, log_det {numbers(log_det)}")
            if subject.invertible:
                back, other = subject.direction(not latent)(value, case.cond)
                lines.append(f"  {second} of that = {numbers(back)}, log_det {numbers(other)}")
    except (Exception, SystemExit, TookTooLong) as error:
        lines.append(f"  raises {type(error).__name__}: {str(error)[:120]}")
    return lines


def _script(target: Target, case: LawCase, latent: bool, name: str) -> list[str]:
    imports, make = construction(target)
    dtype = str(case.subject.dtype)
    argument, cond = "", []
    if case.cond is not None:
        given = case.cond.movedim(1, 0) if case.subject.elementwise else case.cond
        cond, argument = [f"cond = {_tensor(given)}"], ", cond"
    v = case.z if latent else case.x
    lines = [
        "import torch",
        imports,
        "torch.manual_seed(20231001)",
        f"layer = {make}.to({dtype}).eval()",
    ]
    lines += reweighting(case.recipe)
    there, back = calls(case.subject, argument)[:: -1 if latent else 1]
    lines += [f"{name} = {_tensor(v)}", *cond]
    if not case.subject.invertible or hasattr(case.subject.module, "call_text"):
        return [*lines, f"print({there})"]
    other = "x" if latent else "z"
    return [*lines, f"{other}, log_det = {there}", f"print({other}, log_det)", f"print({back})"]


def _tensor(v: Tensor) -> str:
    if v.numel() > 4 * NUMBERS:
        return f"…  # {tuple(v.shape)}; --results DIR writes all numbers into a script"
    values = (
        repr(v.detach().cpu().double().tolist())
        .replace("inf", "float('inf')")
        .replace("nan", "float('nan')")
    )
    return f"torch.tensor({values}, dtype={v.dtype})"

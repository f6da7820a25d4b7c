"""Laws of conduct: shapes, dtypes, determinism, independence of rows, layouts, gradients."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.properties.conditioning import SLACK, magnitude, rounding_scale, unit_roundoff
from invbench.properties.law import Case, Violation, law
from invbench.properties.subject import Subject
from invbench.properties.value_laws import representable

DIRECTIONS = ("forward", "inverse")


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.nan_to_num(nan=1.2345), b.nan_to_num(nan=1.2345)) and torch.equal(a.isnan(), b.isnan())


@law("shape")
def shape(subject: Subject, case: Case) -> Iterator[Violation]:
    """Each direction returns (value, log): value of the input's shape; log of that shape for a coupling, (B,) for a layer."""
    for name in DIRECTIONS:
        direction = getattr(subject.module, name)
        if subject.elementwise:
            assert case.cond is not None
            out = direction(case.x, case.cond.movedim(1, 0))
            expected = (case.x.shape, case.x.shape)
        else:
            out = direction(case.x, case.cond) if case.cond is not None else direction(case.x)
            expected = (case.x.shape, case.x.shape[:1])
        if not (isinstance(out, (tuple, list)) and len(out) == 2 and all(isinstance(o, Tensor) for o in out)):
            yield Violation(
                1, 0, f"{name} returned {type(out).__name__}, not a pair of tensors (value, log-determinant)"
            )
            continue
        got = tuple(o.shape for o in out)
        if got != expected:
            yield Violation(
                1, 0, f"{name} returned shapes {[tuple(s) for s in got]}, expected {[tuple(s) for s in expected]}"
            )


@law("dtype")
def dtype(subject: Subject, case: Case) -> Iterator[Violation]:
    """Value and log keep the input's dtype and device: no silent up- or downcast."""
    for name in DIRECTIONS:
        for out, what in zip(getattr(subject, name)(case.x, case.cond), ("value", "log-determinant"), strict=True):
            if out.dtype != case.x.dtype or out.device != case.x.device:
                yield Violation(
                    1,
                    0,
                    f"{what} of {name} is {out.dtype} on {out.device}, the input {case.x.dtype} on {case.x.device}",
                )


@law("deterministic")
def deterministic(subject: Subject, case: Case) -> Iterator[Violation]:
    """Called again, also after the other direction, each direction gives the same bits, changes no input and leaves the global
    random state alone."""
    kept = case.x.clone(), None if case.cond is None else case.cond.clone()
    state = torch.random.get_rng_state()
    with torch.no_grad():
        for name, other in (DIRECTIONS, DIRECTIONS[::-1]):
            first = getattr(subject, name)(case.x, case.cond)
            getattr(subject, other)(case.x.flip(0), None if case.cond is None else case.cond.flip(0))
            second = getattr(subject, name)(case.x, case.cond)
            if not all(_same(a, b) for a, b in zip(first, second, strict=True)):
                yield Violation(1, 0, f"{name} gives other bits when it is called again")
    if not _same(case.x, kept[0]) or (kept[1] is not None and case.cond is not None and not _same(case.cond, kept[1])):
        yield Violation(1, 0, "an input tensor was changed in place")
    if not torch.equal(state, torch.random.get_rng_state()):
        yield Violation(1, 0, "the global random state was changed")


@law("row-independence")
def row_independence(subject: Subject, case: Case) -> Iterator[Violation]:
    """Row i of the result depends on row i alone: with another row set to NaN or 1e30, the rest moves by at most 30 rounding
    units (a matrix product may round differently)."""
    if case.x.shape[0] < 2:
        return
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    x, cond = case.double()
    for name in DIRECTIONS:
        with torch.no_grad():
            scale = rounding_scale(twin, x, cond, u, name == "inverse")[1:]
            clean = getattr(subject, name)(case.x, case.cond)[0][1:]
            for poison in (torch.nan, 1e30):
                poisoned = case.x.clone()
                poisoned[0] = poison
                value = getattr(subject, name)(poisoned, case.cond)[0][1:]
                error = magnitude(subject, (value - clean).cpu().double())
                same_nan = (value.isnan() == clean.isnan()).flatten(1).all(1)
                if not same_nan.all():
                    yield Violation(float((~same_nan).sum()), 0, f"{name}: a row of {poison} turns other rows into NaN")
                    break
                ratio = (error / (u * scale)).nan_to_num(nan=0.0)
                if ratio.max() > SLACK:
                    yield Violation(ratio.max().item(), SLACK, f"{name}: a row of {poison} changes other rows")
                    break


@law("layout")
def layout(subject: Subject, case: Case) -> Iterator[Violation]:
    """Strided and transposed inputs give what contiguous ones give, within 30 rounding units."""
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    x, cond = case.double()
    wide = case.x.repeat_interleave(2, dim=0)[::2]
    turned = case.x.flatten(1).T.contiguous().T.reshape_as(case.x) if case.x.ndim == 2 else case.x.transpose(1, -1)
    if case.x.ndim > 2:
        turned = turned.contiguous().transpose(1, -1)
    for name in DIRECTIONS:
        with torch.no_grad():
            scale = rounding_scale(twin, x, cond, u, name == "inverse")
            plain = getattr(subject, name)(case.x, case.cond)[0]
            for what, v in (("strided", wide), ("transposed", turned)):
                error = magnitude(subject, (getattr(subject, name)(v, case.cond)[0] - plain).cpu().double())
                ratio = (error / (u * scale)).nan_to_num(nan=0.0)
                if ratio.numel() and ratio.max() > SLACK:
                    yield Violation(
                        ratio.max().item(), SLACK, f"{name} of a {what} input differs from a contiguous one"
                    )


@law("empty-batch")
def empty_batch(subject: Subject, case: Case) -> Iterator[Violation]:
    """A batch of no rows gives a result of no rows."""
    cond = None if case.cond is None else case.cond[:0]
    for name in DIRECTIONS:
        value, log_det = getattr(subject, name)(case.x[:0], cond)
        if value.shape != case.x[:0].shape or log_det.shape != (0,):
            yield Violation(1, 0, f"{name} of an empty batch has shapes {tuple(value.shape)}, {tuple(log_det.shape)}")


@law("rank", needs=("elementwise",))
def rank(subject: Subject, case: Case) -> Iterator[Violation]:
    """A coupling gives the same values for x of rank 1, 2, 3 and 4, within 30 rounding units."""
    assert case.cond is not None
    u = unit_roundoff(subject.dtype)
    x, cond = case.double()
    scale = rounding_scale(subject.twin(), x, cond, u)
    params = case.cond.movedim(1, 0)
    with torch.no_grad():
        plain = subject.module.forward(case.x, params)[0]
        for shape in ((-1,), (case.x.shape[0], 2, 3), (case.x.shape[0], 1, 2, 3)):
            value, _ = subject.module.forward(case.x.reshape(shape), params.reshape(params.shape[0], *shape))
            error = (value.reshape_as(plain) - plain).abs().cpu().double()
            ratio = (error / (u * scale)).nan_to_num(nan=0.0)
            if ratio.numel() and ratio.max() > SLACK:
                yield Violation(ratio.max().item(), SLACK, f"forward at rank {len(shape)} differs from rank 2")


@law("gradients-finite")
def gradients_finite(subject: Subject, case: Case) -> Iterator[Violation]:
    """Gradients of value and log with respect to x, condition and weights are finite wherever those of the float64 twin are
    representable; the twin's are never NaN. For |x| up to about 2⁶⁰: a gradient multiplies x by slopes and weights on its way, and
    may leave the dtype there though the result would not.
    """
    if case.recipe.log2_scale > 60:
        return
    twin = subject.twin()
    for name in DIRECTIONS:
        ours = _gradients(subject, name, case.x, case.cond)
        exact = ours if subject.dtype == torch.float64 else _gradients(twin, name, *case.double())
        for what, gradient, reference in zip(
            ("x", "the condition", *["a weight"] * len(ours)), ours, exact, strict=False
        ):
            bad = reference.cpu().isnan()
            if subject.dtype != torch.float64:
                bad = bad | (representable(reference, subject.dtype) & ~gradient.cpu().isfinite())
            if bad.any():
                yield Violation(
                    float(bad.sum()), 0, f"the gradient of {name} for {what} is not finite on {int(bad.sum())} elements"
                )
                break


def _gradients(subject: Subject, name: str, x: Tensor, cond: Tensor | None) -> list[Tensor]:
    x = x.detach().clone().requires_grad_()
    cond = None if cond is None else cond.detach().clone().requires_grad_()
    value, log_det = getattr(subject, name)(x, cond)
    inputs = [x] + ([cond] if cond is not None else [])
    inputs += [p for p in subject.module.parameters() if p.requires_grad]
    total = value.sum() + log_det.sum()
    if not total.requires_grad:
        return [torch.zeros_like(v) for v in inputs]
    found = torch.autograd.grad(total, inputs, allow_unused=True)
    return [torch.zeros_like(v) if g is None else g for v, g in zip(inputs, found, strict=True)]

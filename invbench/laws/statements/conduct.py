"""Laws of conduct: what a call may not do besides returning a result."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, call, same_bits
from invbench.laws.subject import Subject

REDUCTIONS = (
    "reduction dim",
    "max()",
    "min()",
    "argmax()",
    "argmin()",
    "quantile",
    "median",
    "numel() == 0",
)


@law("inputs-unchanged", scope="value-independent", reference="a copy of the inputs")
def inputs_unchanged(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """No call writes into its inputs."""
    for inverse in subject.directions:
        v, cond = case.inputs(inverse).clone(), None if case.cond is None else case.cond.clone()
        call(subject, inverse, v, cond)
        if not same_bits(v, case.inputs(inverse)) or (
            cond is not None and case.cond is not None and not same_bits(cond, case.cond)
        ):
            yield Violation(1, 0, f"{DIRECTIONS[inverse]} changed an input tensor in place")


@law(
    "rng-untouched",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the state of the generator before",
)
def rng_untouched(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """No call draws from torch's global random generator or seeds it: that would change the
    experiment around it."""
    for inverse in subject.directions:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(20110623 + inverse)  # a state that no call is likely to have left
            torch.rand(7)
            state = torch.random.get_rng_state()
            call(subject, inverse, case.inputs(inverse), case.cond)
            same = torch.equal(state, torch.random.get_rng_state())
        if not same:
            yield Violation(
                1, 0, f"{DIRECTIONS[inverse]} changed the state of the global random generator"
            )


@law("empty-batch", scope="value-independent", reference="the shapes of the inputs")
def empty_batch(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """A batch of no rows gives a result of no rows. Where a torch operation on single rows refuses
    (rfft, for one), the layer is not to blame, and the law ``empty-batch-supported`` reports it. A
    maximum over the batch is the layer's own fault."""
    for inverse in subject.directions:
        try:
            value, log_det = _of_nothing(subject, case, inverse)
        except Exception as error:
            if _torch_refuses(error):
                continue
            raise
        if (
            subject.packed(not inverse).several
            or len(value)
            or (subject.has_log_det and log_det.shape != (0,))
        ):
            shapes = f"{tuple(value.shape)}, {tuple(log_det.shape)}"
            if len(value) or log_det.shape != (0,):
                yield Violation(
                    1, 0, f"{DIRECTIONS[inverse]} of an empty batch has shapes {shapes}"
                )


def _of_nothing(subject: Subject, case: LawCase, inverse: bool) -> tuple[Tensor, Tensor]:
    cond = None if case.cond is None else case.cond[:0]
    return call(subject, inverse, case.inputs(inverse)[:0], cond)


def _torch_refuses(error: Exception) -> bool:
    """Whether a torch operation raised, not a line of the layer, and the operation does not reduce
    over the batch."""
    text = str(error)
    if not isinstance(error, (RuntimeError, IndexError)) or any(
        word in text for word in REDUCTIONS
    ):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    line = (frames[-1].line or "").strip() if frames else ""
    of_torch = bool(frames) and "/torch/" in frames[-1].filename.replace("\\", "/")
    return of_torch or (
        not line.startswith(("raise ", "assert ")) and "reshape" not in text and "view" not in text
    )


@law(
    "empty-batch-supported",
    category="capability",
    scope="value-independent",
    reference="the shapes of the inputs",
)
def empty_batch_supported(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """No operation inside refuses a batch of no rows."""
    for inverse in subject.directions:
        try:
            _of_nothing(subject, case, inverse)
        except Exception as error:
            if _torch_refuses(error):
                what = str(error).splitlines()[0][:160]
                yield Violation(
                    1,
                    0,
                    f"{DIRECTIONS[inverse]} of an empty batch: torch refuses ({what})",
                    kind="crash",
                )


@law(
    "earlier-pair",
    needs=("transform", "log-det"),
    scope="value-independent",
    reference="log_abs_det_jacobian of the same pair, asked right after it was made",
)
def earlier_pair(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """A Transform's log_abs_det_jacobian(x, y) belongs to x and y: after a call on other numbers it
    is still the same."""
    transform = subject.module.transform
    v = case.z if subject.declared.get("towards_noise") is False else case.x
    rows = v[: max(2, len(v) // 2)]
    with torch.no_grad():
        source = transform if case.cond is None else transform.condition(case.cond[: len(rows)])  # type: ignore[operator,union-attr]
        first = source(rows)  # type: ignore[operator]
        before = source.log_abs_det_jacobian(rows, first)  # type: ignore[operator,union-attr]
        source(rows.flip(0))  # type: ignore[operator]
        after = source.log_abs_det_jacobian(rows, first)  # type: ignore[operator,union-attr]
    if not same_bits(before, after):
        at = int((before - after).abs().flatten().nan_to_num(nan=torch.inf).argmax())
        got, right = after.flatten()[at].item(), before.flatten()[at].item()
        yield Violation(
            abs(got - right),
            0,
            (
                f"log_abs_det_jacobian(x1, y1) after a call on x2 is {got:.6g}, before it was "
                f"{right:.6g}"
            ),
        )

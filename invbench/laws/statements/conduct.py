"""Laws of conduct: what comes back, and what a call may not do besides."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.declaration import space_name
from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import unit_roundoff
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import is_real, strictly_inside, structured, unwrapped
from invbench.laws.subject import SEED, Subject

DIRECTIONS = ("forward", "inverse")
SIZES = (3, 5)  # of batches whose shapes are looked at: a log_det of shape (D,) cannot fit both
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


def same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.nan_to_num(nan=1.2345), b.nan_to_num(nan=1.2345)) and torch.equal(
        a.isnan(), b.isnan()
    )


def call(subject: Subject, inverse: bool, v: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return subject.direction(inverse)(v, cond)


def same_pair(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
    return all(same_bits(one, other) for one, other in zip(a, b, strict=True))


@law(
    "shape",
    scope="first",
    reference="the shapes of the inputs, at batches of 3 and 5 and the case's own",
)
def shape(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Each direction returns (value, log): value of the input's shape (or the declared latent's);
    log of that shape for a coupling, (B,) for a layer. Both are real, dense tensors of floating
    point."""
    seen: set[str] = set()
    for inverse in subject.directions:
        for size in (*SIZES, len(case.x)):
            for message in _misshapen(subject, case, inverse, min(size, len(case.x))):
                if message.split(":")[0] not in seen:
                    seen.add(message.split(":")[0])
                    yield Violation(1, 0, message)


def _misshapen(subject: Subject, case: LawCase, inverse: bool, size: int) -> Iterator[str]:
    name = DIRECTIONS[inverse]
    v, cond = case.inputs(inverse)[:size], None if case.cond is None else case.cond[:size]
    with torch.no_grad():
        if subject.elementwise:
            assert cond is not None
            direction = subject.module.inverse if inverse else subject.module
            out = direction(v, cond.movedim(1, 0))  # type: ignore[operator]
        else:
            out = subject.raw(v, cond, inverse)
    if not (isinstance(out, (tuple, list)) and len(out) == 2):
        yield (
            f"{name}: the layer returned {type(out).__name__}, not a pair of tensors (value, "
            f"log-determinant)"
        )
        return
    value, log = out
    whole = subject.packed(not inverse)
    tensors = (
        list(value.values())
        if isinstance(value, dict)
        else list(value)
        if whole.several
        else [value]
    )
    if not all(isinstance(t, Tensor) for t in (*tensors, log)):
        kinds = ", ".join(type(t).__name__ for t in (*tensors, log))
        yield (
            f"{name}: the layer returned ({kinds}), not a pair of tensors (value, log-determinant)"
        )
        return
    want = [
        (size, *part)
        for part in (whole.parts if not subject.elementwise else (subject.event_shape,))
    ]
    if [tuple(t.shape) for t in tensors] != want:
        shown = " and ".join(str(tuple(t.shape)) for t in tensors)
        yield (
            f"{name}: the layer returned a value of shape {shown}, expected "
            f"{' and '.join(map(str, want))}"
        )
    expected = (size, *subject.event_shape) if subject.elementwise else (size,)
    if tuple(log.shape) != expected and subject.declaration.log_det != "none":
        yield f"{name}: the layer returned log_det of shape {tuple(log.shape)}, expected {expected}"
    if not all(t.is_floating_point() and t.layout == torch.strided for t in (*tensors, log)):
        kinds = ", ".join(str(t.dtype) for t in (*tensors, log))
        yield f"{name}: the layer returned {kinds}, not dense real floating-point tensors"


@law("dtype", scope="first", reference="dtype and device of the input")
def dtype(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Value and log keep the input's dtype and device: no silent up- or downcast."""
    for inverse in subject.directions:
        v = case.inputs(inverse)
        for out, what in zip(
            call(subject, inverse, v, case.cond), ("value", "log-determinant"), strict=True
        ):
            if out.dtype != v.dtype or out.device != v.device:
                given, got = f"{v.dtype} on {v.device}", f"{out.dtype} on {out.device}"
                yield Violation(
                    1, 0, f"{what} of {DIRECTIONS[inverse]} is {got}, the input {given}"
                )


@law(
    "spaces",
    needs=("spaces", "tensors"),
    scope="corpus",
    reference=(
        "the declared constraints (what was assumed accuses nobody); the float64 reference "
        "says what rounds to an edge"
    ),
)
def spaces(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """What comes out lies in the space that is declared for it: the float64 reference's value, its edge
    included, and the dtype's own value strictly inside where the exact one lies a thousand
    roundings off the edge (relative to it: beside 0, anywhere but in the subnormal numbers). Beyond
    an edge a layer may raise, give NaN, or go on: that is not judged."""
    for inverse in subject.directions:
        space = subject.space(not inverse)
        what = "domain" if inverse else "codomain"
        if is_real(space) or (inverse and subject.declaration.inverse == "sampling"):
            continue
        if any(f"assumed {what}" in line or f" {what}=" in line for line in subject.assumed):
            continue  # what was assumed accuses nobody
        exact, got = case.exact(inverse)[0], case.ours(inverse)[0].cpu().double()
        inside = case.representable(case.wide(inverse)[0], latent=inverse).flatten(1).all(1)
        usable = inside & case.representable(exact).flatten(1).all(1)
        ok = _within(space, exact) & (
            _within(space, got, unit_roundoff(subject.dtype))
            | _at_edge(space, exact, subject.dtype)
        )
        yield Tally(int(usable.sum()), len(usable))
        wrong = usable & ~ok
        if wrong.any():
            row = int(wrong.int().argmax())
            shown = ", ".join(f"{v:.9g}" for v in got[row].flatten()[:4].tolist())
            yield Violation(
                float(wrong.sum()),
                0,
                (
                    f"{DIRECTIONS[inverse]} leaves the declared {what} {space_name(space)} on "
                    f"{int(wrong.sum())} of {len(wrong)} rows: {shown}"
                ),  # type: ignore[arg-type]
                row=row,
                latent=inverse,
            )


def _within(space: object, value: Tensor, margin: float = 0.0) -> Tensor:
    """Per row, whether a value lies in the space; strictly inside an interval with ``margin``. Of
    whole values to a millionth."""
    if structured(space):  # type: ignore[arg-type]
        if margin:
            return torch.ones(len(value), dtype=torch.bool)
        ok = torch.as_tensor(space.check(value.float().double()) | space.check(value))  # type: ignore[attr-defined]
        return ok.reshape(len(value), -1).all(1)
    if margin:
        if _digits_left_off(space):
            return _within(space, value)
        held = strictly_inside(space, value)  # type: ignore[arg-type]
        return held.reshape(len(value), -1).all(1)
    slack = max(1e-12, _digits_left_off(space)) * (1 + value.abs())
    checks = [torch.as_tensor(space.check(v)) for v in (value, value + slack, value - slack)]  # type: ignore[attr-defined]
    return (checks[0] | checks[1] | checks[2]).reshape(len(value), -1).all(1)


def _digits_left_off(space: object) -> float:
    """1e-4 for an edge that is written with some digits of many, as 2.9444; 0 for one such as 0, 1
    or 2.5."""
    edges = [getattr(unwrapped(space), name, 0.0) for name in ("lower_bound", "upper_bound")]  # type: ignore[arg-type]
    return 1e-4 if any(float(e) * 8 != round(float(e) * 8) for e in edges) else 0.0


def _at_edge(space: object, exact: Tensor, dtype: torch.dtype) -> Tensor:
    """Rows with an element so near an edge that its rounding may lie on it."""
    near = torch.zeros(len(exact), dtype=torch.bool)
    for name in ("lower_bound", "upper_bound"):
        edge = getattr(unwrapped(space), name, None)  # type: ignore[arg-type]
        if edge is not None:
            size = max(1e3 * unit_roundoff(dtype) * abs(float(edge)), 1e3 * torch.finfo(dtype).tiny)
            near |= ((exact - float(edge)).abs() <= size).flatten(1).any(1)
    return near


@law(
    "deterministic",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the first call",
    trusts="nothing",
)
def deterministic(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Called again, each direction gives the same bits."""
    for inverse in subject.directions:
        first, second = (call(subject, inverse, case.inputs(inverse), case.cond) for _ in range(2))
        if not same_pair(first, second):
            which = "value" if not same_bits(first[0], second[0]) else "log_det"
            yield Violation(
                1, 0, f"the {which} of {DIRECTIONS[inverse]} has other bits when it is called again"
            )


@law(
    "stateless",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the first call",
    trusts="nothing",
)
def stateless(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """What a direction returns does not depend on earlier calls: with calls of both directions on
    other rows in between, it gives the same bits. An inverse that needs the cache of the last
    forward call is no inverse."""
    for inverse in subject.directions:
        v = case.inputs(inverse)
        first = call(subject, inverse, v, case.cond)
        for other in subject.directions:
            for rows in _others(subject, case, other):
                call(subject, other, rows, None if case.cond is None else case.cond.flip(0))
                second = call(subject, inverse, v, case.cond)
                if not same_pair(first, second):
                    what = (
                        f"{DIRECTIONS[inverse]} gives other bits after a call of "
                        f"{DIRECTIONS[other]} on other rows"
                    )
                    yield Violation(1, 0, what)
                    return


def _others(subject: Subject, case: LawCase, inverse: bool) -> list[Tensor]:
    v = case.inputs(inverse)
    return [v.flip(0), -v] if subject.same_space else [v.flip(0)]


@law(
    "call-order",
    needs=("rebuild", "value-by-value", "inverse"),
    scope="value-independent",
    reference="a layer on which nothing has been called yet",
)
def call_order(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """The inverse may be the first call on a fresh layer, on a copy, and on one that loaded a
    state_dict: it raises nothing and gives the bits that it gives later."""
    assert subject.build is not None
    later = call(subject, True, case.z, case.cond)
    ways = {"a copy": replace(subject, module=subject._copied())}
    fresh = subject.made(SEED)
    if _sets_itself(subject, case):
        ways["a fresh layer"] = replace(subject, module=fresh)
    else:
        loaded = subject.made()
        loaded.load_state_dict(subject.module.state_dict())
        ways |= {
            "a fresh layer": replace(subject, module=fresh),
            "a layer that loaded the state_dict": replace(subject, module=loaded),
        }
    for what, other in ways.items():
        try:
            first = call(other, True, case.z, case.cond)
        except Exception as error:
            if is_refusal(error):
                continue
            yield Violation(
                1,
                0,
                (
                    f"inverse as the first call on {what} raises {type(error).__name__}: "
                    f"{str(error)[:200]}"
                ),
                kind="crash",
            )
            return
        same_weights = all(
            torch.equal(a, b) for a, b in zip(_state(other), _state(subject), strict=False)
        )
        if same_weights and not same_pair(first, later):
            yield Violation(
                1, 0, f"inverse as the first call on {what} gives other bits than later"
            )
            return


def _state(subject: Subject) -> list[Tensor]:
    return list(subject.module.state_dict().values())


def _sets_itself(subject: Subject, case: LawCase) -> bool:
    """Whether the first forward call changes what the layer holds."""
    assert subject.build is not None
    module = subject.made(SEED)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with torch.no_grad():
        replace(subject, module=module).forward(case.x, case.cond)
    return any(not torch.equal(before[k], v) for k, v in module.state_dict().items())


def is_refusal(error: Exception) -> bool:
    """Whether the code says on purpose that it cannot: NotImplementedError, a class of its own, or
    ``raise`` with a message."""
    if isinstance(
        error, (AttributeError, AssertionError, TypeError, KeyError, IndexError, NameError)
    ):
        return False
    if isinstance(error, NotImplementedError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    line = (frames[-1].line or "").strip() if frames else ""
    return bool(str(error) or type(error).__module__ != "builtins") and line.startswith("raise ")


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
    """No call draws from or seeds torch's global random generator: it would change the experiment
    around it."""
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
    """A batch of no rows gives a result of no rows. Where it is an operation of torch on single
    rows that refuses (rfft, say), the layer is not to blame: the law ``empty-batch-supported`` says
    so. A maximum over the batch is the layer's own."""
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
    """A torch operation raised, not the layer's own line, and it is none that takes the batch
    together."""
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
    """A Transform's log_abs_det_jacobian(x, y) belongs to x and y: asked again after a call on
    other numbers, it is the same."""
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

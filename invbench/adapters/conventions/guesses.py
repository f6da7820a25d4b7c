"""What was guessed of the parts that a strange layer returns, in plain lines; which of several
numbers per row is its log_det."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from invbench.adapters.conventions.probing import ROWS, rows_of
from invbench.adapters.conventions.returned import Returned, tensors_of
from invbench.adapters.conventions.ways import Way

__all__ = ["lines_of", "ordinal", "without_rivals"]

SMALL = 64  # numbers per row up to which a Jacobian may decide what is the log_det


def lines_of(method: str, returned: Returned) -> list[str]:
    """What was guessed of the parts, one plain line each; nothing for (value, log_det of shape
    (B,))."""
    lines = []
    if returned.form == "last":
        lines.append(f"{method} returns a list of values; the last is taken")
    if returned.form == "several":
        lines.append(f"the first {len(returned.value)} parts that {method} returns are the value")
    if returned.log_det is None:
        return lines
    if returned.kind == "number":
        lines.append(f"log_det of {method} is one number for the whole batch: taken for every row")
    elif returned.summed:
        lines.append(f"log_det of {method} has the value's shape: summed over all but the batch")
    elif returned.kind in ("odd", "rows"):
        lines.append(f"log_det of {method} has a shape other than (B,): handed on as it is")
    usual = (
        returned.form == "one"
        and returned.value == (0,)
        and returned.log_det == 1
        and returned.parts == 2
    )
    if not usual and returned.parts > 1:
        place = f"part {ordinal(returned.log_det)}"
        why = "by its name" if returned.named else f"by its shape, {_shape_word(returned)}"
        lines.append(f"log_det is {place} of the {returned.parts} that {method} returns, {why}")
    return lines


def _shape_word(returned: Returned) -> str:
    words = {
        "row": "(B,)",
        "number": "one number",
        "rows": "the value's" if returned.summed else f"(B, *{returned.shape})",
    }
    return words.get(returned.kind, str(returned.shape))


def ordinal(key: Any) -> str:
    return str(key + 1) if isinstance(key, int) else repr(key)


def without_rivals(
    module: Any, z: Returned, out: Any, x: Any, cond: Any, way: Way
) -> tuple[Returned, list[str]]:
    """Of several parts of shape (B,), the log_det: not the one that is the normal density of z;
    else the one that is log|det J|."""
    if not z.rivals:
        return z, []
    candidates = [z.log_det, *z.rivals]
    latents = torch.cat([t.flatten(1) for t in tensors_of(z.read(out)[0])], 1).double()
    prior = -0.5 * (latents**2).sum(1) - latents.shape[1] / 2 * math.log(2 * math.pi)
    values = {key: replace(z, log_det=key).read(out)[1] for key in candidates}
    left = [key for key in candidates if not _near(values[key], prior)]
    how = "the other is the normal density of z"
    if len(left) > 1:
        wanted = _log_det(module, way, z, x, cond)
        left = [key for key in left if wanted is not None and _near(values[key], wanted)]
        how = "it is log|det J| at the probing point"
    if len(left) == 1:
        line = f"log_det is part {ordinal(left[0])}: {how}"
    else:
        left = [z.log_det]
        line = (
            f"log_det is taken to be part {ordinal(z.log_det)}, the last, as in (z, prior, "
            f"log_det); nothing tells them apart"
        )
    return replace(z, log_det=left[0], rivals=()), [line]


def _near(value: Any, wanted: Tensor) -> bool:
    if not isinstance(value, Tensor) or value.shape != wanted.shape:
        return False
    return torch.allclose(value.detach().double(), wanted, rtol=1e-3, atol=1e-3)


def _log_det(module: Any, way: Way, z: Returned, x: Any, cond: Any) -> Tensor | None:
    """log|det J| by autograd on the probing rows, where it is small enough and possible."""
    if not isinstance(x, Tensor) or math.prod(x.shape[1:]) > SMALL:
        return None

    def row(v: Tensor, c: Any) -> Tensor:
        value = z.read(way.call(module, v.reshape(1, *x.shape[1:]), c))[0]
        return torch.cat([t.flatten(1) for t in tensors_of(value)], 1)[0]

    try:
        jacobians = []
        for k, v in enumerate(rows_of(x, ROWS[0])):
            c = None if cond is None else _row(rows_of(cond, ROWS[0]), k)
            jacobians.append(
                torch.autograd.functional.jacobian(lambda u, c=c: row(u, c), v.flatten())
            )
        return torch.linalg.slogdet(torch.stack(jacobians).double())[1]  # type: ignore[arg-type]
    except Exception:  # not square, not differentiable, refuses one row
        return None


def _row(value: Any, k: int) -> Any:
    return value[k : k + 1] if isinstance(value, Tensor) else [v[k : k + 1] for v in value]

"""A JAX function, primitive by primitive, shown to torch's function modes.

The laws watch a layer through a ``TorchFunctionMode``: where numbers overflow, whether it loops,
what rounding does inside. A compiled function is one step; here it is evaluated by its jaxpr, and
each primitive with floating results passes the mode under the name of its torch counterpart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from invbench.adapters.jax_bridge import array_of, jax, jnp, tensor_of

__all__ = ["shown", "watched"]

# primitives that only move numbers, or give none
MOVES = frozenset(
    "broadcast_in_dim reshape squeeze concatenate slice dynamic_slice dynamic_update_slice "
    "transpose gather scatter rev pad iota copy copy_p select_n stop_gradient expand_dims split "
    "reduce_precision optimization_barrier".split()
)
NAMES = {
    "logistic": "sigmoid",
    "dot_general": "matmul",
    "reduce_sum": "sum",
    "reduce_prod": "prod",
    "integer_pow": "pow",
    "add_any": "add",
    "erf_inv": "erfinv",
    "exp2": "exp",
    "convert_element_type": "to",
    "triangular_solve": "solve_triangular",
    "lu": "linalg_lu_factor",
    "cholesky": "linalg_cholesky",
    "qr": "linalg_qr",
    "acosh": "arccosh",
    "logaddexp": "logsumexp",
}
INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # parameters of a call that hold what is called


def watched() -> bool:
    """Whether a function mode of somebody is active, other than the default device's."""
    mode = torch.overrides._get_current_function_mode()
    return mode is not None and type(mode).__name__ != "DeviceContext"


def shown(plain: Callable[..., Any], tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The results of the function, with each primitive shown to the active mode."""
    mode = torch.overrides._get_current_function_mode()
    with torch._C.DisableTorchFunction():
        arrays = [array_of(t) for t in tensors]
        closed = jax.make_jaxpr(plain)(*arrays)
        return tuple(tensor_of(jnp.asarray(a)) for a in _evaluated(closed, arrays, mode))


def _evaluated(closed: Any, args: Sequence[Any], mode: Any) -> list[Any]:
    jaxpr, consts = getattr(closed, "jaxpr", closed), getattr(closed, "consts", ())
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, args, strict=True))

    def value(atom: Any) -> Any:
        return jnp.asarray(atom.val, atom.aval.dtype) if hasattr(atom, "val") else known[atom]

    for eqn in jaxpr.eqns:
        results = _step(eqn, [value(a) for a in eqn.invars], mode)
        known.update(zip(eqn.outvars, results, strict=True))
    return [value(a) for a in jaxpr.outvars]


def _step(eqn: Any, args: list[Any], mode: Any) -> list[Any]:
    name, params = eqn.primitive.name, eqn.params
    if name in CONTROL:
        return CONTROL[name](params, args, mode)
    inner = next((params[key] for key in INNER if key in params), None)
    if inner is not None and len(getattr(inner, "jaxpr", inner).invars) == len(args):
        return _evaluated(inner, args, mode)

    def bound(*values: Any) -> list[Any]:
        options = eqn.primitive.get_bind_params(params)
        parts, options = ((), options) if isinstance(options, dict) else options  # before jax 0.10
        results = eqn.primitive.bind(*parts, *values, **options)
        return list(results) if eqn.primitive.multiple_results else [results]

    floating = all(jnp.issubdtype(v.aval.dtype, jnp.floating) for v in eqn.outvars)
    if name in MOVES or not floating or not all(hasattr(v, "dtype") for v in args):
        return bound(*args)
    whole = [jnp.issubdtype(a.dtype, jnp.floating) for a in args]
    rest = [a for a, f in zip(args, whole, strict=True) if not f]

    def on_tensors(*tensors: Tensor) -> Any:
        given, others = iter(tensors), iter(rest)
        results = bound(*(array_of(next(given)) if f else next(others) for f in whole))
        made = [tensor_of(r) for r in results]
        return made[0] if len(made) == 1 else tuple(made)

    on_tensors.__name__ = NAMES.get(name, name)
    handed = [tensor_of(jnp.asarray(a)) for a, f in zip(args, whole, strict=True) if f]
    out = mode.__torch_function__(on_tensors, (), tuple(handed), {})
    return [array_of(t) for t in (out if isinstance(out, tuple) else (out,))]


def _cond(params: dict[str, Any], args: list[Any], mode: Any) -> list[Any]:
    branches = params["branches"]
    return _evaluated(branches[min(max(int(args[0]), 0), len(branches) - 1)], args[1:], mode)


def _while(params: dict[str, Any], args: list[Any], mode: Any) -> list[Any]:
    n, m = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body, state = args[:n], args[n : n + m], args[n + m :]
    while bool(_evaluated(params["cond_jaxpr"], [*of_cond, *state], mode)[0]):
        state = _evaluated(params["body_jaxpr"], [*of_body, *state], mode)
    return state


def _scan(params: dict[str, Any], args: list[Any], mode: Any) -> list[Any]:
    n, m, length = params["num_consts"], params["num_carry"], params["length"]
    consts, state, xs = args[:n], args[n : n + m], args[n + m :]
    order = range(length)[::-1] if params["reverse"] else range(length)
    rows: dict[int, list[Any]] = {}
    for i in order:
        out = _evaluated(params["jaxpr"], [*consts, *state, *(x[i] for x in xs)], mode)
        state, rows[i] = out[:m], out[m:]
    return [*state, *(jnp.stack(ys) for ys in zip(*(rows[i] for i in range(length)), strict=True))]


CONTROL: dict[str, Callable[[dict[str, Any], list[Any], Any], list[Any]]] = {
    "cond": _cond,
    "while": _while,
    "scan": _scan,
}

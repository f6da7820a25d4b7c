"""The two directions of a JAX bijection as functions of arrays: single events, batches, rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from invbench.adapters.jax_bridge import JaxFunction, jax, jnp, tensor_of

__all__ = ["WAYS", "Habits", "Leaves", "Maps", "flattened", "maps_of"]

# how a direction is run → (mapped by jax.vmap, compiled, optimised). None: as the functions are
# meant, with rows where they take rows, else mapped
WAYS: dict[str, tuple[bool | None, bool, bool]] = {
    "quick": (None, True, False),
    "jit": (None, True, True),
    "eager": (None, False, False),
    "vmap": (True, False, False),
    "row": (False, False, False),
}

CONSTANT = ("NonTrainable", "Const")  # nodes of flowjax and bijx whose arrays are no weights


@dataclass(frozen=True)
class Habits:
    """How the functions are called: with rows or single events, and with which PRNG key (None for
    none; a key for every call; "torch" for a new one each time)."""

    batched: bool = False
    key: Any = None


@dataclass(frozen=True)
class Leaves:
    """A pytree without its arrays: where they belong, and what else is in it."""

    treedef: Any
    static: tuple[Any, ...]  # None at the place of an array
    dynamic: tuple[bool, ...]

    def with_arrays(self, arrays: Sequence[Any]) -> Any:
        rest = iter(arrays)
        leaves = [
            next(rest) if moves else v for v, moves in zip(self.static, self.dynamic, strict=True)
        ]
        return jax.tree_util.tree_unflatten(self.treedef, leaves)

    def __hash__(self) -> int:
        return hash((self.treedef, self.static, tuple(map(type, self.static)), self.dynamic))


def flattened(tree: Any) -> tuple[Leaves, dict[str, Tensor], frozenset[str]]:
    """The pytree without its JAX arrays, these by their paths, and the paths of those that are
    marked as constant. Keys and NumPy arrays stay inside, integers as int32."""
    paths, treedef = jax.tree_util.tree_flatten_with_path(tree)
    kept = jax.tree_util.tree_leaves(tree, is_leaf=lambda v: type(v).__name__ in CONSTANT)
    constant = {
        id(leaf)
        for node in kept
        if type(node).__name__ in CONSTANT
        for leaf in jax.tree_util.tree_leaves(node)
    }
    static: list[Any] = []
    dynamic: list[bool] = []
    arrays: dict[str, Tensor] = {}
    marked: set[str] = set()
    for path, leaf in paths:
        free = isinstance(leaf, jax.Array) and not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)
        static.append(None if free else _narrow(leaf))
        dynamic.append(free)
        if free:
            name = re.sub(r"\W+", "_", jax.tree_util.keystr(path)).strip("_") or "value"
            while name in arrays:
                name += "_"
            arrays[name] = tensor_of(leaf)
            if id(leaf) in constant:
                marked.add(name)
    return Leaves(treedef, tuple(static), tuple(dynamic)), arrays, frozenset(marked)


def _narrow(leaf: Any) -> Any:
    """NumPy's int64 as int32 where it fits: JAX remembers the type of such an array from its first
    call, so that an index used with x64 off would not be one with x64 on."""
    if not (isinstance(leaf, np.ndarray) and leaf.dtype == np.int64):
        return leaf
    narrow = leaf.astype(np.int32)
    return narrow if np.array_equal(narrow, leaf) else leaf


class Maps:
    """``call(tree, x, cond, key, inverse)`` is a direction at the pytree of the arrays; None for
    the cond or key that is not there.

    ``function`` gives (v, cond where there is one, seed where keys are drawn, arrays…) → (value,
    log_det) for a batch v, in one of the ``WAYS``.
    """

    def __init__(self, call: Callable[..., Any], leaves: Leaves, habits: Habits) -> None:
        self.call, self.leaves, self.habits = call, leaves, habits
        self._functions: dict[Any, JaxFunction] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Maps:
        return self  # it has no state

    @property
    def draws(self) -> bool:
        return isinstance(self.habits.key, str)

    def function(self, inverse: bool, way: str, conditional: bool) -> JaxFunction:
        where = inverse, way, conditional
        if where not in self._functions:
            mapped, jit, optimised = WAYS[way]
            plain = self._plain(inverse, mapped, conditional)
            self._functions[where] = JaxFunction(plain, jit, quick=not optimised)
        return self._functions[where]

    def _plain(
        self, inverse: bool, mapped: bool | None, conditional: bool
    ) -> Callable[..., tuple[Any, Any]]:
        batched, key = self.habits.batched, self.habits.key
        mapped = (not batched) if mapped is None else mapped

        def one(v: Any, cond: Any, key: Any, tree: Any) -> tuple[Any, Any]:
            """One event; a batched function sees a batch of one."""
            if not batched:
                return self._checked(tree, v, cond, key, inverse)
            c = None if cond is None else cond[None]
            value, log_det = self._checked(tree, v[None], c, key, inverse)
            return value[0], log_det[0]

        def function(v: Any, *rest: Any) -> tuple[Any, Any]:
            cond, more = (rest[0], rest[1:]) if conditional else (None, rest)
            k, arrays = (jax.random.key(more[0][0]), more[1:]) if self.draws else (key, more)
            tree = self.leaves.with_arrays(arrays)
            if batched and not mapped:
                return self._checked(tree, v, cond, k, inverse)
            keys = None if k is None else jax.random.split(k, len(v))
            if mapped:
                return jax.vmap(one, (0, 0, 0, None))(v, cond, keys, tree)  # type: ignore[no-any-return]
            c, k = (None if a is None else a[0] for a in (cond, keys))
            value, log_det = one(v[0], c, k, tree)
            return value[None], log_det[None]

        return function

    def _checked(self, tree: Any, v: Any, cond: Any, key: Any, inverse: bool) -> tuple[Any, Any]:
        """(value, log_det): one number for an event, (B,) for a batch, where elements have their
        own."""
        result = self.call(tree, v, cond, key, inverse)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                f"{'inverse' if inverse else 'forward'} returns {type(result).__name__}; return "
                f"(value, log_det)"
            )
        value, log_det = jnp.asarray(result[0]), jnp.asarray(result[1])
        if log_det.ndim and log_det.shape == value.shape and not self.habits.batched:
            log_det = log_det.sum()
        return value, log_det


def maps_of(call: Callable[..., Any], leaves: Leaves, habits: Habits) -> Maps:
    """The maps; the same ones for equal arguments, since each compiles anew."""
    try:
        return _kept(call, leaves, habits)
    except TypeError:  # something in it has no hash
        return Maps(call, leaves, habits)


_kept = lru_cache(maxsize=64)(Maps)

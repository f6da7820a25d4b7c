"""A copy of any object with every floating-point tensor in another dtype, on another device: the
float64 reference of a distribution."""

from __future__ import annotations

import copy
import functools
import inspect
import types
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform

__all__ = ["modules_of", "recast"]

LEAVES = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, torch.Generator)
PLAIN = (str, bytes, int, float, complex, bool, torch.Size, torch.dtype, torch.device, type(None))
FLAT = (weakref.ref, property)


def recast(obj: Any, dtype: torch.dtype, device: str) -> Any:
    """A copy that shares no tensor with ``obj``. Its modules are in evaluation mode, its tensors
    are leaves.

    Tensors are found in modules, in attributes of plain objects, in lists, dictionaries, partial
    functions and bound methods. Those in the closure of a function stay as they are.
    """
    with torch.no_grad():
        return _moved(obj, dtype, device, {})


def _moved(obj: Any, dtype: torch.dtype, device: str, memo: dict[int, Any]) -> Any:
    if isinstance(obj, (*LEAVES, *PLAIN)):
        return obj
    if isinstance(obj, FLAT):
        return None
    if id(obj) in memo:
        return memo[id(obj)][0]
    made = _copy(obj, dtype, device, memo)
    memo[id(obj)] = made, obj  # the original too, or its id may be given away
    return made


def _copy(obj: Any, dtype: torch.dtype, device: str, memo: dict[int, Any]) -> Any:
    def move(value: Any) -> Any:
        return _moved(value, dtype, device, memo)

    if isinstance(obj, Tensor):
        value = obj.detach().clone().to(device, dtype if obj.is_floating_point() else None)
        return nn.Parameter(value, obj.requires_grad) if isinstance(obj, nn.Parameter) else value
    if isinstance(obj, tuple):
        items = [move(v) for v in obj]
        return type(obj)(*items) if hasattr(obj, "_fields") else type(obj)(items)
    if isinstance(obj, (list, set, frozenset)):
        return type(obj)(move(v) for v in obj)
    if isinstance(obj, functools.partial):
        keywords = {k: move(v) for k, v in obj.keywords.items()}
        return functools.partial(move(obj.func), *map(move, obj.args), **keywords)
    if inspect.ismethod(obj):
        return types.MethodType(obj.__func__, move(obj.__self__))
    made = copy.copy(obj)
    memo[id(obj)] = made, obj  # before its parts: they may point back
    if isinstance(obj, dict):
        for key, value in obj.items():
            made[key] = move(value)
    for name, value in getattr(obj, "__dict__", {}).items():
        made.__dict__[name] = move(value)
    if isinstance(made, nn.Module):
        made.training = False
    if isinstance(made, Transform):  # what it remembers of earlier calls is of the original
        made.__dict__ |= {"_cached_x_y": (None, None), "_cache_size": 0}
    return made


def modules_of(obj: Any, depth: int = 6) -> list[nn.Module]:
    """The modules inside an object, wherever they lie."""
    modules: dict[int, nn.Module] = {}
    seen: set[int] = set()

    def look(value: Any, left: int) -> None:
        if isinstance(value, (*LEAVES, *PLAIN, Tensor)) or id(value) in seen or left < 0:
            return
        seen.add(id(value))
        if isinstance(value, nn.Module):
            modules[id(value)] = value
        parts = (
            value.values()
            if isinstance(value, dict)
            else value
            if isinstance(value, (list, tuple))
            else ()
        )
        for part in (*parts, *getattr(value, "__dict__", {}).values()):
            look(part, left - 1)

    look(obj, depth)
    return list(modules.values())

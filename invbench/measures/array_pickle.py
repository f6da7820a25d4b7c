"""Arrays out of a pickle, read as data: no opcode imports, calls or builds anything.

A pickle is a program for a small machine of a stack and a memory (PEP 307, ``pickletools``). Nested
dicts of numpy arrays need some twenty of its opcodes and three names, which here stand for
themselves: whatever else a file says is refused.
"""

from __future__ import annotations

import math
import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["arrays_of"]

DTYPES = {"f2": np.dtype("<f2"), "f4": np.dtype("<f4")}
ARRAY, CLASS, DTYPE = (
    "numpy.core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
)
NAMES = {ARRAY: ARRAY, ARRAY.replace("core", "_core"): ARRAY, CLASS: CLASS, DTYPE: DTYPE}
LITERALS = "BININT BININT1 BININT2 BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES".split()
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MOST_OPCODES = 10_000  # fifteen arrays take five hundred
MOST_ARRAYS, DEEPEST, LONGEST_KEY = 1000, 10, 100
DIMENSIONS = 8  # at most


class _Made:
    """What a file wants made: an ``ARRAY`` or a ``DTYPE``, its arguments, and its state."""

    def __init__(self, of: str, arguments: tuple[Any, ...]) -> None:
        self.of, self.arguments, self.state = of, arguments, ()


class _Name(str):
    """A name of ``NAMES``, which no text of the file can be taken for."""


def arrays_of(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of nested dicts by their path, ``outer/inner``. Raises ``ValueError``, in one
    line, for what is no pickle, is cut off, or holds anything but little-endian float16 and
    float32 arrays in dicts with texts for keys."""
    found: dict[str, NDArray[Any]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), _value(data))]
    while waiting:
        path, value = waiting.pop()
        if len(path) > DEEPEST or len(found) + len(waiting) > MOST_ARRAYS:
            raise ValueError("far more dicts than it needs")  # one may hold itself
        if isinstance(value, dict):
            waiting += [((*path, key), one) for key, one in value.items()]
        elif isinstance(value, _Made) and value.of == ARRAY:
            found["/".join(path)] = _array(value)
        else:
            raise ValueError("something else than arrays in dicts")
    return found


def _value(data: bytes) -> Any:
    """What the file leaves on the stack."""
    stack: list[Any] = []
    marks: list[int] = []
    memory: dict[int, Any] = {}
    try:
        argument: Any
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > MOST_OPCODES:
                raise ValueError(f"more than {MOST_OPCODES} opcodes")
            name = opcode.name
            if name in LITERALS:
                stack.append(argument)
            elif name in CONSTANTS:
                stack.append(CONSTANTS[name])
            elif name == "EMPTY_DICT":
                stack.append({})
            elif name == "MARK":
                marks.append(len(stack))
            elif name in ("BINPUT", "LONG_BINPUT"):
                memory[argument] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memory[argument])
            elif name == "TUPLE":
                stack.append(tuple(_since(stack, marks.pop())))
            elif name in TUPLES:
                stack.append(tuple(_since(stack, len(stack) - TUPLES[name])))
            elif name in ("SETITEM", "SETITEMS"):
                items = _since(stack, marks.pop() if name == "SETITEMS" else len(stack) - 2)
                _set(stack[-1], items)
            elif name == "GLOBAL":
                if argument not in NAMES:
                    raise ValueError("it names code")
                stack.append(_Name(NAMES[argument]))
            elif name == "REDUCE":
                of, arguments = _since(stack, len(stack) - 2)
                if not isinstance(of, _Name) or of == CLASS or not isinstance(arguments, tuple):
                    raise ValueError("it calls code")
                stack.append(_Made(of, arguments))
            elif name == "BUILD":
                (state,) = _since(stack, len(stack) - 1)
                if not isinstance(stack[-1], _Made) or not isinstance(state, tuple):
                    raise ValueError("it builds something else than arrays")
                stack[-1].state = state
            elif name == "STOP":
                (value,) = stack
                return value
            elif name != "PROTO":
                raise ValueError(f"opcode {name}, which no dict of arrays needs")
    except (IndexError, KeyError):
        raise ValueError("a pickle out of order") from None
    raise ValueError("cut off")


def _since(stack: list[Any], start: int) -> list[Any]:
    """Take what lies on the stack from ``start`` on."""
    if start < 0:
        raise IndexError
    taken = stack[start:]
    del stack[start:]
    return taken


def _set(target: Any, items: list[Any]) -> None:
    if not isinstance(target, dict) or len(items) % 2:
        raise ValueError("it fills something else than dicts")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # not the hash of a tuple of tuples, which may take for ever
        if type(key) is not str or len(key) > LONGEST_KEY:
            raise ValueError("a key that is no short text")
        target[key] = value


def _array(made: _Made) -> NDArray[Any]:
    """``made.state``: (1, shape, dtype, Fortran order, bytes)."""
    if len(made.state) != 5:
        raise ValueError("an array without its state")
    _, shape, dtype, fortran, content = made.state
    if not isinstance(dtype, _Made) or dtype.of != DTYPE:
        raise ValueError("an array without a dtype")
    code, order = dtype.arguments[:1], dtype.state[1:2]
    known = DTYPES.get(code[0]) if code and type(code[0]) is str else None
    if known is None or order != ("<",):
        raise ValueError("an array that is not of little-endian float16 or float32")
    whole = isinstance(shape, tuple) and len(shape) <= DIMENSIONS
    if not whole or not all(type(n) is int and 0 < n < 2**31 for n in shape):
        raise ValueError("an array without a shape")
    if fortran is not False or not isinstance(content, bytes):
        raise ValueError("an array whose numbers are not in C order")
    if len(content) != math.prod(shape) * known.itemsize:
        raise ValueError("an array with more or fewer numbers than its shape")
    return np.frombuffer(content, known).reshape(shape)

"""Mutations of bytes, of documents, and of archives: seeded, one to six of them at a time."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from typing import Any

__all__ = ["EVIL_TEXT", "in_archive", "in_bytes", "in_document", "in_numbers", "nested"]

EVIL_TEXT = (
    "",
    "../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "a/../../b",
    "CON",
    "\x00",
    "\ud7ff\uffff",
    "<script>alert(1)</script>",
    "$(touch executed)",
    "__import__('os').system('touch executed')",
    "executed.py:Name",
    "{{7*7}}",
    "%s%n",
    "NaN",
    "Infinity",
    "x" * 100_000,
)
NUMBERS = (
    0,
    -1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    -float("inf"),
    True,
)


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


def _any_value(rng: random.Random) -> Any:
    simple = (
        None,
        True,
        [],
        {},
        [[]] * 1000,
        {"": {"": {}}},
        [None, "x", 1.5],
        {str(i): i for i in range(100)},
    )
    return rng.choice(
        (rng.choice(EVIL_TEXT), rng.choice(NUMBERS), copy.deepcopy(rng.choice(simple)))
    )


def in_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, parts cut out, doubled, moved, overwritten, or the end cut off."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        n = len(found)
        a, b = sorted((rng.randrange(n + 1), rng.randrange(n + 1)))
        b = min(b, a + rng.choice((1, 2, 8, 64, n)))
        change = rng.randrange(7)
        if change == 0 and n:
            found[rng.randrange(n)] ^= 1 << rng.randrange(8)
        elif change == 1:
            del found[a:b]
        elif change == 2:
            found[a:a] = found[a:b]
        elif change == 3:
            found[a:b] = rng.randbytes(b - a)
        elif change == 4:
            found[a:b] = rng.choice((b"\x00", b"\xff", b"[", b"9", b'"', b"\n", b"{")) * (b - a)
        elif change == 5:
            del found[a:]
        else:
            found[a:a] = rng.choice(EVIL_TEXT).encode("utf-8", "surrogatepass")[:200]
    return bytes(found)


def in_numbers(text: str, rng: random.Random) -> str:
    """Some numbers of a text become others, as large or as odd as can be written."""
    odd = (
        "9" * 5000,
        "-1",
        "1e999",
        "nan",
        "inf",
        "0x10",
        "1" + "0" * 30,
        "1_0",
        "00",
        "1e-999",
        "",
    )
    return re.sub(r"\d+", lambda m: rng.choice(odd) if rng.random() < 0.2 else m[0], text)


def in_document(document: Any, rng: random.Random) -> bytes:
    """JSON in which some nodes are other values, missing, doubled, or have another name."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        places: list[tuple[Any, Any]] = []
        _walk(document, places)
        if not places:
            break
        parent, key = rng.choice(places)
        change = rng.randrange(6)
        if change == 0:
            del parent[key]
        elif change == 1 and isinstance(parent, dict):
            parent[rng.choice(EVIL_TEXT)] = parent.pop(key)
        elif change == 2 and isinstance(parent, list):
            parent[key:key] = [parent[key]] * (
                1 if isinstance(parent[key], (dict, list)) else rng.choice((1, 1000))
            )
        elif change == 3 and isinstance(parent[key], int | float):
            parent[key] = rng.choice(NUMBERS)
        elif change == 4 and isinstance(parent[key], str):
            parent[key] = rng.choice(EVIL_TEXT)
        else:
            parent[key] = _any_value(rng)
    text = json.dumps(document)
    if rng.random() < 0.1:
        text = text.replace("null", nested(rng.choice((50, 3000, 100_000))), 1)
    return text.encode()


def _walk(node: Any, places: list[tuple[Any, Any]]) -> None:
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        places.append((node, key))
        _walk(value, places)


def in_archive(
    data: bytes, rng: random.Random, change: Callable[[bytes, random.Random], bytes] = in_bytes
) -> bytes:
    """A zip archive with one member changed, left out, renamed, compressed, or there twice."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    weights = [8 if name.endswith(".pkl") else 1 for name, _ in members]
    k = rng.choices(range(len(members)), weights)[0]
    name, content = members[k]
    method = zipfile.ZIP_STORED
    kind = rng.randrange(6)
    if kind <= 1:
        members[k] = (name, change(content, rng))
    elif kind == 2:
        del members[k]
    elif kind == 3:
        members[k] = (rng.choice(EVIL_TEXT)[:100] or name, content)
    elif kind == 4:
        method = zipfile.ZIP_DEFLATED
    else:
        members.append((name + "x", change(content, rng)))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name.replace("\x00", "0"), content)
    return file.getvalue()

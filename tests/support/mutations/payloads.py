"""Files made to harm, one record each: what they hold, and the bytes. They are built here and lie
nowhere."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

from tests.support.mutations.mutate import nested

__all__ = [
    "ARCHIVES",
    "CSV",
    "DOCUMENTS",
    "IMAGES",
    "MARKER",
    "PICKLES",
    "SAFETENSORS",
    "TOML",
    "cells",
]

MARKER = "executed"  # a payload that runs makes this file in the working folder
Files = dict[str, Callable[[], bytes]]


class Runs:
    """Unpickled, it makes the marker."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def _payload() -> Any:
    return {"weight": torch.zeros(2), "more": Runs(os.system, f"touch {MARKER}")}


def _saved(value: Any, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _rewritten(data: bytes, method: int, **replaced: bytes) -> bytes:
    """A saved archive with members replaced by their last name."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", method) as new:
        for info in old.infolist():
            new.writestr(
                info.filename,
                replaced.get(info.filename.rpartition("/")[2].replace(".", "_"), old.read(info)),
            )
    return file.getvalue()


def _expanded() -> torch.Tensor:
    return torch.zeros(1).expand(10**12)


def _header(header: str | dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(**fields: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | fields


def _png(width: int, height: int, rows: int) -> bytes:
    """A grey PNG of stated size whose data are zeros, ``rows`` of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer, parts = zlib.compressobj(9), []
    for _ in range(rows):
        parts.append(packer.compress(bytes(width + 1)))
    data = b"".join(parts) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


ANY: Files = {
    "empty": lambda: b"",
    "zeros": lambda: bytes(900_000),
    "pickle with code": lambda: pickle.dumps(Runs(os.system, f"touch {MARKER}")),
    "text of another alphabet": lambda: "名前".encode("utf-16"),
}

DOCUMENTS: Files = ANY | {
    "deep lists": lambda: nested(400_000).encode(),
    "deep objects": lambda: nested(150_000, '{"a":', "}").encode(),
    "deep and cut off": lambda: b"[" * 900_000,
    "a number of 900 000 digits": lambda: b"9" * 900_000,
    "an exponent of 900 000 digits": lambda: b"1e" + b"9" * 900_000,
    "a string without end": lambda: b'"' + b"x" * 900_000,
    "a list of 300 000 lists": lambda: b"[" + b"[]," * 300_000 + b"[]]",
    "an object of 70 000 keys": lambda: json.dumps({str(i): [] for i in range(70_000)}).encode(),
    "a list of 30 000 lists": lambda: b"[" + b"[]," * 30_000 + b"[]]",
    "an object of 7000 keys": lambda: json.dumps({str(i): [] for i in range(7000)}).encode(),
    "not an object": lambda: b"[1, 2]",
    "larger than any limit": lambda: b" " * (65 * 2**20),
}


def cells(document: dict[str, Any]) -> Files:
    """A cell's document with measures that cost time and memory to refuse, or that no table can
    take."""

    def text(**measures: Any) -> bytes:
        return json.dumps(document | {"measures": document["measures"] | measures}).encode()

    return {
        "200 000 wrong numbers": lambda: text(inf=[[]] * 200_000),
        "300 000 numbers": lambda: text(inf=[0] * 300_000),
        "two million wrong numbers": lambda: text(inf=[[]] * 1_990_000),
        "70 000 wrong values of a measure": lambda: text(inf={str(i): [] for i in range(70_000)}),
        "text for numbers": lambda: text(inf=["abc"], error=["abc"]),
        "one number for a list": lambda: text(inf=3, error="x"),
        "numbers beyond any float": lambda: text(inf=[10**400], error=[10**4000]),
        "lists of other lengths": lambda: text(inf=[0], error=[0, 0, 0], max_abs_log10=[]),
        "names left out": lambda: json.dumps(document | {"measures": {"inf": [0]}}).encode(),
        "counts below zero": lambda: text(inf=[-5, -5], error=[-5, -5]),
        "counts that are no numbers": lambda: text(
            inf=["NaN", "Infinity"], error=["NaN", "-Infinity"]
        ),
        "nothing measured": lambda: text(inf=[], error=[], max_abs_log10=[], names=[]),
        "None everywhere": lambda: text(
            inf=[None], error=[None], max_abs_log10=[None], names=[None]
        ),
        "a deep provenance": lambda: (
            json.dumps(document)
            .replace('"provenance": {', '"provenance": {"a": ' + nested(100_000) + ", ")
            .encode()
        ),
    }


TOML: Files = ANY | {
    "deep arrays": lambda: b"a = " + nested(100_000).encode(),
    "deep tables": lambda: b"a = " + nested(50_000, "{a=", "}").encode(),
    "a key of many parts": lambda: b"a." * 100_000 + b"a = 1",
    "tables of many parts": lambda: b"\n".join(
        b"[" + b"a." * 200 + b"a%d]" % i for i in range(600)
    ),
    "a number of 900 000 digits": lambda: b"a = " + b"9" * 900_000,
    "a number of 1900 digits": lambda: b"a = " + b"9" * 1900,
    "keys of 900 parts": lambda: b"\n".join(b"a." * 900 + b"a%d = 1" % i for i in range(130)),
    "known is a number": lambda: b"known = 3",
    "known holds numbers": lambda: b"known = [1, 2]",
    "known is a table": lambda: b"[known]\ntarget = 'a'",
    "fields are tables": lambda: (
        b"[[known]]\ntarget = {}\nproperty = []\nreason = 1979-05-27\nrecipe = 3"
    ),
    "many entries": lambda: b"[[known]]\n" * 24_000,
    "deep arrays over many lines": lambda: b"a = " + b"[\n" * 120_000,
    "larger than any limit": lambda: b"# " + b"x" * (65 * 2**20),
}

SAFETENSORS: Files = ANY | {
    "a header longer than the file": lambda: _header("{}", length=2**40),
    "a header of all that fits in eight bytes": lambda: _header("{}", length=2**64 - 1),
    "a deep header": lambda: _header(nested(100_000, '{"a":', "}")),
    "a shape of 10^18 and no data": lambda: _header({"w": _entry(shape=[10**18])}, bytes(4)),
    "a shape that wraps around": lambda: _header({"w": _entry(shape=[2**32, 2**32])}, bytes(4)),
    "a negative shape": lambda: _header({"w": _entry(shape=[-1, -4])}, bytes(4)),
    "a thousand dimensions": lambda: _header({"w": _entry(shape=[1] * 1000)}, bytes(4)),
    "offsets that overlap": lambda: _header({"v": _entry(), "w": _entry()}, bytes(4)),
    "offsets backwards": lambda: _header({"w": _entry(data_offsets=[4, 0])}, bytes(4)),
    "a dtype that is not one": lambda: _header({"w": _entry(dtype="X9")}, bytes(4)),
    "names that are paths": lambda: _header({"../../../executed": _entry()}, bytes(4)),
    "a tensor twice": lambda: _header(
        '{"w":' + json.dumps(_entry()) + ',"w":' + json.dumps(_entry()) + "}", bytes(4)
    ),
    "100 000 empty tensors": lambda: _header(
        {str(i): _entry(shape=[0], data_offsets=[0, 0]) for i in range(100_000)}, b""
    ),
    "an archive of torch": lambda: _saved({"w": torch.zeros(2)}),
}

PICKLES: Files = ANY | {
    "code beside tensors": lambda: _saved(_payload()),
    "code in the older format": lambda: _saved(_payload(), zipped=False),
    "code by eval": lambda: _saved(Runs(eval, f"__import__('os').system('touch {MARKER}')")),
    "code by exec": lambda: _saved(Runs(exec, f"open({MARKER!r}, 'w')"), zipped=False),
    "a whole module": lambda: _saved(torch.nn.Linear(2, 2)),
    "a path to open": lambda: _saved(Runs(open, MARKER, "w")),
    "memory by bytearray": lambda: _saved(Runs(bytearray, 10**11)),
    "memory by bytearray, in the older format": lambda: _saved(
        Runs(bytearray, 3 * 10**9), zipped=False
    ),
    "memory by an expanded tensor": lambda: _saved({"w": _expanded()}),
    "a tensor without data": lambda: _saved({"w": torch.empty(10**9, device="meta")}),
    "a sparse tensor": lambda: _saved({"w": torch.sparse_coo_tensor([[0]], [1.0], (10**9,))}),
    "numbers for names": lambda: _saved({1: torch.zeros(2), None: torch.zeros(1)}),
    "tuples for names": lambda: _saved({("a", "b"): torch.zeros(2)}),
    "a list of tensors": lambda: _saved([torch.zeros(2)]),
    "complex numbers": lambda: _saved({"w": torch.zeros(2, dtype=torch.complex64)}),
    "a deep pickle": lambda: b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "a pickle of two million steps": lambda: b"\x80\x02" + b"N0" * 1_000_000 + b"N.",
    "a pickle that doubles": lambda: b"\x80\x02]" + b"2(lq\x00h\x00h\x00e" * 60 + b".",
    "a long of 2^31 bytes": lambda: b"\x80\x02\x8b\xff\xff\xff\x7f",
    "a string of 2^31 bytes": lambda: b"\x80\x02X\xff\xff\xff\x7fabc",
    "an ordered dict": lambda: _saved(OrderedDict(w=torch.full((2,), float("nan")))),
}

ARCHIVES: Files = {
    "1.5 GiB of zeros in 7 MiB, as the pickle": lambda: _bomb("archive/data.pkl", 1536),
    "1.5 GiB of zeros in 7 MiB, as a tensor": lambda: _bomb("archive/data/0", 1536),
    "members that are paths": lambda: _with_members({"../../../executed": b"x", "/executed": b"x"}),
    "100 000 members": lambda: _with_members({f"archive/{i}": b"" for i in range(100_000)}),
    "a pickle of a million steps": lambda: _rewritten(
        _saved({"w": torch.zeros(2)}),
        zipfile.ZIP_STORED,
        data_pkl=b"\x80\x02" + b"N0" * 500_000 + b"N.",
    ),
    "an archive in an archive": lambda: _with_members({"archive/data.pkl": _saved({})}),
    "not a model of torch": lambda: _with_members({"a.txt": b"hello"}),
    "compressed": lambda: _rewritten(_saved({"w": torch.zeros(2)}), zipfile.ZIP_DEFLATED),
}


def _with_members(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _bomb(name: str, mebibytes: int) -> bytes:
    data, file = _saved({"w": torch.zeros(2)}), io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info.filename, old.read(info))
        with new.open(name, "w", force_zip64=True) as member:
            for _ in range(mebibytes):
                member.write(bytes(2**20))
    return file.getvalue()


IMAGES: Files = ANY | {
    "2^31 × 2^31 pixels": lambda: _png(2**31 - 1, 2**31 - 1, 0),
    "100 000 × 100 000 pixels": lambda: _png(100_000, 100_000, 0),
    "12 000 × 12 000 pixels in 150 kB": lambda: _png(12_000, 12_000, 12_000),
    "no pixels": lambda: _png(0, 0, 0),
    "fewer rows than stated": lambda: _png(1000, 1000, 10),
    "a PostScript file": lambda: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(executed) (w) file\n"
    ),
    "a text comment of 60 MiB": lambda: _comment(60 * 2**20),
}


def _comment(size: int) -> bytes:
    data = b"a\x00\x00" + zlib.compress(bytes(size), 9)
    chunk = (
        struct.pack(">I", len(data))
        + b"zTXt"
        + data
        + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    )
    image = _png(2, 2, 2)
    return image[:33] + chunk + image[33:]


CSV: Files = ANY | {
    "a million columns": lambda: b"a," * 1_000_000 + b"\n1",
    "a quote without end": lambda: b'a,b\n"' + b"x" * 10**6,
    "rows of other lengths": lambda: b"a,b\n1\n1,2,3,4\n",
    "numbers beyond any float": lambda: b"a\n" + b"9" * 100_000 + b"\n",
}

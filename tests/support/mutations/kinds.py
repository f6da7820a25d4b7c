"""Every kind of file that invbench reads from outside: originals, how they are mutated, what is
made to harm, and the reader."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save

from invbench.attacks.case import read_case
from invbench.data.images import image_size, read_image
from invbench.errors import first_problem
from invbench.flows import ConditionalFlow
from invbench.laws.building import subject_of
from invbench.laws.cases.counterexample import replay
from invbench.laws.cases.recipe import InputRecipe
from invbench.report.site.cases import saved_cases
from invbench.report.site.pictures import worst_pictures
from invbench.report.table import read_table, render
from invbench.runner.local_worker import Answer
from invbench.saved_case import AttackCase, Counterexample, is_attack_case
from invbench.store.cell import Cell, CellSpec
from invbench.store.merge import merge
from invbench.store.store import MAX_BYTES, Store
from invbench.studies.study import Study
from invbench.targets import resolve
from invbench.testing.known_failures import read_known_failures
from invbench.tracks.protocols import current
from invbench.training.loop import read_checkpoint
from invbench.training.toy2d import toy2d
from invbench.training.weights import load_weights, read_card
from tests.support.mutations import payloads
from tests.support.mutations.mutate import in_archive, in_bytes, in_document, in_numbers
from tests.support.specs import spec_named

__all__ = ["KINDS", "Kind", "attack_case"]

Make = Callable[[random.Random], bytes]
Read = Callable[[bytes, Path], str]


@dataclass(frozen=True)
class Kind:
    """``mutated`` draws a file. ``read(data, folder)`` writes it below ``folder`` and reads it: why
    it was refused, empty when it was taken; an ``InvbenchError`` refuses as well. ``share``: of all
    files, in percent."""

    what: str
    reader: str
    share: int
    mutated: Make
    read: Read
    harmful: Callable[[], payloads.Files]


def _either(*makes: Make) -> Make:
    return lambda rng: rng.choice(makes)(rng)


def _bytes_of(original: Callable[[], bytes]) -> Make:
    return lambda rng: in_bytes(original(), rng)


# cells


@cache
def _cell() -> dict[str, Any]:
    spec = spec_named("sr", "affine", "embedded/attack-image-8", settings={"samples": 10})
    measures = {
        "names": ["astronaut/0", "coffee/0"],
        "inf": [0, 1],
        "error": [0, 1],
        "max_abs_log10": [0.1, "Infinity"],
        "psnr": [20.5, None],
        "by_layer": {"01 actnorm": 1.5},
        "step_F1": 3,
    }
    cell = Cell(
        key=spec.key,
        spec=spec,
        status="ok",
        measures=measures,
        provenance={"finished": "2026-01-01", "threads": 1},
    )
    return dict(json.loads(cell.model_dump_json()))


def _keyed(data: bytes) -> bytes:
    """The same file with the key of its content, where it has one: what somebody who means harm
    would write."""
    try:
        document = json.loads(data)
        document["key"] = CellSpec.model_validate(document["spec"]).key
        return json.dumps(document).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return data


def _rekeyed(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: _keyed(make())


def _mutated_cell(rng: random.Random) -> bytes:
    data = (
        in_document(_cell(), rng)
        if rng.random() < 0.8
        else in_bytes(json.dumps(_cell()).encode(), rng)
    )
    return _keyed(data) if rng.random() < 0.8 else data


def _read_cell(data: bytes, folder: Path) -> str:
    """Load, merge, table and page's rows: all that is done with a cell that somebody sent."""
    try:
        document = json.loads(data) if len(data) < 10**6 else {}
        key = CellSpec.model_validate(document["spec"]).key
    except (ValueError, KeyError, TypeError, RecursionError):
        key = _cell()["key"]
    path = folder / "theirs" / "sr" / "affine" / f"{key}.json"
    _write(path, data)
    try:
        cells, unreadable = Store(folder / "theirs").load()
        merge(folder / "theirs", folder / "ours", current)
        for track in {cell.spec.track for cell in cells}:
            for pooled in (False, True):
                render(read_table(track, folder / "ours", pooled), "json")
        return unreadable[0].reason if unreadable else ""
    finally:
        for file in folder.glob("*/*/*/*"):
            file.unlink()


def _read_answer(data: bytes, folder: Path) -> str:
    """What ``Lane`` does with the bytes of a worker, which arrive only up to this size."""
    try:
        Answer.read((b'{"cell": ' + data + b"}")[: 2 * MAX_BYTES])
    except ValidationError as error:
        return first_problem(error)
    except ValueError as error:
        return str(error)
    return ""


# cases


@cache
def _law_case() -> dict[str, bytes]:
    subject = subject_of(resolve("affine"), torch.float32)
    record = Counterexample(
        format=1,
        target="affine",
        target_kind="coupling",
        digest="d",
        property="round-trip-x",
        kind="defect",
        value="2.0",
        bound="1.0",
        message="x differs",
        dtype="float32",
        device="cpu",
        recipe=asdict(InputRecipe(rows=2)),
        environment={"python": "3.11"},
    )
    x, cond = torch.zeros(2, *subject.event_shape), torch.zeros(2, *(subject.cond_shape or ()))
    return {
        "case.json": record.model_dump_json().encode(),
        "tensors.safetensors": save(
            {"x": x, "cond": cond, "worst_x": x.clone(), "worst_cond": cond.clone()}
        ),
        "weights.safetensors": save(dict(subject.module.state_dict())),
    }


@cache
def attack_case() -> dict[str, bytes]:
    record = AttackCase(
        kind="attack",
        format=1,
        flow="srflow",
        coupling="affine",
        coupling_digest="d",
        size="mini",
        seed=0,
        weights_digest="w",
        attack="latent",
        eps=0.0,
        temperature=0.9,
        scale=4,
        source="embedded/astronaut",
        dtype="float32",
        device="cpu",
        levels={"F1": True, "F2": True, "F3": False, "F4": False},
        log10_x=float("inf"),
        round_trip=0.0,
        lr_psnr=40.0,
        environment={"torch": "2"},
    )
    tensors = {name: torch.zeros(1, 3, 2, 2) for name in ("y", "clean_y", "latent00")}
    sheet = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(sheet, "PNG")
    return {
        "case.json": record.model_dump_json().encode(),
        "tensors.safetensors": save(tensors),
        "sheet.png": sheet.getvalue(),
    }


def _case_folder(folder: Path, files: dict[str, bytes], name: str, data: bytes) -> Path:
    place = folder / "counterexamples" / "one"
    for file, content in (files | {name: data}).items():
        _write(place / file, content)
    return place


def _read_law_case(name: str, data: bytes, folder: Path) -> str:
    replay(_case_folder(folder, _law_case(), name, data))
    return ""


def _read_attack_case(name: str, data: bytes, folder: Path) -> str:
    place = _case_folder(folder, attack_case(), name, data)
    cases, problems = saved_cases(folder)
    problems += worst_pictures(cases)[1]
    is_attack_case(place)
    read_case(place)
    return problems[0] if problems else ""


# weights


@cache
def _flow() -> ConditionalFlow:
    return toy2d(resolve("affine").make, "mini", 0)


@cache
def _weights(zipped: bool | None) -> bytes:
    """Of the toy: safetensors when ``zipped`` is None, else as ``torch.save`` writes them."""
    state = {name: v.contiguous() for name, v in _flow().state_dict().items()}
    if zipped is None:
        return save(state)
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _header_mutated(rng: random.Random) -> bytes:
    data = _weights(None)
    (length,) = struct.unpack("<Q", data[:8])
    header = in_document(json.loads(data[8 : 8 + length]), rng)
    stated = len(header) if rng.random() < 0.9 else rng.choice((0, 2**31, 2**63, len(header) - 1))
    return struct.pack("<Q", stated) + header + data[8 + length :]


def _header_bytes_mutated(rng: random.Random) -> bytes:
    """Nearly all of a file are numbers, any of which is a number: mutate the head."""
    data = _weights(None)
    (length,) = struct.unpack("<Q", data[:8])
    return in_bytes(data[: 8 + length], rng) + data[8 + length :]


def _pickle_head_mutated(rng: random.Random) -> bytes:
    data = _weights(False)
    return in_bytes(data[:20_000], rng) + data[20_000:]


def _read_weights(suffix: str, data: bytes, folder: Path) -> str:
    load_weights(_flow(), _write(folder / f"weights{suffix}", data))
    return ""


@cache
def _checkpoint() -> bytes:
    file = io.BytesIO()
    torch.save(
        {
            "flow": _flow().state_dict(),
            "optimiser": {"step": 3},
            "schedule": {},
            "recipe": {"lr": 1e-3},
            "log": {"nll": [1.0]},
        },
        file,
    )
    return file.getvalue()


def _read_checkpoint(data: bytes, folder: Path) -> str:
    read_checkpoint(_write(folder / "checkpoint.pt", data))
    return ""


def _read_card(data: bytes, folder: Path) -> str:
    return (
        ""
        if read_card(_write(folder / "weights.json", data).with_suffix(".safetensors"))
        else "an empty card"
    )


# text and pictures

KNOWN = """
[[known]]
target = "srflow:affine"
property = "no-explosion"
reason = "samples reach Inf"
recipe = { family = "noise", severity = 5, image = 0, seed = 0 }

[[known]]
target = "affine"
property = "round-trip-x"
reason = "a test"
recipe = { pattern = "normal", rows = 1024, log2_scale = -3 }
"""
TABLE = "entry,case,error_pct\naffine,clean,62.5\nadditive,clean,0.0\n"


def _mutated_toml(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return in_numbers(KNOWN, rng).encode()
    lines = KNOWN.splitlines()
    odd = (
        "[known]",
        "known = 3",
        "target = {}",
        "recipe = 1",
        "[[known.recipe]]",
        "x" * 10**5,
        "a.b.c = 1",
        "recipe = []",
    )
    for _ in range(rng.randint(1, 4)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice((*odd, rng.choice(lines))))
    return "\n".join(lines).encode()


def _read_toml(data: bytes, folder: Path) -> str:
    for known in read_known_failures(_write(folder / "known.toml", data)):
        assert all(isinstance(v, str) for v in (known.target, known.property, known.reason)), known
        assert isinstance(known.recipe, dict), known
    return ""


@cache
def _picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(file, form)
    return file.getvalue()


def _read_image(data: bytes, folder: Path) -> str:
    path = _write(folder / "image.png", data)
    image_size(path)
    image = read_image(path)
    assert image.shape[0] == 3 and bool(image.isfinite().all())
    return ""


def _read_csv(data: bytes, folder: Path) -> str:
    _write(folder / "table.csv", data)
    Study(folder).csv("table.csv", "measure it again", "")
    return ""


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _in_case(files: Callable[[], dict[str, bytes]]) -> Make:
    return lambda rng: in_document(json.loads(files()["case.json"]), rng)


KINDS: dict[str, Kind] = {
    "cell": Kind(
        "result",
        "Store.load, merge, read_table",
        28,
        _mutated_cell,
        _read_cell,
        lambda: (
            payloads.DOCUMENTS | {n: _rekeyed(make) for n, make in payloads.cells(_cell()).items()}
        ),
    ),
    "answer": Kind(
        "result",
        "Lane (what a worker says)",
        4,
        _mutated_cell,
        _read_answer,
        lambda: payloads.cells(_cell()),
    ),
    "counterexample": Kind(
        "recipe",
        "counterexample.replay",
        14,
        _either(_in_case(_law_case), _bytes_of(lambda: _law_case()["case.json"])),
        partial(_read_law_case, "case.json"),
        lambda: payloads.DOCUMENTS,
    ),
    "attack case": Kind(
        "recipe",
        "read_case, worst_pictures",
        6,
        _either(_in_case(attack_case), _bytes_of(lambda: attack_case()["case.json"])),
        partial(_read_attack_case, "case.json"),
        lambda: payloads.DOCUMENTS,
    ),
    "card": Kind(
        "recipe",
        "read_card",
        3,
        lambda rng: in_document({"coupling_digest": "d", "nll": 1.5, "recipe": {"lr": 1e-3}}, rng),
        _read_card,
        lambda: payloads.DOCUMENTS,
    ),
    "known failures": Kind(
        "TOML",
        "read_known_failures (--xfails)",
        12,
        _either(_mutated_toml, _bytes_of(KNOWN.encode)),
        _read_toml,
        lambda: payloads.TOML,
    ),
    "safetensors": Kind(
        "weights",
        "load_weights",
        10,
        _either(_header_mutated, _header_bytes_mutated),
        partial(_read_weights, ".safetensors"),
        lambda: payloads.SAFETENSORS,
    ),
    "tensors of a case": Kind(
        "weights",
        "counterexample.replay",
        3,
        _bytes_of(lambda: _law_case()["tensors.safetensors"]),
        partial(_read_law_case, "tensors.safetensors"),
        lambda: payloads.SAFETENSORS,
    ),
    ".pth": Kind(
        "weights",
        "load_weights",
        7,
        _either(lambda rng: in_archive(_weights(True), rng), _bytes_of(lambda: _weights(True))),
        partial(_read_weights, ".pth"),
        lambda: payloads.PICKLES | payloads.ARCHIVES,
    ),
    ".pt, older format": Kind(
        "weights",
        "load_weights",
        5,
        _pickle_head_mutated,
        partial(_read_weights, ".pt"),
        lambda: payloads.PICKLES,
    ),
    "checkpoint": Kind(
        "weights",
        "read_checkpoint",
        3,
        lambda rng: in_archive(_checkpoint(), rng),
        _read_checkpoint,
        lambda: payloads.PICKLES | payloads.ARCHIVES,
    ),
    "image": Kind(
        "picture",
        "read_image, image_size",
        3,
        _either(_bytes_of(lambda: _picture("PNG")), _bytes_of(lambda: _picture("JPEG"))),
        _read_image,
        lambda: payloads.IMAGES,
    ),
    "sheet of a case": Kind(
        "picture",
        "worst_pictures",
        1,
        _bytes_of(lambda: attack_case()["sheet.png"]),
        partial(_read_attack_case, "sheet.png"),
        lambda: payloads.IMAGES,
    ),
    "table": Kind(
        "table", "Study.csv", 1, _bytes_of(TABLE.encode), _read_csv, lambda: payloads.CSV
    ),
}

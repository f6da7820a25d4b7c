"""The records of saved cases, ``case.json``: of an attack, or of a broken law.

A case's folder is data: reading it runs no code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from invbench.errors import UsageError, first_problem
from invbench.files import LARGEST, LARGEST_RECORD, parse_json, read_limited

__all__ = [
    "FORMAT",
    "KIND",
    "AttackCase",
    "Counterexample",
    "attack_record",
    "check_case",
    "counterexample_record",
    "is_attack_case",
    "not_written_here",
    "of_another_version",
]

FORMAT, KIND = 1, "attack"
RECORD, TENSORS, WEIGHTS = "case.json", "tensors.safetensors", "weights.safetensors"


class AttackCase(BaseModel):
    """The record of a case, ``case.json``.

    Decoding it again runs the code of its flow and coupling alone; each must be registered, or be
    named by the user.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")
    kind: str = Field(pattern=f"^{KIND}$")
    format: int
    flow: str = Field(max_length=200)
    coupling: str = Field(max_length=500)
    coupling_digest: str = Field(max_length=64)
    size: str = Field(max_length=50)
    seed: int
    weights_digest: str = Field(max_length=64)
    attack: str = Field(max_length=100)
    eps: float
    temperature: float
    scale: int | None
    source: str = Field(max_length=300)
    dtype: str = Field(pattern="^(float32|float64)$")
    device: str = Field(max_length=20)
    levels: dict[str, bool]
    log10_x: float
    round_trip: float
    lr_psnr: float
    environment: dict[str, str]


class Counterexample(BaseModel):
    """The record of a broken law. Judging it again runs the code of its target alone, which must be
    registered or named again."""

    model_config = ConfigDict(extra="forbid", strict=True)
    format: int
    target: str = Field(max_length=500)
    target_kind: str = Field(pattern="^(coupling|layer)$")
    digest: str = Field(max_length=64)
    property: str = Field(max_length=100)
    kind: str = Field(pattern="^(defect|crash|ill-conditioned)$")
    value: str = Field(max_length=40)
    bound: str = Field(max_length=40)
    message: str = Field(max_length=2000)
    dtype: str = Field(pattern="^(float32|float64|bfloat16|float16)$")
    device: str = Field(max_length=20)
    recipe: dict[str, str | int]
    declared: dict[str, Any] = Field(default_factory=dict)  # on the command line
    latent: bool = False  # whether z, not x, is what breaks the law
    environment: dict[str, str]


Record = TypeVar("Record", AttackCase, Counterexample)


def is_attack_case(folder: Path) -> bool:
    """Whether the folder holds a case of an attack. Only ``case.json`` is read."""
    try:
        document: Any = parse_json(read_limited(folder / "case.json", LARGEST_RECORD))
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("kind") == KIND


def attack_record(folder: Path) -> AttackCase:
    """The record of an attack. Raises ``UsageError``, which names the folder, when it is missing,
    too large, not well formed or of another version."""
    return _record(folder, AttackCase)


def counterexample_record(folder: Path) -> Counterexample:
    """The record of a broken law; errors as of ``attack_record``."""
    return _record(folder, Counterexample)


def check_case(folder: Path) -> None:
    """Whether a case is whole: its record, which is written last, and files of tensors that can be
    opened. Raises ``UsageError`` that names what is not."""
    attack = is_attack_case(folder)
    _record(folder, AttackCase) if attack else _record(folder, Counterexample)
    for name in (TENSORS,) if attack else (TENSORS, WEIGHTS):
        read_limited(folder / name, LARGEST)
        try:
            with safe_open(folder / name, "np"):
                pass
        except SafetensorError as error:
            raise not_written_here(folder, error) from None


def _record(folder: Path, schema: type[Record]) -> Record:
    try:
        record = schema.model_validate_json(read_limited(folder / RECORD, LARGEST_RECORD))
    except ValidationError as error:
        raise not_written_here(folder, first_problem(error)) from None
    if record.format != FORMAT:
        raise of_another_version(folder, record.format)
    return record


def not_written_here(folder: Path, why: object) -> UsageError:
    return UsageError(f"{folder}: not a case that invbench has written ({why})")


def of_another_version(folder: Path, version: int) -> UsageError:
    return UsageError(f"{folder}: written by another version of invbench (format {version})")

"""What is measured, in fields, and the one name that tables print for it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Case", "case_named", "case_of"]

HALF = {"float16": "fp16", "bfloat16": "bf16"}  # precision → how a name ends
Strength = Annotated[int, Field(ge=0, le=10**6)] | Annotated[float, Field(ge=0, le=10**6)]
# of a schema-1 cell or a person: data set/condition#part
NAME = re.compile(r"(?:(?P<dataset>[^/#]*)/)?(?P<condition>[^#]*)(?:#(?P<part>.*))?", re.DOTALL)
ATTACK = re.compile(r"attack-(?P<attack>.+?)(?:-(?P<eps>\d+))?")
STRENGTH = re.compile(r"(?P<corruption>.+)-(?P<severity>\d+(?:\.\d+)?)")


class Case(BaseModel):
    """One thing that a track measures of an entry.

    ``dataset``: of photographs; empty where a track has none. ``corruption`` with its ``severity``,
    ``clean`` for none, or an ``attack`` with its radius ``eps`` in 1/255. ``measure``: empty for
    what the track measures of every condition, else radius, stretch, mean, …; ``precision``: empty
    for the cell's dtype, else the dtype of torch.autocast.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(default="", max_length=100)
    corruption: str = Field(default="", max_length=200)
    severity: Strength | None = None
    attack: str = Field(default="", max_length=200)
    eps: Annotated[int, Field(ge=0, le=255)] | None = None
    measure: str = Field(default="", max_length=200)
    precision: str = Field(default="", max_length=40)

    @property
    def condition(self) -> str:
        """``noise-3``, ``clean``, ``attack-image-8``: the name without data set and part; empty
        where nothing is changed or attacked."""
        if self.attack:
            return f"attack-{self.attack}" + ("" if self.eps is None else f"-{self.eps}")
        return self.corruption + ("" if self.severity is None else f"-{self.severity:g}")

    @property
    def part(self) -> str:
        """What else than usual is measured of the condition: ``radius``, ``mean``, ``fp16``."""
        return HALF.get(self.precision, self.precision) or self.measure

    @property
    def name(self) -> str:
        """``embedded/noise-3``, ``BSD100/attack-image-8``, ``shift-0.8#radius``, ``slopes``."""
        if not self.condition:
            return self.part
        where = f"{self.dataset}/" if self.dataset else ""
        return where + self.condition + (f"#{self.part}" if self.part else "")


def case_named(name: str) -> Case:
    """The case whose ``name`` this is, as it stands in a cell of schema 1 or as a person writes it.

    A name without a data set, a number or a part is a measure of its own (``slopes``), but for
    ``in``, which is the toy's clean condition.
    """
    match = NAME.fullmatch(name)
    assert match is not None  # every text is such a name
    dataset, condition, part = match["dataset"] or "", match["condition"], match["part"] or ""
    halves = {short: precision for precision, short in HALF.items()}
    rest = {"precision": halves[part]} if part in halves else {"measure": part}
    if attack := ATTACK.fullmatch(condition):
        eps = None if attack["eps"] is None else int(attack["eps"])
        return Case(dataset=dataset, attack=attack["attack"], eps=eps, **rest)
    if strength := STRENGTH.fullmatch(condition):
        text = strength["severity"]
        severity = float(text) if "." in text else int(text)
        return Case(dataset=dataset, corruption=strength["corruption"], severity=severity, **rest)
    if not dataset and not part and condition != "in":
        return Case(measure=condition)
    return Case(dataset=dataset, corruption=condition, **rest)


def case_of(spec: Case) -> Case:
    """The case of a cell's spec, alone."""
    return Case.model_construct(**{name: getattr(spec, name) for name in Case.model_fields})

"""Declarations as they are written on the command line: shapes, spaces, ranges."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from invbench.errors import UsageError

__all__ = [
    "Codomain",
    "CondShape",
    "Condition",
    "DataRange",
    "Domain",
    "EventShape",
    "InverseIs",
    "LatentShape",
    "LogDetIs",
    "Stochastic",
    "Tolerance",
    "TrainingIs",
    "condition_of",
    "range_of",
    "shape_of",
]

_PANEL = "What the layer declares"


def _option(name: str, help: str) -> Any:
    return typer.Option(name, help=help, rich_help_panel=_PANEL)


EventShape = Annotated[
    str | None,
    _option("--event-shape", "Shape of one x, without the batch: 3,32,32. Several tensors: '2;2'."),
]
CondShape = Annotated[str | None, _option("--cond-shape", "Shape of one condition: 3.")]
LatentShape = Annotated[
    str | None, _option("--latent-shape", "Shape of one z, if it differs: 12,16,16.")
]
Domain = Annotated[
    str | None, _option("--domain", "Where x lies: unit_interval, positive, 'interval(-1, 1)', …")
]
Codomain = Annotated[str | None, _option("--codomain", "Where z lies.")]
Condition = Annotated[
    str | None, _option("--condition", "Where a condition lies: 'label(10)', mask, positive, …")
]
DataRange = Annotated[
    str | None, _option("--data-range", "The range of its data: -10,10, or 10 for both sides.")
]
Tolerance = Annotated[
    float | None, _option("--tolerance", "How far an iterated direction may be off: 1e-5.")
]
InverseIs = Annotated[str | None, _option("--inverse", "exact, iterated, sampling or none.")]
LogDetIs = Annotated[str | None, _option("--log-det", "exact, estimate or none.")]
Stochastic = Annotated[
    bool | None,
    typer.Option(
        "--stochastic/--no-stochastic",
        help="Whether a direction draws random numbers.",
        rich_help_panel=_PANEL,
    ),
]
TrainingIs = Annotated[
    str | None, _option("--training", "same or differs: the map in training mode.")
]


def shape_of(flag: str, text: str | None) -> Any:
    """``3,32,32`` → (3, 32, 32); ``2;2`` → ((2,), (2,)). Raises ``UsageError`` that shows how it is
    written."""
    if text is None:
        return None
    shapes = []
    for part in text.strip().strip(";").split(";"):
        numbers = [n for n in re.split(r"[,x×\s]+", part.strip().strip("()[]").strip()) if n]
        if not numbers or not all(n.isdecimal() and int(n) > 0 for n in numbers):
            raise UsageError(
                f"{flag} {text}: a shape without the batch, as {flag} 3,32,32; several tensors "
                f"as {flag} '2;2'"
            )
        shapes.append(tuple(map(int, numbers)))
    return shapes[0] if len(shapes) == 1 and ";" not in text else tuple(shapes)


def range_of(flag: str, text: str | None) -> Any:
    """``-3,3`` → (-3.0, 3.0); ``10`` → 10.0. Raises ``UsageError`` that shows how it is written."""
    if text is None:
        return None
    try:
        numbers = [float(n) for n in text.strip().strip("()[]").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise UsageError(f"{flag} {text}: two numbers, as {flag}=-10,10, or one for both sides")
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def condition_of(text: str | None) -> Any:
    """``label(5)`` → itself; ``label(5);positive`` → both, one for each tensor of the condition."""
    if text is None or ";" not in text:
        return text
    return tuple(part.strip() for part in text.split(";") if part.strip())

"""What a property, an attack, a cure, a design or a condition says about itself, in its own code;
the catalogue has it of invbench's own (``python docs/write_catalogue.py``)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from invbench.laws import LAWS
from invbench.laws.law import CATEGORIES, SCOPES
from invbench.registry import ATTACKS, CORRUPTIONS, COUPLINGS, CURES
from invbench.report.explain import Explanation

__all__ = ["of_code"]


def of_code(name: str) -> Iterator[Explanation]:
    """What the code under a name says about itself."""
    for kind in (_property, _attack, _cure, _design, _condition):
        yield from kind(name)


def _property(name: str) -> Iterator[Explanation]:
    if law := LAWS.get(name):
        yield Explanation(
            name,
            f"property, {law.category}",
            (
                ("meaning", law.statement),
                ("when broken", CATEGORIES[law.category]),
                ("checked on", SCOPES[law.scope]),
                ("needs", ", ".join(sorted(law.needs))),
                (
                    "how it can mislead",
                    (
                        "It holds means that no counterexample was found at the budget; it is no "
                        "proof."
                    ),
                ),
                ("see it", f"pytest suites/ --property {name}"),
            ),
        )


def _attack(name: str) -> Iterator[Explanation]:
    if name in ATTACKS:
        attack = ATTACKS[name].obj
        yield Explanation(
            name,
            "attack",
            (
                ("meaning", attack.statement),
                (
                    "moves",
                    " and ".join(attack.moved)
                    + (" within ε (ℓ∞, pixels)" if attack.uses_eps else ""),
                ),
                (
                    "keeps",
                    {
                        "x": "the point of the largest |x|",
                        "value": "the point of its own objective",
                    }[attack.keeps],
                ),
                ("source", ATTACKS[name].metadata["citation"]),
                (
                    "how it can mislead",
                    "A failed attack is no proof of robustness: it says what this search found "
                    "at this budget. One that fails where random "
                    "latents succeed is broken, so read it beside latent-random.",
                ),
                ("see it", f"invbench run --track sr --attack {name}"),
            ),
        )


def _cure(name: str) -> Iterator[Explanation]:
    if name in CURES:
        cure = CURES[name].obj
        options = ", ".join(f"{option}={value}" for option, value in cure.options.items())
        yield Explanation(
            name,
            "cure",
            (
                ("meaning", _docstring(cure.source)),
                ("needs", cure.needs),
                ("options", options),
                ("made by", cure.made_by),
                (
                    "how it can mislead",
                    "A bound on magnitude is no bound on sensitivity, and a picture without error "
                    "pixels may still be wrong: read LR-PSNR and the distance to the median.",
                ),
                ("see it", f"invbench run --track cures --entry affine+{name}"),
            ),
        )


def _design(name: str) -> Iterator[Explanation]:
    if name in COUPLINGS:
        entry = COUPLINGS[name]
        cls, metadata = entry.obj, entry.metadata
        declared = [
            f"{what} {v}"
            for what in ("slope_range", "displacement")
            if (v := getattr(cls, what, None)) is not None
        ]
        yield Explanation(
            name,
            "design",
            (
                ("meaning", _docstring(cls)),
                ("formula", str(metadata.get("formula", ""))),
                ("declares", "; ".join(declared)),
                ("source", str(metadata.get("citation", ""))),
                ("family", str(metadata.get("family", ""))),
                (
                    "how it can mislead",
                    (
                        "Sound is not robust, and a bound on magnitude is no bound on sensitivity: "
                        "read both columns."
                    ),
                ),
                ("see it", f"invbench check {name}"),
            ),
        )


def _condition(name: str) -> Iterator[Explanation]:
    if name in CORRUPTIONS:
        entry = CORRUPTIONS[name]
        strengths = entry.metadata.get("strengths", ())
        track = entry.metadata.get("track", "sr")
        yield Explanation(
            name,
            f"condition of track {track}",
            (
                ("meaning", _docstring(entry.obj)),
                (
                    "severities",
                    ", ".join(f"{k}: {value:g}" for k, value in enumerate(strengths, 1)),
                ),
                (
                    "how it can mislead",
                    (
                        "Severity 3 of one family is not as hard as severity 3 of another; look at "
                        "them (invbench list conditions --sheet)."
                    ),
                ),
                ("see it", f"invbench run --track {track} --corruption {name}"),
            ),
        )


def _docstring(obj: Any) -> str:
    return " ".join((inspect.getdoc(obj) or "").split())

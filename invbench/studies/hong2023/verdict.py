"""``VERDICT.md``: whether each claim holds, computed from stored numbers by ``rulebook`` and
``evidence.conclude``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from invbench.studies.hong2023.beyond import judge_beyond
from invbench.studies.hong2023.beyond_rules import BEYOND, Beyond
from invbench.studies.hong2023.claims import CLAIMS, Claim
from invbench.studies.hong2023.evidence import Outcome, Part, Verdict, conclude
from invbench.studies.hong2023.rules import RULES
from invbench.studies.hong2023.verdict_parts import parts_page
from invbench.studies.study import Made, Study

__all__ = ["PARTS", "Judged", "judge", "make"]

PARTS = "verdict_parts.md"
SWEEPS = ("toy_sweep", "toy_map")  # they train, so each is a command of its own
TEXT = f"""{{table}}

*Holds*: every part of the claim says yes; *holds in part*: some do; *not seen*: none does; *not testable here*: nothing was measured that could
tell. The effect, with its 95 % interval, is that of the claim's first part that could be tested; of C3 under two poolings, which differ. n:
inputs, or toys. Every part, its rule and the date of the rule: [{PARTS}]({PARTS}).

{{claims}}
# Beyond the paper

What the paper does not claim: cures, certificates and later designs, judged in the same way.

{{beyond_table}}

{{beyond}}"""
CLAIM = """## {key}: {verdict}

{headline}> {statement}

{found} The paper's numbers ({where}): {numbers}. What differs: {differs}. {links}
"""
BEYOND_CLAIM = """## {key}: {verdict}

> {statement}

{found} Measured with: {differs}. Shown in {links}.
"""
SAID: dict[Outcome, str] = {
    "yes": "Seen",
    "no": "Not seen",
    "open": "Open",
    "not testable": "Not testable",
}


@dataclass(frozen=True)
class Judged:
    claim: Claim
    parts: list[Part]
    verdict: Verdict


def judge(study: Study) -> list[Judged]:
    """Every claim by its rule."""
    found = [(CLAIMS[key], rule(study)) for key, rule in RULES.items()]
    return [Judged(claim, parts, conclude(parts)) for claim, parts in found]


def make(study: Study) -> Made:
    """Needs no measurement of its own: a claim without numbers is *not testable here*, and says
    what to run."""
    judged, beyond = judge(study), judge_beyond(study)
    every = {j.claim.key: j.parts for j in judged} | beyond
    rows = [
        {"claim": key, "verdict": conclude(parts), **vars(part)}
        for key, parts in every.items()
        for part in parts
    ]
    text = TEXT.format(
        table=_table({j.claim.key: (j.claim.short, j.parts) for j in judged}),
        claims="\n".join(_section(j) for j in judged),
        beyond_table=_table({k: (BEYOND[k].short, parts) for k, parts in beyond.items()}),
        beyond="\n".join(_beyond_section(BEYOND[key], parts) for key, parts in beyond.items()),
    )
    return Made(text, {"verdict": pd.DataFrame(rows)}, {PARTS: parts_page(every).encode()})


def _table(claims: dict[str, tuple[str, list[Part]]]) -> str:
    """A row per claim: (its statement in short, its parts) by key."""
    rows = []
    for key, (short, parts) in claims.items():
        verdict = conclude(parts)
        first = next((p for p in parts if p.outcome != "not testable"), parts[0])
        anchor = f"{key}-{verdict}".lower().replace(" ", "-")
        rows.append(
            {
                "claim": f"[{key}](#{anchor})",
                "": short,
                "verdict": f"**{verdict}**",
                "effect": _headline(parts) or f"{first.statement}: {first.found}",
                "n": first.n or "",
                "trainings": first.seeds or "",
                "parts that say yes": f"{sum(p.outcome == 'yes' for p in parts)} of {len(parts)}",
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _found(parts: Sequence[Part]) -> str:
    """What was found, by what it says, in a sentence each."""
    sentences = []
    for outcome, said in SAID.items():
        mine = [f"{p.statement} ({p.found})" for p in parts if p.outcome == outcome]
        if mine:
            sentences.append(f"**{said}**: {'; '.join(mine)}.")
    return " ".join(sentences)


def _headline(parts: Sequence[Part]) -> str:
    """The numbers without which the verdict would mislead."""
    return ", ".join(part.headline for part in parts if part.headline)


def _section(j: Judged) -> str:
    shown = j.claim.figures
    links = ", ".join(f"[{name}]({name}.md)" for name in shown)
    made = "".join(f"{name} " for name in shown if name not in SWEEPS)
    trained = "".join(f", `invbench reproduce {name}`" for name in shown if name in SWEEPS)
    return CLAIM.format(
        key=j.claim.key,
        verdict=j.verdict,
        headline=f"**{said}**\n\n" if (said := _headline(j.parts)) else "",
        statement=j.claim.statement,
        where=j.claim.where,
        found=_found(j.parts),
        numbers=j.claim.numbers,
        differs=j.claim.differs,
        links=f"Shown in {links}; regenerate: `invbench reproduce {made}verdict`{trained}.",
    )


def _beyond_section(one: Beyond, parts: list[Part]) -> str:
    return BEYOND_CLAIM.format(
        key=one.key,
        verdict=conclude(parts),
        statement=one.statement,
        found=_found(parts),
        differs=one.differs,
        links=", ".join(f"[{path.rpartition('/')[2]}]({path})" for path in one.shown),
    )

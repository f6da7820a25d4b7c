"""``VERDICT.md``: whether each claim holds, computed from stored numbers by ``rulebook`` and
``evidence.conclude``."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from invbench.studies.hong2023.claims import CLAIMS, Claim
from invbench.studies.hong2023.evidence import Part, Verdict, conclude
from invbench.studies.hong2023.rulebook import CHANGES, RULEBOOK, VERSION
from invbench.studies.hong2023.rules import RULES
from invbench.studies.study import Made, Study

__all__ = ["Judged", "judge", "make"]

TEXT = """{table}

The verdict follows from the parts below: *holds*, every part says yes; *holds in part*, some do; *not seen*, none does; *not testable here*,
nothing was measured that could tell. A part says yes or no when the whole 95 % interval of its effect lies on one side of the threshold in
its rule, and "open" when the interval spans it. "No Inf" is a count: yes when none was found, and the interval beside it says how many inputs
may have one that was not met. Formulas (C2), the sweep of toys (C1) and the training time have no interval. "Interval over" is what a part speaks
of: other photographs and other trainings of the same designs; other photographs alone where a design was trained once, so that another training
may say otherwise; or other trained toys. How: [docs/statistics.md](../../docs/statistics.md). Nothing here is typed in: numbers are in the tables
linked, statements, thresholds and dates in `invbench/studies/hong2023/rulebook.py`.

**Rules: version {version}, of {date} UTC.** Each rule has the date at which what it decides by was last changed. *After its data*: numbers of that
kind were stored before, so that the rule could have been made to fit them; {late} of {rules} rules are of that kind. Formulas have no data.

{changes}

{claims}"""
CLAIM = """## {key}: {verdict}

{headline}> {statement}

{where}. The paper's numbers: {numbers}.

{parts}

What differs: {differs}.

{links}
"""


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
    judged = judge(study)
    rows = [
        {"claim": j.claim.key, "verdict": j.verdict, **vars(part)}
        for j in judged
        for part in j.parts
    ]
    summary = pd.DataFrame([_summary(j) for j in judged]).to_markdown(
        index=False, disable_numparse=True
    )
    text = TEXT.format(
        table=summary,
        claims="\n".join(_section(j) for j in judged),
        version=VERSION,
        date=CHANGES[-1][0],
        changes="\n".join(f"{k}. {date}: {what}." for k, (date, what) in enumerate(CHANGES, 1)),
        late=sum(bool(rule.data) and rule.written > rule.data for rule in RULEBOOK.values()),
        rules=len(RULEBOOK),
    )
    return Made(text, {"verdict": pd.DataFrame(rows)}, {})


def _summary(j: Judged) -> dict[str, str]:
    said = [p for p in j.parts if p.outcome == "yes"], [p for p in j.parts if p.outcome != "yes"]
    yes, not_yes = ("; ".join(p.statement for p in parts) for parts in said)
    return {
        "claim": f"[{j.claim.key}](#{_anchor(j)})",
        "verdict": f"**{j.verdict}**" + (f": {_headline(j)}" if _headline(j) else ""),
        "seen": yes,
        "not seen, open or not testable": not_yes,
    }


def _headline(j: Judged) -> str:
    """The numbers without which the verdict would mislead."""
    return ", ".join(part.headline for part in j.parts if part.headline)


def _anchor(j: Judged) -> str:
    return f"{j.claim.key}-{j.verdict}".lower().replace(" ", "-")


def _section(j: Judged) -> str:
    table = pd.DataFrame(
        [
            {
                "part": p.statement,
                "says": p.outcome,
                "found": p.found,
                "n": p.n or "",
                "seeds": p.seeds or "",
                "interval over": p.over,
                "yes when": p.rule,
                "rule of": p.written + (", after its data" if p.late else ""),
            }
            for p in j.parts
        ]
    )
    shown = j.claim.figures
    links = ", ".join(f"[{name}]({name}.md)" for name in shown)
    commands = " ".join(name for name in shown if name != "toy_sweep") or "verdict"
    sweep = ", `invbench reproduce toy_sweep`" if "toy_sweep" in shown else ""
    return CLAIM.format(
        key=j.claim.key,
        verdict=j.verdict,
        headline=f"**{_headline(j)}**\n\n" if _headline(j) else "",
        statement=j.claim.statement,
        where=j.claim.where,
        numbers=j.claim.numbers,
        parts=table.to_markdown(index=False, disable_numparse=True),
        differs=j.claim.differs,
        links=(
            f"{'Shown in ' + links + '; r' if links else 'R'}egenerate: `invbench reproduce "
            f"{commands} verdict`{sweep}."
        ).replace("verdict verdict", "verdict"),
    )

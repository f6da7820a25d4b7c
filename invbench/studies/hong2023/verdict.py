"""``VERDICT.md``: whether each claim holds, computed from stored numbers by ``rulebook`` and
``evidence.conclude``."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from invbench.studies.hong2023.beyond import judge_beyond
from invbench.studies.hong2023.beyond_rules import BEYOND, Beyond
from invbench.studies.hong2023.claims import CLAIMS, Claim
from invbench.studies.hong2023.evidence import Part, Verdict, conclude
from invbench.studies.hong2023.rulebook import CHANGES, RULEBOOK, VERSION
from invbench.studies.hong2023.rules import RULES
from invbench.studies.study import Made, Study

__all__ = ["Judged", "judge", "make"]

SWEEPS = ("toy_sweep", "toy_map")  # they train, so each is a command of its own
TEXT = """{table}

The verdict follows from the parts below: *holds*, every part says yes; *holds in part*, some do; *not seen*, none does; *not testable here*,
nothing was measured that could tell. A part says yes or no when the whole 95 % interval of its effect lies on one side of the threshold in
its rule, and "open" when the interval spans it. "No Inf" is a count: yes when none was found, and the interval beside it says how many inputs
may have one that was not met. Formulas (C2), the sweep of toys and the search of their map (C1) and the training time have no interval. "Interval over" is what a part speaks
of: other photographs and other trainings of the same designs; other photographs alone where a design was trained once, so that another training
may say otherwise; or other trained toys. How: [docs/statistics.md](../../docs/statistics.md). Nothing here is typed in: numbers are in the tables
linked, statements, thresholds and dates in `invbench/studies/hong2023/rulebook.py`.

**Rules: version {version}, of {date} UTC.** Each rule has the date at which what it decides by was last changed. *After its data*: numbers of that
kind were stored before, so that the rule could have been made to fit them; {late} of {rules} rules are of that kind. Formulas have no data.

{changes}

{claims}
# Beyond the paper

What the paper does not claim: cures, certificates and later designs, judged in the same way. Their rules are in
`invbench/studies/hong2023/beyond_rules.py`; "certified" has no interval, since it is a bound and not a sample.

{beyond_table}

{beyond}"""
CLAIM = """## {key}: {verdict}

{headline}> {statement}

{where}. The paper's numbers: {numbers}.

{parts}

What differs: {differs}.

{links}
"""
BEYOND_CLAIM = """## {key}: {verdict}

> {statement}

{parts}

Measured with: {differs}. Shown in {links}; regenerate: `invbench reproduce verdict`.
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
    judged, beyond = judge(study), judge_beyond(study)
    rows = [
        {"claim": key, "verdict": conclude(parts), **vars(part)}
        for key, parts in ({j.claim.key: j.parts for j in judged} | beyond).items()
        for part in parts
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
        beyond_table=pd.DataFrame(
            [_beyond_summary(BEYOND[key], parts) for key, parts in beyond.items()]
        ).to_markdown(index=False, disable_numparse=True),
        beyond="\n".join(_beyond_section(BEYOND[key], parts) for key, parts in beyond.items()),
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


def _beyond_summary(one: Beyond, parts: list[Part]) -> dict[str, str]:
    anchor = f"{one.key}-{conclude(parts)}".lower().replace(" ", "-")
    return {
        "statement": f"[{one.key}](#{anchor})",
        "": one.statement,
        "verdict": f"**{conclude(parts)}**",
        "not seen, open or not testable": "; ".join(
            p.statement for p in parts if p.outcome != "yes"
        ),
    }


def _beyond_section(one: Beyond, parts: list[Part]) -> str:
    return BEYOND_CLAIM.format(
        key=one.key,
        verdict=conclude(parts),
        statement=one.statement,
        parts=_parts(parts),
        differs=one.differs,
        links=", ".join(f"[{path.rpartition('/')[2]}]({path})" for path in one.shown),
    )


def _parts(parts: list[Part]) -> str:
    """The table of the parts of a claim, as markdown."""
    rows = [
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
        for p in parts
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _section(j: Judged) -> str:
    shown = j.claim.figures
    links = ", ".join(f"[{name}]({name}.md)" for name in shown)
    commands = " ".join(name for name in shown if name not in SWEEPS) or "verdict"
    sweeps = "".join(f", `invbench reproduce {name}`" for name in shown if name in SWEEPS)
    return CLAIM.format(
        key=j.claim.key,
        verdict=j.verdict,
        headline=f"**{_headline(j)}**\n\n" if _headline(j) else "",
        statement=j.claim.statement,
        where=j.claim.where,
        numbers=j.claim.numbers,
        parts=_parts(j.parts),
        differs=j.claim.differs,
        links=(
            f"{'Shown in ' + links + '; r' if links else 'R'}egenerate: `invbench reproduce "
            f"{commands} verdict`{sweeps}."
        ).replace("verdict verdict", "verdict"),
    )

"""``verdict_parts.md``: every part of every claim, with its rule, and when the rule was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from invbench.studies.hong2023.evidence import Part
from invbench.studies.hong2023.rulebook import CHANGES, RULEBOOK, VERSION

__all__ = ["parts_page"]

TEXT = """# The verdict, part by part

What each verdict of [VERDICT.md](VERDICT.md) follows from. A part says yes or no when the whole 95 % interval of its effect lies on one side of
the threshold in its rule, and "open" when the interval spans it. "No Inf" is a count: yes when none was found, and the interval beside it says how
many inputs may have one that was not met. Formulas (C2), the sweep of toys and the search of their map (C1) and the training time have no interval; "certified" is a bound and no
sample. "Interval over" is what a part speaks of: other photographs and other trainings of the same designs; other photographs alone where a design
was trained once, so that another training may say otherwise; or other trained toys. How: [docs/statistics.md](../../docs/statistics.md). Nothing
here is typed in: statements, thresholds and dates are in `invbench/studies/hong2023/rulebook.py` and `beyond_rules.py`.

**Rules: version {version}, of {date} UTC.** Each rule has the date at which what it decides by was last changed. *After its data*: numbers of that
kind were stored before, so that the rule could have been made to fit them; {late} of the paper's {rules} rules are of that kind. Formulas have no
data.

{changes}

{tables}
Regenerate: `invbench reproduce verdict`
"""


def parts_page(claims: Mapping[str, Sequence[Part]]) -> str:
    """Markdown; ``claims``: key → its parts."""
    return TEXT.format(
        version=VERSION,
        date=CHANGES[-1][0],
        changes="\n".join(f"{k}. {date}: {what}." for k, (date, what) in enumerate(CHANGES, 1)),
        late=sum(bool(rule.data) and rule.written > rule.data for rule in RULEBOOK.values()),
        rules=len(RULEBOOK),
        tables="\n".join(f"## {key}\n\n{_table(parts)}\n" for key, parts in claims.items()),
    )


def _table(parts: Sequence[Part]) -> str:
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

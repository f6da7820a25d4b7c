"""What says which row it is, what stands behind it, and its rank."""

from __future__ import annotations

from invbench.tracks.columns import Meaning

ROWS = (
    Meaning(
        "entry",
        "design",
        "row",
        "Name of the coupling design as it was given to `invbench run`.",
        "",
        "invbench list couplings",
        (
            "A name is no version: cells of an older source of that name are set aside as stale, "
            "and named in the notes."
        ),
    ),
    Meaning(
        "track",
        "track",
        "row",
        "Which leaderboard the row belongs to.",
        "",
        "invbench list tracks",
        "Numbers of two tracks are never comparable, even under the same column name.",
    ),
    Meaning(
        "case",
        "condition",
        "row",
        "What was fed in: a data set and a condition. …/ood pools every out-of-distribution "
        "family and severity, …/attacked what the attacks "
        "reach together; (fp16) is the same under float16, (mean) one decode of the mean "
        "latent; [fs_ncsr] the same with another flow "
        "than the track's own.",
        "",
        "invbench list conditions",
        (
            "A pooled row weighs every family and severity of its set alike, which no deployment "
            "does; two data sets may pool other sets (cases)."
        ),
    ),
    Meaning(
        "cases",
        "cases pooled",
        "evidence",
        "How many conditions or attacks the row pools; a note under the table lists them.",
        "",
        "invbench/report/rows.py",
        (
            "Rows of two data sets may pool other sets: compare rates only where the notes name "
            "the same one."
        ),
    ),
    Meaning(
        "n",
        "inputs",
        "evidence",
        "Inputs behind the rates. One input is one photograph crop or one y, with K = 10 samples.",
        "inputs measured + inputs of failed cells",
        "invbench/report/rows.py",
        (
            "0 failures of a small n says little, and crops of one photograph little more than "
            "one: 0 of 12 crops of six allow 46 %."
        ),
    ),
    Meaning(
        "photographs",
        "photographs",
        "evidence",
        (
            "On how many photographs the row rests, whatever the crops and severities of each. "
            "Empty in toys, whose seeds are the sample."
        ),
        "",
        "invbench/report/inputs.py",
        (
            "This, not n, is how much evidence there is about other photographs: six cannot tell "
            "more than two entries apart."
        ),
        "high",
    ),
    Meaning(
        "seeds",
        "seeds",
        "evidence",
        "How many independently trained models (toy2d) or runs the row unites.",
        "",
        "invbench/report/rows.py",
        "With one seed, everything said about a design is said about one training of it.",
    ),
    Meaning(
        "status",
        "cells",
        "evidence",
        "Cells by status: ok, diverged (measured, something was not finite), error, oom, "
        "timeout, skipped; missing:N inputs of the "
        "set that others have; partial:N trainings left out that lack some of it.",
        "",
        "invbench/store/cell.py",
        (
            "diverged is a result and no fault of the harness. error, oom and timeout count as "
            "errors in error_pct, never in inf_pct."
        ),
    ),
    Meaning(
        "rank_lo",
        "best rank",
        "rank",
        "Best rank by error_pct that the data allow.",
        (
            "1 + how many entries are told apart from it with a lower rate; with rank_hi "
            "simultaneous at 95 % for the case"
        ),
        "invbench/measures/paired.py",
        "Ranks are among the entries of this table: add or remove one and they move.",
        "low",
    ),
    Meaning(
        "rank_hi",
        "worst rank",
        "rank",
        "Worst rank by error_pct that the data allow.",
        (
            "entries of the case − how many are told apart from it with a higher rate; "
            "simultaneous with rank_lo at 95 %"
        ),
        "invbench/measures/paired.py",
        "Ranks are among the entries of this table: add or remove one and they move.",
        "low",
    ),
    Meaning(
        "tier",
        "tier",
        "rank",
        (
            "Entries of one tier cannot be told apart, as designs; 1 is the best. Who is in tier "
            "2 is told apart from one in tier 1."
        ),
        (
            "longest chain of entries told apart from each other; every pair tested over "
            "photographs and trainings, Holm-adjusted at 5 % for the case"
        ),
        "invbench/measures/pairwise.py",
        "Sharing a tier is absence of evidence, not equality; more photographs and trainings "
        "split tiers. Entries with missing or failed cells "
        "get none.",
        "low",
    ),
    Meaning(
        "tier_given",
        "tier, these trainings",
        "rank",
        (
            "As tier, but of the trainings that were measured: whether another training would "
            "stand there is not asked."
        ),
        "paired sign-flip test over photographs of every pair, Holm-adjusted at 5 % for the case",
        "invbench/measures/pairwise.py",
        "Says which of the weights at hand fail less. Trained again, a design may change its "
        "place: three trainings of affine failed on 62, 40 and "
        "20 % of BSD100.",
        "low",
    ),
    Meaning(
        "rank_of",
        "rank of",
        "rank",
        "What rank and tier speak of: the design, or the one training that was measured.",
        "design: several trainings; training, spread of others: one, given the spread that "
        "other entries of the case show; training: one, and no "
        "entry shows a spread",
        "docs/statistics.md",
        "A rank of one training says nothing certain about the next training of the same design.",
    ),
)

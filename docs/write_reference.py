"""Write the pages of docs/reference that follow from the code: python docs/write_reference.py

cli.md from the command line itself; corruptions.md and attacks.md from the catalogue that
``invbench list`` and ``invbench explain`` read; budgets.md from the tables of budgets; cost.md from
results/benchmarks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer
from cost_page import cost

from invbench.attacks.attack import standard_attacks
from invbench.attacks.budget import ATTACK_BUDGETS
from invbench.catalogue import catalogue
from invbench.catalogue import explained as explanations
from invbench.cli.main import VERBS, app
from invbench.files import write_atomically
from invbench.laws.cases.plan import SECONDS
from invbench.registry import ATTACKS
from invbench.tracks.budget import BUDGETS

FOLDER = Path(__file__).resolve().parent / "reference"
NOTE = "*Written by `python docs/write_reference.py`.*"


def commands() -> dict[str, Any]:
    """verb -> its command, as click has it."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("invbench", [], resilient_parsing=True)
    return {verb: group.get_command(context, verb) for verb in VERBS}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, [":--"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def paragraphs(text: str) -> str:
    """A help text: indentation off, its paragraphs and lists kept."""
    lines = [re.sub(" +", " ", line.strip()) for line in text.replace("\b", "").splitlines()]
    return "\n".join(lines).strip()


def verb_page(verb: str, command: Any) -> Iterator[str]:
    yield f"## invbench {verb}\n"
    yield paragraphs(command.help or "") + "\n"
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    if arguments:
        rows = [
            [f"`{p.make_metavar_name() if hasattr(p, 'make_metavar_name') else p.name.upper()}`"]
            + [getattr(p, "help", "") or "", "yes" if p.required else "no"]
            for p in arguments
        ]
        yield table(["argument", "what", "required"], rows) + "\n"
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    rows = []
    for p in options:
        names = ", ".join(f"`{name}`" for name in [*p.opts, *p.secondary_opts])
        default = p.default if isinstance(p.default, (str, int, float, Path)) else None
        shown = "" if default is None or isinstance(default, bool) else f"`{default}`"
        rows.append([names, p.help or "", shown, "yes" if p.multiple else ""])
    yield table(["option", "what", "default", "repeatable"], rows) + "\n"


def cli() -> str:
    head = (
        "# Command line\n\n"
        "Exit codes: 0 fine, 1 the subject failed, 2 wrong usage, 3 the harness failed, 130 "
        "interrupted. `--json` prints one JSON document on standard output; progress and errors go "
        f"to standard error. `invbench VERB --help` says the same as this page.\n\n{NOTE}\n"
    )
    return "\n".join([head, *(part for v, c in commands().items() for part in verb_page(v, c))])


def explained(name: str, kind: str) -> dict[str, str]:
    """What the catalogue says of a name, of one kind."""
    for title, facts in explanations(name):
        if title.startswith(kind):
            return dict(facts)
    return {}


def rows_of(kind: str) -> list[dict[str, str]]:
    return (catalogue() or {})[kind]


def corruptions() -> str:
    rows = []
    for row in rows_of("conditions"):
        facts = explained(row["name"], "condition")
        # of a summary: the formula, and the five severities at its end
        meaning, _, severities = row["summary"].rpartition(" [")
        rows.append(
            [
                f"`{row['name']}`",
                facts.get("meaning", meaning or row["summary"]),
                facts.get("severities", severities.rstrip("]")),
                f"`{row['source']}`",
            ]
        )
    text = (
        "# Corruptions\n\n"
        "A corruption changes the condition y before the flow sees it, at one of five severities. "
        "The same seed and place give the same bits on every machine and at every batch size. "
        "Severity 3 of one family is not as hard as severity 3 of another: look at "
        "[them](../conditions.png), or draw them by `invbench list conditions --sheet out.png`.\n\n"
        "![Every family at every severity](../conditions.png)\n\n"
    )
    head = ["name", "y becomes", "severities 1 to 5", "file"]
    return f"{text}{table(head, rows)}\n\n{NOTE}\n"


def attacks() -> str:
    rows = []
    for row in rows_of("attacks"):
        facts = explained(row["name"], "attack")
        rows.append([f"`{row['name']}`", row["summary"], facts["moves"], facts["keeps"]])
    outside = ", ".join(f"`{name}`" for name in ATTACKS if name not in standard_attacks())
    text = (
        "# Attacks\n\n"
        f"The standard ensemble, and {outside}, which runs where it is named. A failed attack is no "
        "proof of robustness: it says what this search found at [this budget](budgets.md). [How a search looks](../attacks.md).\n\n"
    )
    return f"{text}{table(['name', 'what', 'moves', 'keeps'], rows)}\n\n{NOTE}\n"


def budgets() -> str:
    laws = [[f"`{name}`", f"{seconds:g}"] for name, seconds in SECONDS.items()]
    searches = [
        [f"`{name}`", *(str(getattr(b, f.name)) for f in fields(b))]
        for name, b in ATTACK_BUDGETS.items()
    ]
    runs = [
        [
            f"`{name}`",
            f"`{b.check}`",
            str(b.toy_seeds),
            str(b.crops),
            "all" if b.limit is None else str(b.limit),
            ", ".join(map(str, b.severities)),
            ", ".join(b.families) or "all",
            ", ".join(b.attacks) or "all",
            str(b.attacked),
        ]
        for name, b in BUDGETS.items()
    ]
    names = [f.name.replace("_", " ") for f in fields(ATTACK_BUDGETS["smoke"])]
    run_head = ["budget", "check", "toy seeds", "crops of a photograph", "most inputs"]
    run_head += ["severities", "corruptions", "attacks", "inputs of each"]
    return (
        "# Budgets\n\nBudgets are fixed: nothing is tuned for a model.\n\n"
        "## invbench check\n\nSeconds of one processor. The cost of a call decides the plan, which "
        f"the report keeps.\n\n{table(['budget', 'seconds'], laws)}\n\n"
        "## invbench run\n\n"
        f"{table(run_head, runs)}\n\n"
        "## invbench attack, and attacks of a run\n\nSteps of the searches, and how many latents "
        f"they hold.\n\n{table(['budget', *names], searches)}\n\n{NOTE}\n"
    )


PAGES = {
    "cli.md": cli,
    "corruptions.md": corruptions,
    "attacks.md": attacks,
    "budgets.md": budgets,
    "cost.md": lambda: f"{cost(table)}\n{NOTE}\n",
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        write_atomically(FOLDER / name, page().encode())
        print(FOLDER / name)

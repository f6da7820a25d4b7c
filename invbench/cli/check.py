"""The verbs for single targets: list, check, replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table as RichTable

from invbench.cli.check_outcome import against, annotate, new_failures, seed_number
from invbench.cli.declare import (
    Codomain,
    Condition,
    CondShape,
    DataRange,
    Domain,
    EventShape,
    InverseIs,
    LatentShape,
    LogDetIs,
    Stochastic,
    Tolerance,
    TrainingIs,
    condition_of,
    range_of,
    shape_of,
)
from invbench.cli.listing import KINDS, listed
from invbench.console import JsonFlag, err, out, print_json
from invbench.errors import UsageError, did_you_mean

__all__ = ["check", "list_", "replay"]

KINDS_CHECKED = ("coupling", "layer", "distribution")


def list_(
    kind: Annotated[str, typer.Argument(help=" | ".join(KINDS))] = "",
    sheet: Annotated[
        Path | None,
        typer.Option(help="Draw every family of conditions at every severity into this PNG file."),
    ] = None,
    libraries: Annotated[
        bool,
        typer.Option("--libraries", help="Import installed flow libraries, list what each has."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """What there is: the names of every kind, or of one kind also what each is and its source.

    Examples: `invbench list`, `invbench list couplings`, `invbench list properties --json`,
    `invbench list layers --libraries`,    `invbench list conditions --sheet out.png`
    """
    if kind and kind not in KINDS:
        raise UsageError(f"{kind!r} is not one of {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    if sheet is not None:
        _draw(kind, sheet, as_json)
        return
    listing = {name: listed(name, libraries) for name in ([kind] if kind else KINDS)}
    if as_json:
        print_json(listing[kind] if kind else listing)
        return
    if not kind:
        for name, rows in listing.items():
            names = ", ".join(row["name"] for row in rows)
            out.print(f"[bold]{name}[/] ({len(rows)}): {escape(names)}", highlight=False)
        errors = [row for rows in listing.values() for row in rows if row["source"] == "plugin"]
        for row in errors:
            out.print(escape(f"{row['name']}: {row['summary']}"), style="red", soft_wrap=True)
        out.print("[dim]what each is: invbench list KIND; more of one: invbench explain NAME[/]")
        return
    for name, rows in listing.items():
        table = RichTable(title=name, title_justify="left", box=None)
        table.add_column("name", min_width=max((len(row["name"]) for row in rows), default=0))
        table.add_column("what")
        table.add_column("source")
        for row in rows:
            more = "".join(
                f"\n{what}: {row[what]}" for what in ("reference", "trusts") if row.get(what)
            )
            table.add_row(escape(row["name"]), escape(row["summary"] + more), escape(row["source"]))
        out.print(table)


def _draw(kind: str, path: Path, as_json: bool) -> None:
    if kind != "conditions":
        raise UsageError(
            f"--sheet draws conditions, not {kind or 'everything'}; run: invbench list "
            f"conditions --sheet {path}"
        )
    if path.suffix.lower() != ".png":
        raise UsageError(f"--sheet {path}: the sheet is a PNG; give a name that ends in .png")
    from invbench.corruptions.gallery import PHOTOGRAPH, gallery
    from invbench.data.datasets import sr_pairs
    from invbench.files import write_atomically

    (pair,) = (p for p in sr_pairs("embedded", 128, 1) if p.name == PHOTOGRAPH)
    write_atomically(path, gallery(pair))
    if as_json:
        print_json({"sheet": str(path)})
    else:
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)


def check(
    targets: Annotated[
        list[str],
        typer.Argument(
            help=(
                "Coupling, layer or distribution: name, library/name, library/*, file.py, "
                "file.py:Name, module:Name(dim=4)."
            )
        ),
    ],
    dtype: Annotated[str, typer.Option(help="float32, float64, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    budget: Annotated[str, typer.Option(help="smoke, default or deep.")] = "default",
    properties: Annotated[
        list[str] | None,
        typer.Option(
            "--property", help="Check this law only; repeatable (invbench list properties)."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--as", help="Treat the target as a coupling, layer or distribution."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Save counterexamples below this folder.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Fail on what this report of an earlier check --json has not."),
    ] = None,
    seed: Annotated[str, typer.Option(help="What is drawn: 0, another number, or today.")] = "0",
    event_shape: EventShape = None,
    cond_shape: CondShape = None,
    latent_shape: LatentShape = None,
    domain: Domain = None,
    codomain: Codomain = None,
    condition: Condition = None,
    data_range: DataRange = None,
    tolerance: Tolerance = None,
    inverse: InverseIs = None,
    log_det: LogDetIs = None,
    stochastic: Stochastic = None,
    training: TrainingIs = None,
    as_json: JsonFlag = False,
) -> None:
    """Is this coupling, layer or distribution what it says? The exit code is 1 when a target is not
    sound, 2 when it cannot be checked. With `--baseline` it is 1 for what is new.

    Examples: `invbench check affine`, `invbench check my.py:MyLayer --event-shape 3,32,32 --domain
    unit_interval`, `invbench check 'my_package.layers:Block(dim=4)' --dtype float64 --property
    round-trip-x`, `invbench check 'nflows/*' --budget smoke`, `invbench check my.py --results
    results`, `invbench check my.py --baseline report.json --seed today`
    """
    from invbench.cli.report_text import report_lines
    from invbench.laws import check as check_target
    from invbench.laws.baseline import read_baseline
    from invbench.laws.cases.counterexample import save_failures
    from invbench.laws.judging.sensitivity import bounds_line
    from invbench.targets import replay_command, resolve_all

    if kind is not None and kind not in KINDS_CHECKED:
        raise UsageError(f"--as {kind}: one of {', '.join(KINDS_CHECKED)}")
    declared: dict[str, Any] = {
        "event_shape": shape_of("--event-shape", event_shape),
        "cond_shape": shape_of("--cond-shape", cond_shape),
        "latent_shape": shape_of("--latent-shape", latent_shape),
        "domain": domain,
        "codomain": codomain,
        "condition": condition_of(condition),
        "data_range": range_of("--data-range", data_range),
        "tolerance": tolerance,
        "inverse": inverse,
        "log_det": log_det,
        "stochastic": stochastic,
        "training": training,
    }
    kinds = KINDS_CHECKED if kind is None else (kind,)
    first_seed, earlier = seed_number(seed), read_baseline(baseline) if baseline else None
    resolved = [t for spec in targets for t in resolve_all(spec, kinds, declared)]
    reports, saved = [], []
    with err.status("checking …") as status:
        for target in resolved:
            announce = lambda law, name=target.name: status.update(f"{escape(name)}: {law}")  # noqa: E731
            if target.kind == "distribution":
                from invbench.laws.distributions.laws import check_distribution

                reports.append(
                    check_distribution(
                        target, dtype, device, budget, properties or None, announce, first_seed
                    )
                )
                continue
            reports.append(
                check_target(
                    target, dtype, device, budget, properties or None, announce, first_seed
                )
            )
            if results is not None:
                announce("reducing")
                folders, problems = save_failures(results, target, reports[-1])
                saved += [replay_command(folder, target.spec) for folder in folders] + problems
    compared = [earlier.compare(report) if earlier else None for report in reports]
    if as_json:
        documents = [
            report.as_dict() | ({"baseline": comparison.as_dict()} if comparison else {})
            for report, comparison in zip(reports, compared, strict=True)
        ]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for report in reports:
            for line in report_lines(report, dtype, bounds_line(report.measures)):
                out.print(line, highlight=False, soft_wrap=True)
    if earlier:
        saved += [line for report in reports for line in against(earlier, report)]
    for line in saved:
        err.print(line, markup=False, soft_wrap=True, highlight=False)
    failed = [new_failures(*pair) for pair in zip(reports, compared, strict=True)]
    annotate(reports, failed)
    if any(failed):
        raise typer.Exit(1)


def replay(
    case: Annotated[Path, typer.Argument(help="Folder of a counterexample.")],
    target: Annotated[
        str | None,
        typer.Option(help="Run it on this target; needed when the case is about a file."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of an attacked flow. Default: yours, else the shipped ones."),
    ] = None,
    flow: Annotated[
        str | None, typer.Option(help="Attacked flow; needed when the case is about a file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a saved counterexample again. The exit code is 1 while the law is still broken, or the
    attacked flow still fails.

    Examples: `invbench replay results/counterexamples/affine-finite-1a2b3c4d`, `invbench replay …
    --target my.py`
    """
    from invbench.laws.cases.counterexample import replay as run_again
    from invbench.saved_case import is_attack_case

    if is_attack_case(case):
        return _replay_attack(case, target, weights, flow, as_json)
    record, resolved, violations = run_again(case, target)
    if as_json:
        kinds = [
            {"kind": v.kind, "value": v.value, "bound": v.bound, "message": v.message}
            for v in violations
        ]
        print_json(
            {
                "target": resolved.name,
                "property": record.property,
                "broken": bool(violations),
                "violations": kinds,
            }
        )
    else:
        if resolved.digest != record.digest:
            err.print("the source has changed since the case was saved", highlight=False)
        verdict = "[red]still broken[/]" if violations else "[green]holds now[/]"
        out.print(f"{escape(resolved.name)}, {record.property}: {verdict}")
        for v in violations:
            out.print(f"  \\[{v.kind}]", escape(v.message), highlight=False)
    if violations:
        raise typer.Exit(1)


def _replay_attack(
    case: Path, coupling: str | None, weights: Path | None, flow: str | None, as_json: bool
) -> None:
    from invbench.attacks.case import replay_case
    from invbench.attacks.judge import power

    record, verdict, notes = replay_case(case, coupling, weights, flow)
    levels = [level for level, hit in verdict.levels.items() if hit]
    then = [level for level, hit in record.levels.items() if hit]
    if as_json:
        document = {
            "levels": levels,
            "max_abs_log10": verdict.log10_x,
            "levels_then": then,
            "then": record.log10_x,
        }
        print_json(
            {"flow": record.flow, "coupling": record.coupling, "attack": record.attack} | document
        )
    else:
        state = "[red]still fails[/]" if levels else "[green]does not fail now[/]"
        out.print(f"{escape(f'{record.flow}, {record.coupling}, {record.attack}')}: {state}")
        size = f"max |x| = {power(verdict.log10_x)}, then {power(record.log10_x)}"
        out.print(
            f"  {' '.join(levels) or 'nothing'} now, {' '.join(then) or 'nothing'} then; {size}",
            highlight=False,
        )
        for note in notes:
            err.print(escape(note), highlight=False)
    if levels:
        raise typer.Exit(1)

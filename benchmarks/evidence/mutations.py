"""Files as a stranger could send them: python benchmarks/evidence/mutations.py [--files 10000]
[--output results/robustness]

Results, recipes, TOML, weights, pictures and tables are mutated (tests/support/mutations, seeded)
and given to the package's own readers, together with files made to harm: code in pickles, archives
that unpack to gigabytes, headers that promise terabytes, lists without end. Batches run in
processes of their own. Each file must be read or refused by name. mutations.md: counts by kind and
outcome. Exit code 1 when one crashes a reader, takes more than a second of processor time, lifts
the process above 1 GiB, or runs code.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from invbench.console import err, progress_bar
from invbench.files import write_atomically
from invbench.store.provenance import provenance
from tests.support.mutations import KINDS, Outcome, judged

BATCH = 2500  # files per process
# seconds of silence after which a process is ended; more while it starts
PATIENCE, STARTING = 60.0, 120.0
ADDRESSES = 12 * 2**30  # bytes that a process may map: a bomb must not take the machine with it
BAD = ("crash", "hang", "memory", "executed", "died")


def file(kind: str, index: int, seed: int) -> tuple[str, bytes]:
    """(name, content) of one file: the files made to harm come first, then the mutated ones; the
    same for the same seed."""
    harmful = list(KINDS[kind].harmful().items())
    if index < len(harmful):
        name, make = harmful[index]
        return f"made: {name}", make()
    return f"mutated {index}", KINDS[kind].mutated(random.Random(f"{seed}/{kind}/{index}"))


def child(kind: str, seed: int, first: int, end: int) -> None:
    """Reads files ``first`` to ``end`` and says a line about each; ends after a bad one, which may
    have harmed the process."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for index in range(first, end):
            name, data = file(kind, index, seed)
            said.write("{}\n")  # it is made, which may take longer than reading it
            outcome = judged(KINDS[kind], data, Path(folder))
            said.write(json.dumps({"index": index, "name": name, **asdict(outcome)}) + "\n")
            if not outcome.good:
                break
        os.chdir("/")


def batch(kind: str, seed: int, first: int, end: int) -> Iterator[tuple[str, Outcome]]:
    """What one process says; when it dies or falls silent, that is the outcome of the file it was
    at."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import mutations; "
        f"mutations.child({kind!r}, {seed}, {first}, {end})"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    unread, index, good, silent = b"", first, True, False
    while index < end and good:
        silent = not select.select(
            [process.stdout], [], [], PATIENCE + (STARTING if index == first else 0)
        )[0]
        chunk = b"" if silent else os.read(process.stdout.fileno(), 2**16)
        if not chunk:
            break
        *lines, unread = (unread + chunk).split(b"\n")
        for row in filter(None, map(json.loads, lines)):
            index, outcome = row["index"] + 1, Outcome(row["what"], row["seconds"], row["detail"])
            good = outcome.good
            yield row["name"], outcome
    if index < end and good:
        process.kill()
        yield (
            file(kind, index, seed)[0],
            Outcome("hang" if silent else "died", PATIENCE, f"exit code {process.wait()}"),
        )
    process.wait()


def main(
    count: Annotated[int, typer.Option("--files", help="Mutated files in all.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the mutations.")] = 0,
    only: Annotated[str, typer.Option(help="This kind alone; writes no table.")] = "",
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/robustness"),
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    rows, found = [], []
    shares = sum(kind.share for kind in KINDS.values())
    with progress_bar() as bar:
        task = bar.add_task("reading", total=count)
        for name, kind in KINDS.items():
            if only not in ("", name):
                continue
            mutated = round(count * kind.share / shares)
            total = mutated + len(kind.harmful())
            outcomes: list[tuple[str, Outcome]] = []
            while len(outcomes) < total:
                for label, outcome in batch(
                    name, seed, len(outcomes), min(total, len(outcomes) + BATCH)
                ):
                    outcomes.append((label, outcome))
                    bar.advance(task)
                    if not outcome.good:
                        found.append((name, label, outcome))
                        err.print(
                            f"{name}: {label}: {outcome.what}: {outcome.detail}",
                            markup=False,
                            highlight=False,
                        )
            counts = Counter(outcome.what for _, outcome in outcomes)
            rows.append(
                {
                    "files": kind.what,
                    "kind": name,
                    "reader": kind.reader,
                    "mutated": mutated,
                    "made to harm": total - mutated,
                    "read": counts["read"],
                    "refused": counts["refused"],
                    **{what: counts[what] for what in BAD},
                    "slowest, s": f"{max(outcome.seconds for _, outcome in outcomes):.2f}",
                }
            )
    frame = pd.DataFrame(rows)
    print(frame.to_markdown(index=False))
    if only:
        sys.exit(1 if found else 0)
    total = int(frame["mutated"].sum()), int(frame["made to harm"].sum())
    commit = str(provenance("cpu", 0.0, f"{__file__}:1")["commit"])
    commit = commit[:12] + commit[40:]  # +changes, where there are any
    text = f"""# Mutated files

{total[0]} mutated files and {total[1]} made to harm, each read by the package's own reader in a guarded process. A file is read when its content
is well formed after all (a flipped bit in a weight is a weight), and refused when the reader says what is wrong with it, by name. The others must be
0: another exception (crash), more than 1 s of processor time (hang), a process above 1 GiB, torch included (memory), a payload that ran
(executed), a process that ended (died).

{frame.to_markdown(index=False)}

{chr(10).join(f"- {kind}, {label}: {outcome.what}: {outcome.detail}" for kind, label, outcome in found) or "None of them did."}

`python benchmarks/evidence/mutations.py --files {count} --seed {seed}`, commit {commit}, {datetime.now(timezone.utc):%Y-%m-%d}, Python {sys.version.split()[0]}
"""
    write_atomically(output / "mutations.md", text.encode())
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    typer.run(main)

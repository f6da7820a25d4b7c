"""What a verb that only reads costs before it says anything: python benchmarks/startup.py
[--repeats 5] [--output results/benchmarks]

Seconds of the processor (user and system) of whole commands, medians, interleaved in one run, beside
those of an empty Python and of a pytest session with and without the plugin. Targets: 0.3 s for
--help and list, 1 s for the table of the committed results, 20 ms for the plugin.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from invbench.files import write_atomically

RESULTS = str(Path(__file__).parents[1] / "results")
# neighbours of the plugin are left out: what they cost varies by more than what it does
NEIGHBOURS = "asyncio benchmark randomly xdist hypothesispytest".split()
PYTEST = ["-m", "pytest", "-q", "test_nothing.py", *(f"-pno:{name}" for name in NEIGHBOURS)]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "invbench --help": ["-m", "invbench", "--help"],
    "invbench list": ["-m", "invbench", "list"],
    "invbench explain error_pct": ["-m", "invbench", "explain", "error_pct"],
    "invbench table": ["-m", "invbench", "table", "--results", RESULTS],
    "invbench compare affine modified-rq": [
        *("-m", "invbench", "compare", "affine", "modified-rq", "--results", RESULTS)
    ],
    "invbench doctor results/": ["-m", "invbench", "doctor", RESULTS],
    "pytest, no plugin of invbench": [*PYTEST, "-p", "no:invbench"],
    "pytest, with the plugin": PYTEST,
}
TARGETS = {"invbench --help": 0.3, "invbench list": 0.3, "invbench table": 1.0}


def main(
    repeats: Annotated[int, typer.Option(help="Runs of each command.")] = 5,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    first: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        for _ in range(repeats + 1):  # the first fills caches
            # doctor has built the index anew: the first table after that computes its rows
            first.append(_seconds(COMMANDS["invbench table"], folder))
            for name, arguments in COMMANDS.items():
                seconds[name].append(_seconds(arguments, folder))
    lines = [
        "# What a verb costs before it says anything",
        "",
        f"`python benchmarks/startup.py`: seconds of the processor, median of {repeats}, interleaved.",
        "",
        "| command | seconds | target |",
        "|:--|--:|--:|",
    ]
    for name, all_of_them in seconds.items():
        target = f"{TARGETS[name]:g}" if name in TARGETS else ""
        lines.append(f"| `{name}` | {statistics.median(all_of_them[1:]):.2f} | {target} |")
    again = statistics.median(first[1:])
    lines.append(f"| `invbench table`, the first after a change of the results | {again:.2f} | |")
    without, with_it = list(seconds.values())[-2:]
    extra = statistics.median(b - a for a, b in zip(without[1:], with_it[1:], strict=True))
    lines += ["", f"The plugin adds {1000 * extra:.0f} ms to a session (target 20).", ""]
    lines += [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores.",
        "",
    ]
    text = "\n".join(lines)
    write_atomically(output / "startup.md", text.encode())
    print(text)


def _seconds(arguments: list[str], folder: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=True)
    after = os.times()
    return (
        after.children_user - before.children_user + after.children_system - before.children_system
    )


if __name__ == "__main__":
    typer.run(main)

"""Every published result, as the commands that measure and make it, in order.

Cells that are there are not measured again. ``INVBENCH_DATA`` must hold BSD100, Set14, Urban100,
T91, LOL and the crops of DIV2K; weights that are neither installed nor in the cache, such as those
of FS-NCSR at 8× but one, come from ``invbench train --all``.
From nothing it takes about thirteen hours on two cores.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

__all__ = ["COMMANDS", "Command"]

OWN = Path("results")


@dataclass(frozen=True)
class Command:
    """Words of a command of invbench; or a ``script`` of the repository, which writes to its
    results folder. ``RESULTS`` in a word stands for the results folder."""

    words: tuple[str, ...]
    script: bool = False

    def of(self, results: Path) -> list[str]:
        """The words for a results folder."""
        words = [
            normpath(word.replace("RESULTS", str(results))) if "RESULTS" in word else word
            for word in self.words
        ]
        return words if self.script or results == OWN else [*words, "--results", str(results)]

    def line(self, results: Path) -> str:
        """The command as a shell takes it."""
        return f"{'python' if self.script else 'invbench'} {shlex.join(self.of(results))}"


def _with(option: str, *values: str) -> str:
    return " ".join(f"{option} {value}" for value in values)


def _run(words: str) -> Command:
    return Command(("run", *words.split(), "--json"))


def _script(path: str) -> Command:
    return Command((path,), script=True)


SETS = _with("--data", "BSD100", "Set14", "Urban100")
CORRUPTIONS = _with(
    "--corruption",
    "noise",
    "sharpen",
    "binarise",
    "checkerboard",
    "constant",
    "channel-swap",
    "out-of-range",
)
SEARCHES = f"{_with('--attack', 'latent', 'latent-typical', 'latent-random')} --inputs 20"
MAIN = _with("--entry", "affine", "affine-floor", "modified-rq", "rq-bounded(bins=4)")
BOUNDED = "(split=bounded) --entry cubic-rational-bounded(shift=1)"  # behind the name of a flow
CURED = _with(
    "--entry",
    "affine",
    "modified-rq",
    "rq-bounded(bins=4)",
    *(f"affine+{name}" for name in ("guard", "gate", "prior", "temperature", "truncated")),
    *(f"affine+{name}" for name in ("redraw", "float64", "clip")),
)
TRACKS = ("coupling", "toy2d", "sr", "lowlight", "unconditional", "cures")

FOLDERS = "--data BSD100 --data Urban100"
CROPS = "--data DIV2K_crops256 --corruption clean"
GUARDED = "--entry affine+guard --entry modified-rq"
GUARD_ALONE = "--entry affine+guard --entry affine"
PAIR = "--entry affine --entry modified-rq"
THREE = "--entry affine --entry affine-floor --entry modified-rq"
DARK = "--entry affine+guard --entry cubic-rational-bounded(shift=1)"
ATTACKS = _with(
    "--attack",
    *("both", "condition", "image", "latent", "latent-random", "latent-round-trip"),
    *("latent-squares", "latent-stretch", "latent-typical", "radius"),
)

COMMANDS: tuple[Command, ...] = (
    _run("--track sr"),
    _run(f"--track sr {SETS} --severity 3 {CORRUPTIONS}"),
    _run(f"--track sr --data BSD100 {SEARCHES}"),
    _run("--track sr --data BSD100 --attack condition --eps 8 --inputs 20"),
    _run(f"--track sr --data BSD100 --data Urban100 --seeds 3 --corruption clean {MAIN}"),
    _run(f"--track sr --data BSD100 {SEARCHES} --seeds 3 {MAIN}"),
    _run("--flow fs_ncsr --data embedded --data BSD100 --data Urban100 --corruption clean"),
    _run(f"--flow fs_ncsr --data BSD100 --data Urban100 --seeds 3 --corruption clean {MAIN}"),
    _run(f"--track sr --flow srflow{BOUNDED} --severity 3"),
    _run(f"--track sr --flow srflow{BOUNDED} {ATTACKS}"),
    _run(f"--track sr --flow srflow{BOUNDED} {FOLDERS} --seeds 3 --corruption clean"),
    _run(f"--track sr --flow srflow{BOUNDED} --data BSD100 {SEARCHES} --seeds 3"),
    _run(f"--track sr --flow fs_ncsr{BOUNDED} {FOLDERS} --corruption clean"),
    _run(f"--flow fs_ncsr {CROPS} --seeds 3 {THREE}"),
    _run(f"--track sr --flow fs_ncsr{BOUNDED} {CROPS}"),
    _run(f"--track cures --flow fs_ncsr {CROPS} {GUARD_ALONE}"),
    _run(f"--flow fs_ncsr --size mini-8x {CROPS} {FOLDERS} --seeds 3 {THREE}"),
    _run(f"--track sr --flow fs_ncsr{BOUNDED} --size mini-8x {CROPS} {FOLDERS}"),
    _run(f"--track cures --flow fs_ncsr --size mini-8x {CROPS} {FOLDERS} {GUARD_ALONE}"),
    _run(f"--track cures {CURED}"),
    _run(f"--track cures --flow srflow{BOUNDED}"),
    _run(f"--track cures {FOLDERS} --seeds 3 --severity 3 {GUARDED}"),
    _run(f"--track cures {FOLDERS} --seeds 3 --corruption clean --entry affine"),
    _run("--track lowlight --data LOL"),
    _run(f"--track lowlight --data LOL --corruption clean {DARK}"),
    _run("--track lowlight --severity 3 --severity 5"),
    _run("--track unconditional"),
    _run("--track unconditional --data BSD100 --severity 3"),
    _run(f"--track unconditional --seeds 3 {PAIR}"),
    _run(f"--track unconditional --data BSD100 --severity 3 --seeds 3 {PAIR}"),
    _run("--track toy2d"),
    _run("--track coupling"),
    Command(("pack",)),
    *(
        Command(
            ("table", "--track", track, "--format", style, "-o", f"RESULTS/tables/{track}.{style}")
        )
        for track in TRACKS
        for style in ("csv", "md", "tex")
    ),
    Command(("plot", "sensitivity", "-o", "RESULTS/../docs/sensitivity.png")),
    Command(("reproduce", "precision")),
    Command(("reproduce", "ood_score")),
    Command(("reproduce", "ood_readings")),
    Command(("reproduce", "toy_sweep")),
    Command(("reproduce", "toy_map")),
    Command(("reproduce", "ablations_training")),
    Command(("reproduce", "all")),
    _script("benchmarks/evidence/error_rates.py"),
    _script("benchmarks/evidence/guard.py"),
    _script("benchmarks/evidence/bounded_flows.py"),
    _script("benchmarks/evidence/headline.py"),
    _script("docs/fill_numbers.py"),
)

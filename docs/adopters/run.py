"""Each adopter's tests against its released library: python docs/adopters/run.py NAME… [-n2]

Prints a row of README.md for each. Exit 0: every law holds or is in its known.toml; 1: something
changed; 2: a library is not installed.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
NAMES = sorted(file.parent.name for file in HERE.glob("*/pytest.ini") if file.parent.name != "examples")  # fmt: skip


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row(name: str, cases: list[ElementTree.Element], seconds: float) -> str:
    """| library | layers | laws | known failures | processor seconds |"""
    layers = Counter(c.attrib["name"].partition("[")[2].partition("-")[0] for c in cases)
    known = sum(c.find("skipped") is not None for c in cases)
    return f"| {name} {version(name)} | {len(layers)} | {len(cases)} | {known} | {seconds:.0f} |"


def run(name: str, more: list[str]) -> int:
    """pytest's exit status for one adopter."""
    before = processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / name)]
        done = subprocess.run(
            [*command, "--junitxml", str(report), *more],
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
        if report.is_file():
            cases = list(ElementTree.parse(report).iter("testcase"))
            print(row(name, cases, processor_seconds() - before), flush=True)
    return done.returncode


def main(arguments: list[str]) -> int:
    names = [a for a in arguments if not a.startswith("-")] or NAMES
    for name in names:
        if name not in NAMES:
            print(f"{name}: no such adopter; there are {', '.join(NAMES)}", file=sys.stderr)
            return 2
        try:
            version(name)
        except PackageNotFoundError:
            print(f"{name} is not installed: pip install {name}", file=sys.stderr)
            return 2
    more = [a for a in arguments if a.startswith("-")]
    return max([run(name, more) for name in names])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What only reads needs no torch: the public face, the plugin, and the verbs that read results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from invbench.extras import install

ROOT = Path(__file__).parents[2]
RESULTS = str(ROOT / "results")
READING = {
    "help": ["--help"],
    "nothing": [],
    "list": ["list"],
    "list-kind": ["list", "properties"],
    "list-json": ["list", "--json"],
    "table": ["table", "--track", "sr", "--results", RESULTS],
    "table-csv": ["table", "--track", "coupling", "--format", "csv", "--results", RESULTS],
    "compare": ["compare", "affine", "modified-rq", "--track", "toy2d", "--results", RESULTS],
    "explain-column": ["explain", "error_pct"],
    "explain-law": ["explain", "round-trip-x"],
    "explain-design": ["explain", "modified-rq"],
    "explain-all": ["explain", "--all"],
    "doctor": ["doctor", RESULTS],
    "merge": ["merge", RESULTS],
}
RUN = """
import sys
from invbench.cli.main import main
try:
    main()
except SystemExit as stop:
    code = stop.code
print("\\x00", code, *sorted(sys.modules))
"""


def modules_after(program: str, *arguments: str, cwd: Path | None = None) -> tuple[int, set[str]]:
    """(exit code, the modules that the program has imported at its end)."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    code, *names = done.stdout.rpartition("\x00")[2].split()
    return int(code), set(names)


@pytest.mark.parametrize("arguments", READING.values(), ids=READING)
def test_a_verb_that_reads_never_imports_torch(arguments, tmp_path):
    code, modules = modules_after(RUN, *arguments, cwd=tmp_path)
    assert code == 0
    assert not {"torch", "sklearn", "skimage", "matplotlib", "ray"} & modules
    if arguments[:1] in ([], ["--help"], ["list"], ["explain"]):
        assert not {"numpy", "pandas"} & modules


def test_a_verb_that_measures_does_import_it(tmp_path):
    """The measurement above can fail."""
    code, modules = modules_after(
        RUN, "check", "affine", "--budget", "smoke", "--property", "shape"
    )
    assert code == 0 and "torch" in modules


def test_the_public_face_and_the_plugin_import_nothing_heavy():
    program = (
        "import sys, invbench, invbench.testing, invbench.testing.plugin\n"
        "print('\\x00', 0, *sorted(sys.modules))"
    )
    _, modules = modules_after(program)
    assert not {"torch", "numpy", "pandas", "pydantic", "hypothesis", "typer"} & modules


def test_the_catalogues_say_what_the_code_says():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from write_catalogue import WRITTEN, path_of, text_of
    finally:
        sys.path.remove(str(ROOT / "docs"))
    for package in WRITTEN:
        assert path_of(package).read_text("utf-8") == text_of(package), (
            "python docs/write_catalogue.py"
        )


def test_a_package_that_is_not_there_is_one_line_with_the_extra(tmp_path):
    program = """
import sys
sys.modules["pandas"] = None
sys.argv = ["invbench", "table", "--results", sys.argv[1]]
from invbench.cli.main import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, RESULTS], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"invbench: this needs pandas, which is not installed: {install('bench')}"
    )


def test_the_json_of_list_has_the_rows_of_every_kind(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "invbench", "list", "--json"], capture_output=True, text=True
    )
    listing = json.loads(done.stdout)
    kinds = "couplings layers flows conditions attacks cures properties tracks"
    assert set(kinds.split()) == set(listing)
    assert "modified-rq" in {row["name"] for row in listing["couplings"]}


def test_invbench_alone_says_what_to_do_first_and_a_misspelt_verb_what_was_meant(capsys):
    from typer.testing import CliRunner

    from invbench.cli.main import VERBS, app

    alone = CliRunner().invoke(app, [])
    assert alone.exit_code == 0 and "invbench check affine" in alone.output
    wrong = CliRunner().invoke(app, ["tabel"])
    assert wrong.exit_code == 2 and "did you mean 'table'" in wrong.output
    far = CliRunner().invoke(app, ["qqq"])
    assert far.exit_code == 2 and "every verb: invbench --help" in far.output
    assert set(VERBS) >= {"check", "run", "table", "init"}

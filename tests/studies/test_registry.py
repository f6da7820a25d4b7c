"""The table of published results, and the commands that make all of them."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest
import typer

import invbench.studies
from invbench.cli.main import app
from invbench.errors import UsageError
from invbench.studies.everything import COMMANDS
from invbench.studies.registry import ALL, ARTEFACTS, EVERYTHING, chosen
from invbench.studies.study import Made

ROOT = Path(__file__).resolve().parents[2]
STUDIES = Path(invbench.studies.__file__).parent


@pytest.mark.parametrize("artefact", ARTEFACTS.values(), ids=list(ARTEFACTS))
def test_the_module_of_an_artefact_makes_it_from_a_study(artefact):
    signature = inspect.signature(artefact.make, eval_str=True)
    assert list(signature.parameters) == ["study"] and signature.return_annotation is Made
    assert artefact.title and artefact.reads


def test_no_artefacts_share_a_text():
    texts = [(one.folder, one.file) for one in ARTEFACTS.values() if one.file]
    assert len(set(texts)) == len(texts)


def test_every_module_that_makes_something_is_registered():
    makers = {
        ".".join(path.relative_to(STUDIES).with_suffix("").parts)
        for path in STUDIES.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "make"
    }
    assert makers == {one.module for one in ARTEFACTS.values()}


def test_the_help_lists_every_artefact_with_the_time_that_it_measures_for(invbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    code, out, _ = invbench("reproduce", "--help")
    assert code == 0
    for one in ARTEFACTS.values():
        assert f"{one.name} {one.title}" in out
        assert not one.takes or f"measures, {one.takes}" in out
    assert ALL in out and EVERYTHING in out


def test_all_are_those_that_read_what_is_stored_in_the_order_in_which_they_are_made():
    every = chosen([ALL])
    assert every == [name for name, one in ARTEFACTS.items() if not one.takes]
    assert every[-1] == "verdict" and "ood_score" not in every
    assert chosen(["verdict", "fig2"]) == ["fig2", "verdict"]
    assert chosen(["verdict", "toy_sweep"]) == ["toy_sweep", "verdict"]


def test_an_unknown_name_is_a_usage_error_that_lists_the_names(invbench, tmp_path):
    with pytest.raises(UsageError, match=r"did you mean 'table1'\?.*fig2, fig3.*verdict, all"):
        chosen(["table11"])
    with pytest.raises(UsageError, match="name it alone"):
        chosen([EVERYTHING, "fig2"])
    code, out, err = invbench("reproduce", "fig9", "--results", tmp_path)
    assert (code, out) == (2, "") and "known: precision" in err


def parsed(words):
    """The words as the command line takes them. Raises for an option that it has not."""
    group = typer.main.get_command(app)
    name, command, rest = group.resolve_command(group.make_context("invbench", ["list"]), words)
    return command.make_context(name, rest).params


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.line(Path("results")))
def test_the_command_line_takes_every_command_of_everything(command):
    if command.script:
        assert not (ROOT / "docs").is_dir() or (ROOT / command.words[0]).is_file()
        return
    params = parsed(command.of(Path("elsewhere")))
    assert params["results"] == Path("elsewhere")
    if command.words[0] == "reproduce":
        assert chosen(params["names"])


def test_everything_makes_every_artefact_and_measures_before_it_reads():
    words = [one.words for one in COMMANDS if one.words[0] == "reproduce"]
    made = [name for _, *names in words for name in chosen(names)]
    assert made == list(ARTEFACTS)


def test_a_dry_run_of_everything_prints_the_commands_and_runs_none(invbench, tmp_path):
    code, out, _ = invbench("reproduce", EVERYTHING, "--dry-run")
    assert code == 0 and out.splitlines() == [one.line(Path("results")) for one in COMMANDS]
    assert "--entry 'rq-bounded(bins=4)'" in out
    code, out, _ = invbench("reproduce", EVERYTHING, "--dry-run", "--results", tmp_path / "x")
    assert f"-o {tmp_path}/docs/sensitivity.png" in out and not list(tmp_path.glob("x"))


def test_everything_stops_at_the_first_command_that_fails(invbench, monkeypatch, tmp_path):
    from invbench.studies import everything

    words = [("list", "tracks"), ("list", "nothing-of-the-kind"), ("list", "couplings")]
    commands = [everything.Command(one) for one in words]
    monkeypatch.setattr(everything, "COMMANDS", commands)
    code, _, err = invbench("reproduce", EVERYTHING)
    assert code == 2 and "list nothing-of-the-kind ended with 2" in err
    assert "couplings" not in err.partition("ended with")[2]


def test_studies_import_neither_models_nor_tests_nor_benchmarks():
    for path in STUDIES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            rooms = {module.partition(".")[0] for module in modules}
            assert not rooms & {"invbench_models", "tests", "suites", "benchmarks"}, path
            assert not any(module.startswith("invbench.cli") for module in modules), path


def test_modules_of_studies_can_be_imported():
    for path in STUDIES.rglob("*.py"):
        importlib.import_module(
            ".".join(("invbench.studies", *path.relative_to(STUDIES).with_suffix("").parts))
        )

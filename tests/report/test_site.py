"""The page and the charts, without a browser: escaped, the same bytes twice, offline, and nothing
left out in silence."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from invbench.cli.main import app
from invbench.errors import HarnessError, UsageError
from invbench.report.charts import CHARTS
from invbench.report.charts.plot import write_chart
from invbench.report.site import write_site
from invbench.report.site.cases import saved_cases
from invbench.report.site.origin import command
from invbench.report.site.pictures import worst_pictures
from invbench.runner.run import options_of, plan
from invbench.store.cell import Cell
from invbench.store.store import Store
from tests.support.site_results import DESIGNS, HOSTILE, cell, fill, picture


class Page(HTMLParser):
    """Tags with their attributes, and the text of every script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, text):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += text
        self.text += text


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return fill(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def page(results, tmp_path_factory) -> Page:
    built = write_site(results, tmp_path_factory.mktemp("site"))
    assert built.problems == []
    return Page(built.file.read_text(encoding="utf-8"))


def test_names_and_reasons_from_entries_are_text(page):
    assert not [a for tag, a in page.tags if tag == "img"]
    assert [a for tag, a in page.tags if any(name.startswith("on") for name in a)] == []
    # data, pictures, the page's own: no name or reason has opened another
    assert len(page.scripts) == 3
    data = json.loads(page.scripts[0])
    assert HOSTILE in data["tracks"][0]["entries"]
    reasons = [
        reason
        for track in data["tracks"]
        for row in track["rows"]
        for reason in row["o"]["reasons"]
    ]
    assert any("</script><script>alert(2)" in reason for reason in reasons)
    assert HOSTILE in page.text  # in a chart and its numbers


def test_page_loads_nothing_and_runs_no_script_but_its_own(page):
    policy = next(
        a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy
    addresses = [
        v
        for _, a in page.tags
        for k, v in a.items()
        if k in ("src", "href", "xlink:href", "srcset", "action")
    ]
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_overview_is_of_every_design_and_its_sentence_is_there_without_a_script(page):
    data = json.loads(page.scripts[0])
    own = data["overview"][0]
    assert {row["entry"] for row in own["rows"]} == set(DESIGNS)
    assert own["sentences"][0] in page.text.partition("Every track")[0]
    tracks = {track["name"]: track for track in data["tracks"]}
    for table in data["overview"]:
        for figure in (f for row in table["rows"] for f in row["figures"].values()):
            if "row" in figure:  # a row of another track's table that is there
                track, _, name = tracks[figure["row"][0]], *figure["row"]
                places = [track["columns"].index(c) for c in ("entry", "case")]
                assert name in {"|".join(row["v"][p] for p in places) for row in track["rows"]}


def test_shared_link_has_a_title_a_sentence_and_a_picture(results, tmp_path):
    def said(built) -> dict[str, str]:
        tags = Page(built.file.read_text(encoding="utf-8")).tags
        return {a["property"]: a["content"] for tag, a in tags if tag == "meta" and "property" in a}

    here = write_site(results, tmp_path / "here")
    assert here.card == tmp_path / "here" / "card.png"
    assert said(here)["og:image"] == "card.png" and "og:url" not in said(here)
    assert said(here)["og:description"].startswith("Of 4 entries")
    there = write_site(results, tmp_path / "mine.html", "https://example.org/board")
    assert there.card == tmp_path / "mine-card.png" and there.card.exists()
    assert said(there)["og:image"] == "https://example.org/board/mine-card.png"
    assert said(there)["og:url"] == "https://example.org/board"
    hostile = write_site(results, tmp_path / "x", 'https://a/"><script>alert(3)</script>')
    page = Page(hostile.file.read_text(encoding="utf-8"))
    assert len(page.scripts) == 3
    wrong = CliRunner().invoke(app, ["site", "--results", str(results), "--url", "example.org"])
    assert wrong.exit_code != 0


def test_page_of_few_cells_without_an_overview_is_whole(tmp_path):
    store = Store(tmp_path / "results")
    store.write(cell("coupling", "affine", "slopes", slope_lo=0.1, displacement=1.0))
    built = write_site(tmp_path / "results", tmp_path / "site")
    text = built.file.read_text(encoding="utf-8")
    assert built.card is None and "og:image" not in text and 'id="overview"' not in text


def test_pictures_take_what_the_numbers_leave(results):
    cases, _ = saved_cases(results)
    assert len(worst_pictures(cases)[0]) == 1
    found, problems = worst_pictures(cases, 10)
    assert found == [] and "no room" in problems[0]


def test_ids_are_unique(page):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_certified_and_empirical_columns_are_in_groups_of_their_own(page):
    columns = json.loads(page.scripts[0])["columns"]
    assert columns["inv_lipschitz_upper"]["group"] == "upper"
    assert [name for name, column in columns.items() if column["group"] == "upper"] == [
        "inv_lipschitz_upper"
    ]
    assert columns["inv_lipschitz_lower"]["group"] == "lower"


def test_every_row_says_where_it_is_from(page):
    data = json.loads(page.scripts[0])
    rows = [r for t in data["tracks"] for r in t["rows"] + t.get("single", [])]
    origins = [row["o"] for row in rows]
    origins += [own for t in data["overview"] for row in t["rows"] for own in row["o"].values()]
    for own in origins:
        facts = [data["words"][place] for place in own["facts"]]
        assert own["command"].startswith("invbench run --track") and own["files"]
        assert facts[facts.index("commit") + 1] == "c0ffee"
    (found,) = json.loads(page.scripts[1])
    assert (
        found["command"].startswith("invbench replay ")
        and found["entry"] == "affine"
        and found["uri"].startswith("data:image/webp")
    )


@pytest.mark.slow(reason="8 s: a second process that imports all and builds the page")
def test_built_twice_in_two_processes_it_has_the_same_bytes(results, tmp_path):
    here = write_site(results, tmp_path / "here").file.read_bytes()
    there = [
        sys.executable,
        "-m",
        "invbench",
        "site",
        "--results",
        str(results),
        "-o",
        str(tmp_path / "there"),
    ]
    subprocess.run(
        there,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
        capture_output=True,
    )
    assert (tmp_path / "there" / "index.html").read_bytes() == here


def test_damaged_newer_stale_and_foreign_files_are_named_and_the_rest_is_shown(tmp_path):
    results = fill(tmp_path / "results")
    folder = results / "sr" / "affine"
    whole = next(folder.glob("*.json"))
    (folder / "cut.json").write_bytes(whole.read_bytes()[:200])
    newer = json.loads(whole.read_text()) | {"from_the_future": 1}
    (folder / "newer.json").write_text(json.dumps(newer))
    other = cell("unheard-of", "affine", "x", inf=[0])
    path = results / other.spec.path
    path.parent.mkdir(parents=True)
    path.write_text(other.model_dump_json())
    picture(results / "counterexamples" / "bad", "affine")
    (results / "counterexamples" / "bad" / "sheet.png").write_bytes(b"no picture")
    before = {p: p.stat().st_mtime_ns for p in results.rglob("*")}
    os.chmod(results, 0o555)
    built = write_site(results, tmp_path / "site")
    os.chmod(results, 0o755)
    assert before == {p: p.stat().st_mtime_ns for p in results.rglob("*")}
    for named in ("cut.json", "newer.json", "'unheard-of'", "bad/sheet.png"):
        assert any(named in problem for problem in built.problems), (named, built.problems)
    text = built.file.read_text(encoding="utf-8")
    left_out = text[text.index('id="problems-title"') :]
    assert "cut.json" in left_out and "newer.json" in left_out


def test_no_cells_is_a_usage_error_and_only_damaged_ones_a_fault_of_the_harness(tmp_path):
    with pytest.raises(UsageError, match="invbench run --results"):
        write_site(tmp_path / "none", tmp_path / "site")
    bad = tmp_path / "bad" / "sr" / "affine"
    bad.mkdir(parents=True)
    (bad / "x.json").write_text("{")
    with pytest.raises(HarnessError, match=r"x\.json"):
        write_site(tmp_path / "bad", tmp_path / "site")
    assert CliRunner().invoke(app, ["site", "--results", str(tmp_path / "none")]).exit_code != 0
    assert not (tmp_path / "site").exists()


def parsed(line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("track", "entry", "data", "corruption", "attack"):
        parser.add_argument(f"--{name}", action="append", default=[])
    for name in ("severity", "eps"):
        parser.add_argument(f"--{name}", action="append", type=int, default=[])
    parser.add_argument("--budget", default="default")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--inputs", type=int)
    return parser.parse_args(shlex.split(line)[2:])


@pytest.mark.parametrize("budget", ["smoke", "default"])
@pytest.mark.parametrize("track", ["sr", "toy2d", "coupling"])
def test_command_of_a_row_plans_its_very_cells(track, budget):
    groups: dict[str, list[Cell]] = {}
    for spec in plan(
        [track],
        ["affine"],
        options_of(budget),
    ):
        one = Cell(key=spec.key, spec=spec, status="ok", provenance={"origin": "affine.py:3"})
        groups.setdefault("" if track == "coupling" else spec.case.partition("#")[0], []).append(
            one
        )
    for case, cells in groups.items():
        a = parsed(command(cells))
        options = options_of(
            a.budget,
            a.seeds,
            a.dtype,
            a.device,
            a.data or ["embedded"],
            a.corruption,
            a.severity,
            a.attack,
            a.inputs,
            a.eps,
        )
        planned = {spec.key for spec in plan(a.track, a.entry, options)}
        assert {c.key for c in cells} <= planned, (case, command(cells))


@pytest.mark.parametrize("kind", list(CHARTS))
def test_plot_is_the_same_bytes_twice_and_draws_no_markup_from_names(kind, results, tmp_path):
    for name in ("a.svg", "b.svg"):
        assert write_chart(kind, tmp_path / name, "", results)[1] == []
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes()
    assert drawn.startswith(b"<?xml") and b"<img" not in drawn and b"<dc:date" not in drawn


def test_plot_writes_png_and_names_what_is_wrong(results, tmp_path):
    write_chart("pareto", tmp_path / "a.png", "toy2d", results)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    for kind, file, track, said in (
        ("paretto", "a.svg", "", "did you mean 'pareto'"),
        ("pareto", "a.pdf", "", "must end in"),
        ("eps", "a.svg", "coupling", "is not for track"),
        ("pareto", "a.svg", "lowlight", "invbench run --track lowlight"),
    ):
        with pytest.raises(UsageError, match=said):
            write_chart(kind, tmp_path / file, track, results)

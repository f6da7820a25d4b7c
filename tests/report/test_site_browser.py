"""The tables of the page in a real Chromium, opened from a file with the network off."""

from __future__ import annotations

import csv
import json
import os
import time
from urllib.parse import quote

import pytest

from invbench.report.site import write_site
from tests.support.chromium import Page, accessibility
from tests.support.site_results import DESIGNS, HOSTILE, fill

FIRST_TABLE = float(os.environ.get("INVBENCH_FIRST_TABLE_MS", "1000"))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    built = write_site(fill(tmp_path_factory.mktemp("results")), tmp_path_factory.mktemp("site"))
    return built.file.as_uri()


@pytest.fixture
def page(browser, url):
    yield Page(browser, url).open()
    assert Page(browser, url).console() == [], "the console has errors"


def test_table_is_there_within_a_second_and_nothing_but_the_file_is_asked_for(page, browser):
    times = []
    for _ in range(3):
        browser.get_log("performance")
        page.open()
        times.append(page.script("return performance.getEntriesByName('table')[0].startTime"))
        messages = [
            json.loads(entry["message"])["message"] for entry in browser.get_log("performance")
        ]
        asked = [
            m["params"]["request"]["url"]
            for m in messages
            if m["method"] == "Network.requestWillBeSent"
        ]
        assert all(address.startswith(("file:", "data:", "about:")) for address in asked), asked
    assert len(page.all("#table tbody tr")) > 5
    assert min(times) < FIRST_TABLE, times


def test_hostile_name_is_shown_as_text(page):
    assert HOSTILE in page.column("entry")
    assert page.all("img") == []
    assert page.script("return window.alerted") is None


def test_sorting_by_click_and_keyboard_is_said_to_screen_readers_and_kept_in_the_url(page):
    page.click("[data-sort=psnr]")
    values = [float(v) for v in page.column("psnr") if v != "–"]
    assert values == sorted(values, reverse=True)
    assert page.one("th[aria-sort]").get_attribute("aria-sort") == "descending"
    assert "sort=psnr" in page.hash
    page.one("[data-sort=psnr]").send_keys("\n")
    assert page.one("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    assert page.column("psnr")[-1] == "–" or "–" not in page.column("psnr")


def test_filter_by_word_number_and_condition(page):
    page.type("modified n>=1")
    assert set(page.column("entry")) == {"modified-rq"}
    assert "q=modified" in page.hash
    page.type("max_abs_log10>1e9 nothing")
    assert page.all("#table tbody tr") == [] and "fits the filter" in page.one("#count").text
    page.click("#reset")
    page.script(
        "const s = document.querySelector('#case'); s.value = 'embedded/clean'; "
        "s.dispatchEvent(new Event('change'))"
    )
    assert set(page.column("case")) == {"embedded/clean"} and len(page.column("case")) == len(
        DESIGNS
    )


def test_tabs_by_click_and_arrow_keys(page):
    page.click("#tab-coupling")
    assert "track=coupling" in page.hash and "displacement" in page.script(
        "return document.querySelector('#table thead').innerText"
    )
    assert (
        page.one("#chart-coupling-sensitivity").is_displayed()
        and not page.one("#chart-sr-pareto").is_displayed()
    )
    page.one("#tab-coupling").send_keys("\ue014")  # arrow right
    assert page.one("[role=tab][aria-selected=true]").get_attribute("data-track") == "toy2d"
    assert page.script("return document.activeElement.dataset.track") == "toy2d"


def test_state_in_the_url_brings_the_same_view_back(page):
    page.open("track=sr&view=single&q=affine&sort=error_pct%3Adesc&wide=1&theme=dark")
    assert set(page.column("entry")) == {"affine"} and "embedded/noise-3" in page.column("case")
    assert page.one("#wide").is_selected() and page.one("#q").get_attribute("value") == "affine"
    assert page.script("return document.documentElement.dataset.theme") == "dark"
    page.open("track=nonsense&sort=nonsense&row=nonsense")
    assert len(page.all("#table tbody tr")) > 5


def test_detail_of_a_row_has_origin_design_conditions_pictures_and_command(page):
    page.script(
        "[...document.querySelectorAll('#table tbody tr')].find(r => r.dataset.row === "
        "'affine|embedded/ood').querySelector('button').click()"
    )
    detail = page.one("#detail")
    assert (
        detail.is_displayed() and page.script("return document.activeElement.id") == "detail-title"
    )
    for said in (
        "invbench run --track sr --entry affine",
        "Lugmayr",
        "sigmoid",
        "noise",
        "severity 3",
        "invbench replay",
        "c0ffee",
        "failing inputs",
    ):
        assert said in page.script("return document.querySelector('#detail').textContent"), said
    assert page.width_of_picture("#detail img") > 100
    assert "row=affine" in page.hash
    page.script("document.activeElement.blur()")
    page.one("#close").send_keys("\ue00c")  # escape
    assert not detail.is_displayed() and "row=" not in page.hash
    assert (
        page.script("return document.activeElement.closest('tr').dataset.row")
        == "affine|embedded/ood"
    )
    page.open(f"track=coupling&row={quote(HOSTILE + '|corpus')}")
    assert "</script><script>alert(2)" in page.one("#detail-body").text
    page.click("#close")


def test_export_is_what_is_shown(page, downloads):
    page.open("track=coupling&sort=displacement%3Adesc")
    page.click("#csv")
    page.click("#tex")
    wanted = [downloads / "invbench-coupling.csv", downloads / "invbench-coupling.tex"]
    until = time.monotonic() + 20
    while not all(file.exists() for file in wanted) and time.monotonic() < until:
        time.sleep(0.1)
    rows = list(csv.DictReader(wanted[0].open(newline="", encoding="utf-8")))
    assert [row["entry"] for row in rows] == page.column("entry")
    assert rows[0]["displacement"] == "inf" and {row["entry"] for row in rows} == set(DESIGNS)
    tex = wanted[1].read_text(encoding="utf-8")
    assert r"\toprule" in tex and r"\textless{}img" in tex and r"$\infty$" in tex


def test_click_on_a_point_of_a_chart_opens_its_row(page):
    page.script(
        "document.querySelector('#chart-sr-pareto "
        ".mark[data-entry=\"affine\"]').dispatchEvent(new MouseEvent('click', {bubbles: "
        "true}))"
    )
    assert page.one("#detail").is_displayed() and page.one("#detail-title").text.startswith(
        "affine,"
    )
    page.click("#close")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_the_page_is_as_wide_as_the_screen(page, width, theme):
    page.narrow(width)
    try:
        for state in (
            f"theme={theme}",
            f"theme={theme}&track=coupling",
            f"theme={theme}&row=affine%7Cembedded%2Food",
        ):
            page.open(state)
            assert page.script("return document.documentElement.scrollWidth") <= width
            assert accessibility(page) == []
    finally:
        page.usual()

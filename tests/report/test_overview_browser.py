"""The overview and the designs' own pages in a real Chromium."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from invbench.report.site import write_site
from invbench.store.store import Store
from tests.support.chromium import Page, accessibility
from tests.support.site_results import DESIGNS, HOSTILE, cell, fill


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    results = fill(tmp_path_factory.mktemp("results"))
    return write_site(results, tmp_path_factory.mktemp("site")).file.as_uri()


@pytest.fixture
def page(browser, url):
    opened = Page(browser, url).open()
    yield opened
    opened.usual()
    assert opened.console() == [], "the console has errors"


def names(page: Page) -> list[str]:
    return page.script(
        "return [...document.querySelectorAll('#overview-table tbody tr')].map(r => "
        "r.querySelector('a').textContent)"
    )


def figures(page: Page, key: str) -> list[str]:
    return page.script(
        "return [...document.querySelectorAll('#overview-table [data-key=\"' + arguments[0] + "
        "'\"]')].map(b => b.firstChild.textContent)",
        key,
    )


def test_page_opens_on_a_row_per_design_under_the_sentence(page):
    assert set(names(page)) == set(DESIGNS) and len(names(page)) == len(DESIGNS)
    assert page.one("#verdict").text.startswith("Of 4 entries")
    assert page.script("return window.alerted") is None and page.all("#overview img") == []
    top = [page.one(s).location["y"] for s in ("#verdict", "#overview-table", "#table")]
    assert top == sorted(top)


def test_headings_sort_and_the_url_keeps_the_order(page):
    page.click("[data-by=changed]")
    rates = [float(v) for v in figures(page, "changed")]
    assert rates == sorted(rates) and "by=changed%3Aasc" in page.hash
    page.one("[data-by=changed]").send_keys("\n")
    assert [float(v) for v in figures(page, "changed")] == rates[::-1]
    head = page.one("#overview-table th[aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"
    page.open("by=radius%3Adesc")
    assert figures(page, "radius")[0] == "∞" and names(page)[0] == "additive"
    page.open("by=nonsense%3Adesc&model=nonsense")
    assert len(names(page)) == len(DESIGNS)


def test_another_model_has_its_own_rows_and_sentence(page):
    before = page.one("#verdict").text
    page.script(
        "const s = document.querySelector('#model'); s.value = 'toy2d'; "
        "s.dispatchEvent(new Event('change'))"
    )
    assert "model=toy2d" in page.hash and page.one("#verdict").text != before
    assert set(names(page)) == set(DESIGNS) and figures(page, "attacked") == []


def open_figure(page: Page, name: str, key: str) -> str:
    page.script(
        "[...document.querySelectorAll('#overview-table .figure')].find(b => b.dataset.name === "
        "arguments[0] && b.dataset.key === arguments[1]).click()",
        name,
        key,
    )
    return page.script("return document.querySelector('#detail').textContent")


def test_every_number_leads_to_its_cells(page):
    said = open_figure(page, "affine", "changed")
    for wanted in ("invbench run --track sr --entry affine", "c0ffee", "inputs, 6 photographs"):
        assert wanted in said, wanted
    page.click("#close")
    attacked = open_figure(page, HOSTILE, "attacked")
    assert "--attack condition" in attacked and HOSTILE in attacked
    page.click("#close")
    keys = page.script(
        "return [...document.querySelectorAll('#overview-table .figure')].map(b => "
        "[b.dataset.name, b.dataset.key])"
    )
    for name, key in keys:
        assert "invbench run --track" in open_figure(page, name, key), (name, key)
        page.click("#close")
    assert not page.one("#detail").is_displayed()


def test_a_design_has_curves_numbers_pictures_counterexamples_laws_and_citation(page):
    page.script(
        "[...document.querySelectorAll('#overview-table a')].find(a => a.textContent === 'affine').click()"
    )
    assert page.hash == "#/design/affine" and not page.one("#front").is_displayed()
    assert page.script("return document.activeElement.id") == "design-title"
    said = page.script("return document.querySelector('#design').textContent")
    for wanted in (
        "sigmoid",
        "Lugmayr",
        "Value map",
        "Inverse",
        "tier",
        "embedded/ood",
        "ood (other shifts)",
        "invbench replay",
        "Sound: every law",
        "</script><script>alert(2)",
        "invbench check affine",
    ):
        assert wanted in said, wanted
    assert len(page.all("#design .curve path[stroke]")) == 8
    assert page.width_of_picture("#design img") > 100
    page.click("#design [data-id]")
    assert "invbench run --track" in page.one("#detail-body").text
    page.click("#close")
    assert page.hash == "#/design/affine"
    page.click("#back")
    assert page.one("#front").is_displayed() and not page.one("#design").is_displayed()


def test_way_back_from_a_design_keeps_what_was_chosen(page):
    page.open("track=coupling&by=changed%3Adesc&model=toy2d")
    page.script("location.hash = '#/design/affine'")
    page.script("document.querySelector('#back').click()")
    assert "track=coupling" in page.hash and "model=toy2d" in page.hash


@pytest.mark.parametrize("name", [HOSTILE, "no-such-design", "%E0%A4%A"])
def test_design_of_any_name_is_text(page, name):
    page.open(f"/design/{name if '%' in name else quote(name, safe='')}")
    assert page.one("#design-title").text == name
    assert page.all("#design img") == []
    known = name == HOSTILE
    assert ("No entry of this page" in page.one("#design-body").text) == (not known)


def test_first_screen_of_a_phone_has_name_tier_and_rate_of_several(page):
    page.narrow(390, 844)
    page.open()
    assert page.script("return document.documentElement.scrollWidth") <= 390
    seen = page.script(
        """return [...document.querySelectorAll('#overview-table tbody tr')].map(row =>
        ['th a', '.tier', '[data-key=changed]'].every(s => {
          const box = row.querySelector(s)?.getBoundingClientRect();
          return box && box.width > 0 && box.left >= 0 && box.right <= 390 && box.bottom <= 844;
        }))"""
    )
    assert seen[:3] == [True, True, True]


def test_on_paper_the_overview_stands_whole_and_without_controls(page):
    page.open("theme=dark")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    for hidden in ("#controls", ".tabs", ".theme", ".model", ".skip"):
        assert page.script(shown, hidden, "display") == "none", hidden
    assert page.script(shown, "#overview-table", "display") == "table"
    assert page.script(shown, "#overview-region", "overflow") == "visible"
    assert page.script(shown, "body", "backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_on_a_design_nor_in_the_dialog_of_a_number(page, width):
    page.narrow(width)
    for theme in ("light", "dark"):
        for state in (f"/design/{quote(HOSTILE, safe='')}", "/design/affine"):
            page.open(state)
            page.script("document.documentElement.dataset.theme = arguments[0]", theme)
            assert page.script("return document.documentElement.scrollWidth") <= width
            assert accessibility(page) == []
        page.open(f"theme={theme}")
        open_figure(page, "affine", "changed")
        assert accessibility(page) == []


def test_page_without_an_overview_works(page, tmp_path):
    store = Store(tmp_path / "results")
    store.write(cell("coupling", "affine", "slopes", slope_lo=0.1, displacement=1.0))
    built = write_site(tmp_path / "results", tmp_path / "site")
    plain = Page(page.driver, built.file.as_uri()).open()
    assert plain.column("entry") == ["affine"] and plain.all("#overview") == []
    plain.open("/design/affine")
    assert "No cell of its laws here" in plain.one("#design-body").text

"""What a design's own page is made of: curves, facts, counterexamples, and the card."""

from __future__ import annotations

import io
import json
import math
import struct
import sys

import pytest

from invbench.report.site.card import HEIGHT, WIDTH, card
from invbench.report.site.cases import saved_cases
from invbench.report.site.designs import EDGE, MOST, POINTS, designs
from tests.support.site_results import HOSTILE, picture

GRID = [-EDGE + 2 * EDGE * k / (POINTS - 1) for k in range(POINTS)]
LAW = {
    "format": 1,
    "target": "affine",
    "target_kind": "coupling",
    "digest": "d",
    "property": "round-trip",
    "kind": "defect",
    "value": "0.5",
    "bound": "1e-6",
    "message": "does not come back",
    "dtype": "float32",
    "device": "cpu",
    "recipe": {},
    "environment": {},
}


def lines(entry: str) -> list[dict]:
    return designs([entry])[entry]["curves"]["lines"]


def test_curves_of_zero_parameters_are_the_formula():
    zero = lines("additive")[0]
    assert zero["value"] == pytest.approx(GRID, abs=0.006)
    slope = 1 / (1 + math.exp(-2)) + 1e-4  # sigmoid(0 + 2) + 1e-4
    affine = lines("affine")[0]
    assert affine["value"] == pytest.approx([slope * x for x in GRID], abs=0.006)
    assert affine["inverse"] == pytest.approx([y / slope for y in GRID], abs=0.006)


@pytest.mark.parametrize("entry", ["affine-floor", "modified-rq", "rq-bounded(bins=4)"])
def test_inverse_undoes_the_value_map_on_every_curve(entry):
    import numpy as np

    for line in lines(entry):
        value, inverse = np.array(line["value"]), np.array(line["inverse"])
        inside = (np.abs(value) < EDGE) & (np.abs(GRID) < EDGE)
        back = np.interp(value[inside], GRID, inverse)
        steepest = np.abs(np.diff(inverse)).max() / np.diff(GRID)[0]
        # both are rounded to 0.005, and drawn on a grid
        assert np.abs(back - np.array(GRID)[inside]).max() < 0.01 * (1 + steepest) + 0.13


def test_options_and_cures_are_of_their_design():
    found = designs(["rq(bins=4)", "rq", "affine+guard"])
    assert found["rq(bins=4)"]["curves"] != found["rq"]["curves"]
    assert found["rq(bins=4)"]["facts"]["options"].startswith("bins=4;")
    assert found["affine+guard"]["cure"] == "guard"
    assert found["affine+guard"]["curves"] == designs(["affine"])["affine"]["curves"]


@pytest.mark.parametrize(
    "name",
    [
        HOSTILE,
        "my-design",
        "evil.py:Thing",
        "zuko/affine",
        "rq(",
        "rq(bins=__import__('os'))",
    ],
)
def test_name_from_outside_runs_nothing_and_has_no_curve(name, monkeypatch):
    for loader in ("load_file", "import_module", "load_library"):
        resolving = sys.modules["invbench.targets.resolve"]
        monkeypatch.setattr(resolving, loader, lambda *_: pytest.fail("code was loaded"))
    assert "curves" not in designs([name]).get(name, {})


@pytest.mark.parametrize("bins", [str(MOST + 1), "0x7fffffff", "1_000_000_000"])
def test_large_options_are_not_computed(bins, monkeypatch):
    monkeypatch.setattr(
        "invbench.report.site.designs.resolve", lambda *_: pytest.fail("it was made")
    )
    assert "curves" not in designs([f"rq(bins={bins})"])[f"rq(bins={bins})"]


def test_cases_are_attacks_by_size_then_laws_and_damaged_ones_are_named(tmp_path):
    folder = tmp_path / "counterexamples"
    for name, size in (("a-small", 1.5), ("b-large", "Infinity")):
        picture(folder / name, "affine")
        record = json.loads((folder / name / "case.json").read_text())
        (folder / name / "case.json").write_text(json.dumps(record | {"log10_x": size}))
    for name, text in (("law", json.dumps(LAW)), ("cut", "{"), ("no", json.dumps({"format": 1}))):
        (folder / name).mkdir()
        (folder / name / "case.json").write_text(text)
    found, problems = saved_cases(tmp_path)
    assert [place.name for place, _ in found] == ["b-large", "a-small", "law"]
    law = found[-1][1]
    assert law["law"] == "round-trip" and law["found"] == "0.5 > 1e-6"
    assert law["command"].startswith("invbench replay ") and law["entry"] == "affine"
    assert len(problems) == 2 and all("case.json" in problem for problem in problems)


def table(*rows: tuple[str, float]) -> dict:
    return {
        "ranked": "changed",
        "title": "super-resolution, srflow",
        "sentences": ["Of 2 entries, a fails least."],
        "rows": [
            {
                "name": name,
                "rank": {"tier": 1},
                "figures": {"changed": {"x": x, "lo": max(0, x - 9), "hi": min(100, x + 9)}},
            }
            for name, x in rows
        ],
    }


def test_card_is_a_png_of_the_size_that_is_said_and_the_same_twice():
    drawn = card(table((HOSTILE, 5.0), ("$x^2$ \x00", 100.0)))
    assert drawn is not None and drawn == card(table((HOSTILE, 5.0), ("$x^2$ \x00", 100.0)))
    assert struct.unpack(">II", io.BytesIO(drawn).getvalue()[16:24]) == (WIDTH, HEIGHT)
    assert drawn != card(table((HOSTILE, 50.0), ("$x^2$ \x00", 100.0)))


def test_no_card_without_a_rate():
    assert card(table() | {"rows": [{"name": "a", "rank": {}, "figures": {}}]}) is None

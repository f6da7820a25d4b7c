"""Cells of LPIPS: planned where its weights are named, measured on the samples of the cell beside
them, and a column of the row of that cell."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from invbench.errors import UsageError
from invbench.measures.lpips import Backbone, lpips
from invbench.measures.quality import displayable
from invbench.report.rows import make_rows
from invbench.runner.run import options_of, plan
from invbench.store.cell import Cell
from invbench.tracks import TRACKS
from invbench.tracks.measuring import perceptual
from invbench.tracks.measuring.samples import measure_samples, samples_of
from tests.support.lpips_weights import as_flax, as_safetensors, drawn_weights

SMOKE = options_of("smoke")
LOWLIGHT = TRACKS["lowlight"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return as_flax(drawn_weights(), tmp_path_factory.mktemp("lpips") / "alexnet.ckpt")


@pytest.fixture
def named(file, monkeypatch):
    monkeypatch.setenv("INVBENCH_LPIPS", str(file))
    return file


def planned(track, **chosen):
    return plan([track], ["affine"], replace(SMOKE, **chosen))


@pytest.mark.parametrize(
    ("track", "chosen", "found"),
    [
        ("sr", {"seeds": 2}, ["embedded/clean#lpips"] * 2),
        ("sr", {"corruptions": ("noise",)}, ["embedded/clean#lpips"]),
        ("lowlight", {"datasets": ("LOL",)}, ["LOL/clean#lpips"]),
        ("lowlight", {"datasets": ("LOL",), "corruptions": ("noise",)}, ["LOL/clean#lpips"]),
        ("lowlight", {}, []),  # no clean photographs: darkened ones
        ("coupling", {}, []),
    ],
)
def test_clean_photographs_have_one_and_every_other_cell_keeps_its_key(
    eval15, file, monkeypatch, track, chosen, found
):
    before = planned(track, **chosen)
    assert not [s for s in before if s.measure == "lpips"]
    monkeypatch.setenv("INVBENCH_LPIPS", str(file))
    after = planned(track, **chosen)
    assert [s.key for s in after if s.measure != "lpips"] == [s.key for s in before]
    own = [s for s in after if s.measure == "lpips"]
    assert [s.case for s in own] == found
    for spec in own:
        digest = spec.settings["lpips_weights"]
        settings = {k: v for k, v in spec.settings.items() if k != "lpips_weights"}
        assert spec.at(measure="", settings=settings).key in {s.key for s in before}
        assert digest == Backbone.read(file).digest


def test_other_weights_are_another_cell_and_a_wrong_file_is_said_before_anything_runs(
    eval15, named, tmp_path, monkeypatch
):
    def of():
        return [s for s in planned("lowlight", datasets=("LOL",)) if s.measure == "lpips"]

    first = of()
    monkeypatch.setenv("INVBENCH_LPIPS", str(as_safetensors(drawn_weights(1), tmp_path / "x")))
    assert first[0].key != of()[0].key
    monkeypatch.setenv("INVBENCH_LPIPS", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"INVBENCH_LPIPS = .*none: no such file"):
        of()


@pytest.fixture
def specs(untrained, eval15, named):
    return {s.case: s for s in LOWLIGHT.plan(untrained, replace(SMOKE, datasets=("LOL",)))}


def test_it_is_measured_on_the_samples_of_the_cell_beside_it(specs, untrained, named, monkeypatch):
    seen = []

    def keep(spec, flow, pairs, conditions, quality):
        def both(samples, pair):
            seen.append((samples, pair.high))
            return quality(samples, pair)

        return measure_samples(spec, flow, pairs, conditions, both)

    monkeypatch.setattr("invbench.tracks.measuring.lowlight.measure_samples", keep)
    beside = LOWLIGHT.measure(specs["LOL/clean"], untrained)
    measured = LOWLIGHT.measure(specs["LOL/clean#lpips"], untrained)
    assert (measured.status, set(measured.measures)) == ("ok", {"names", "lpips"})
    assert measured.measures["names"] == beside.measures["names"] == ["1", "2", "3"]
    weights = Backbone.read(named)
    expected = [lpips(displayable(x), high[None], weights).mean().item() for x, high in seen]
    assert measured.measures["lpips"] == pytest.approx(expected, rel=1e-6)
    assert min(expected) > 0


def test_samples_without_a_number_are_shown_black_and_have_a_distance(
    specs, untrained, monkeypatch
):
    def broken(*arguments):
        samples = samples_of(*arguments)
        samples[0], samples[1], samples[2] = math.nan, math.inf, -math.inf
        return samples

    monkeypatch.setattr(perceptual, "samples_of", broken)
    values = LOWLIGHT.measure(specs["LOL/clean#lpips"], untrained).measures["lpips"]
    assert torch.tensor(values).isfinite().all()


def test_a_cell_is_not_measured_with_other_weights_than_it_was_planned_with(
    specs, untrained, tmp_path, monkeypatch
):
    monkeypatch.setenv("INVBENCH_LPIPS", str(as_safetensors(drawn_weights(1), tmp_path / "x")))
    with pytest.raises(UsageError, match="not name the file that the cell was planned with"):
        LOWLIGHT.measure(specs["LOL/clean#lpips"], untrained)
    monkeypatch.delenv("INVBENCH_LPIPS")
    with pytest.raises(UsageError, match="INVBENCH_LPIPS"):
        LOWLIGHT.measure(specs["LOL/clean#lpips"], untrained)


def made(spec, seed=0, **measures):
    spec = spec.at(seed=seed)
    return Cell(key=spec.key, spec=spec, status="ok", measures={"names": ["a", "b"], **measures})


@pytest.mark.parametrize(("track", "dataset"), [("sr", "embedded"), ("lowlight", "LOL")])
def test_the_row_of_the_samples_has_it_as_a_column_and_is_no_other_for_it(
    eval15, named, track, dataset
):
    planned_ = {s.case: s for s in planned(track, datasets=(dataset,))}
    of, own = planned_[f"{dataset}/clean"], planned_[f"{dataset}/clean#lpips"]
    counts = {"inf": [0, 0], "error": [0, 1], "max_abs_log10": [0.1, 0.9], "psnr": [20.0, 30.0]}
    samples = [made(of, seed, **counts) for seed in (0, 1)]
    (bare,) = make_rows(samples, track)
    assert bare["lpips"] is None
    first, second = made(own, 0, lpips=[0.1, 0.3]), made(own, 1, lpips=[0.2, 0.4])
    (half,) = make_rows([*samples, first], track)
    assert half == bare  # of one training of two: no column of the row
    (row,) = make_rows([*samples, first, second], track)
    assert row["lpips"] == pytest.approx(0.25)
    assert {k: v for k, v in row.items() if k != "lpips"} == {
        k: v for k, v in bare.items() if k != "lpips"
    }

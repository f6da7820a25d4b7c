"""The low-light track: its plan, its cells on an untrained flow, its rows, and the pictures'
quality by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from invbench.couplings import Affine
from invbench.data.conditions import with_equalised
from invbench.data.datasets import Pair
from invbench.data.images import EMBEDDED
from invbench.errors import UsageError
from invbench.measures.quality import psnr, rescaled
from invbench.report.rows import make_rows
from invbench.runner.run import builtin_entries, options_of, plan
from invbench.store.case import case_named
from invbench.store.cell import Cell
from invbench.targets import resolve
from invbench.tracks import TRACKS
from invbench.tracks.budget import BUDGETS
from invbench.tracks.measuring import lowlight, samples
from invbench.tracks.track import Options
from invbench_models.llflow import llflow

SMOKE = options_of("smoke")
TRACK = TRACKS["lowlight"]


def cases(**chosen):
    return [s.case for s in plan(["lowlight"], ["affine"], replace(SMOKE, **chosen))]


def test_photographs_are_darkened_by_the_camera_model_in_both_precisions():
    assert cases() == [
        "embedded/under-exposure-3",
        "embedded/under-exposure-3#fp16",
        "embedded/under-exposure-3#mean",
        "embedded/under-exposure-3#radius",
        "embedded/sensor-noise-3",
        "embedded/sensor-noise-3#fp16",
        "embedded/sensor-noise-3#mean",
        "certificate",
    ]
    every = {c for c in cases(budget=BUDGETS["default"]) if "#" not in c} - {"certificate"}
    assert every == {
        f"embedded/{family}-{s}"
        for family in ("under-exposure", "sensor-noise")
        for s in range(1, 6)
    }


def test_a_data_set_is_measured_as_it_is_and_named_families_beside_it(eval15):
    assert cases(datasets=("LOL",)) == [
        "LOL/clean",
        "LOL/clean#fp16",
        "LOL/clean#mean",
        "LOL/clean#radius",
        "certificate",
    ]
    named = cases(datasets=("LOL", "embedded"), corruptions=("noise",))
    assert [c for c in named if "#" not in c] == [
        "LOL/clean",
        "LOL/noise-3",
        "embedded/noise-3",
        "certificate",
    ]
    assert cases(dtype="float64") == [
        "embedded/under-exposure-3",
        "embedded/under-exposure-3#radius",
        "embedded/sensor-noise-3",
        "certificate",
    ]


def test_every_data_set_belongs_to_a_track_that_runs(eval15):
    with pytest.raises(UsageError, match="--data LOL: data set 'LOL' is not known"):
        plan(["sr"], ["affine"], replace(SMOKE, datasets=("LOL",)))
    with pytest.raises(UsageError, match="--data BSD100: low-light data set 'BSD100'"):
        plan(["lowlight"], ["affine"], replace(SMOKE, datasets=("BSD100",)))
    with pytest.raises(UsageError, match=r"--data VE-LOL-real: .*no images in"):
        plan(["lowlight"], ["affine"], replace(SMOKE, datasets=("VE-LOL-real",)))
    both = plan(["sr", "lowlight"], ["affine"], replace(SMOKE, datasets=("embedded", "LOL")))
    assert {s.track for s in both if s.case.startswith("LOL/")} == {"lowlight"}


def test_designs_without_weights_are_skipped_with_the_command(cache):
    spec = TRACK.plan(resolve("affine"), SMOKE)[0].model_copy(
        update={"seed": 987, "weights_digest": ""}
    )
    measured = TRACK.measure(spec, resolve("affine"))
    assert measured.status == "skipped"
    assert "invbench train llflow --coupling affine --size mini --seed 987" in measured.reason


def test_by_default_only_designs_with_weights_are_measured(untrained):
    assert "affine" in builtin_entries("llflow")
    assert "affine-atan" not in builtin_entries("llflow")
    assert "affine-atan" in builtin_entries()


def test_a_track_without_weights_says_so_and_is_no_failure(invbench, tmp_path, monkeypatch):
    monkeypatch.setattr("invbench.runner.run.find_weights", lambda *_: None)
    code, out, error = invbench(
        "run", "--track", "lowlight", "--budget", "smoke", "--results", tmp_path / "results"
    )
    assert (code, out) == (0, "")
    assert (
        "track lowlight: nothing to measure, no design has weights of llflow; invbench train llflow"
        in error
    )


def test_cells_of_an_untrained_flow(untrained):
    specs = {
        s.case: s for s in TRACK.plan(untrained, replace(SMOKE, inputs=1)) if s.case.count("under")
    }
    measured = {case: TRACK.measure(spec, untrained) for case, spec in specs.items()}
    full, half, mean = (
        measured[f"embedded/under-exposure-3{end}"].measures for end in ("", "#fp16", "#mean")
    )
    assert full["names"] == [f"{name}/0" for name in EMBEDDED]
    for name in ("inf", "error", "max_abs_log10", "psnr", "psnr_rescaled", "ssim", "round_trip"):
        assert len(full[name]) == len(half[name]) == 12
    # untrained: standard normal pixels about the colour map, most of them beyond [−0.5, 1.5]
    assert full["error"] == [1] * 12
    assert max(full["round_trip"]) < 1e-4 < max(half["round_trip"]) < 0.1
    # the same latents in eleven bits
    assert 0 < np.abs(np.subtract(full["max_abs_log10"], half["max_abs_log10"])).max() < 0.01
    # one decode of the mean latent: nothing drawn, so nothing of N(0, 1) in it
    assert mean["samples"] == 1 and max(mean["max_abs_log10"]) < min(full["max_abs_log10"])
    assert min(np.subtract(mean["psnr"], full["psnr"])) > 0
    radius = measured["embedded/under-exposure-3#radius"].measures
    assert len(radius["radius_F2"]) == 1
    assert 0 < radius["radius_F2"][0] <= math.inf


def test_a_cell_of_a_data_set_takes_whole_photographs(untrained, eval15):
    options = Options(BUDGETS["smoke"], datasets=("LOL",), inputs=1)
    clean = TRACK.plan(untrained, options)[0]
    seen = []

    def quality(samples, pair):
        seen.append((samples.shape, pair.name))
        return {"psnr": 0.0}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowlight, "_quality", quality)
        TRACK.measure(clean, untrained)
    assert seen == [((10, 3, 40, 56), name) for name in ("1", "2", "3")]


def test_overflow_of_half_precision_is_found_under_autocast_only(untrained, monkeypatch):
    def loud(*_, **__):
        flow = llflow(Affine, "mini", 0).eval()
        with torch.no_grad():
            flow.layers["level1_step1_conv1x1"].weight.copy_(torch.eye(12) / 2**17)
            flow.layers["level1_step1_actnorm"].bias.fill_(0.0)
        return flow

    monkeypatch.setattr(samples, "load_flow", loud)
    full, half = (TRACK.measure(s, untrained) for s in TRACK.plan(untrained, SMOKE)[:2])
    assert (full.status, sum(full.measures["inf"])) == ("ok", 0)
    assert (half.status, sum(half.measures["inf"])) == ("diverged", 12)
    assert max(full.measures["max_abs_log10"]) < math.inf == max(half.measures["max_abs_log10"])


def test_part_for_the_search_keeps_the_equalisation_of_the_whole():
    image = torch.rand(3, 100, 90, generator=torch.Generator().manual_seed(0)) * 0.1
    part = lowlight._part(Pair("a", image, image), image / 2)
    assert part.high.shape == (3, 64, 64)
    assert torch.equal(part.low, with_equalised(image / 2)[:, 18:82, 13:77])


def test_rescaled_psnr_by_hand():
    truth = torch.full((1, 3, 4, 4), 0.4)
    truth[..., :2] = 0.2  # mean 0.3
    half = truth / 2
    assert psnr(half, truth).item() == pytest.approx(
        -10 * math.log10((0.1**2 + 0.2**2) / 2), abs=1e-3
    )
    assert torch.allclose(rescaled(half, truth), truth.double(), atol=1e-7)
    assert psnr(rescaled(half, truth), truth).item() == 100
    # clamped before and after: 2 counts as 1, mean (1 + 0)/2; × 0.6 → 0.6, 0
    wild = torch.where(torch.arange(4) < 2, torch.tensor(2.0), torch.tensor(-3.0)).expand(
        1, 3, 4, 4
    )
    assert rescaled(wild, truth).flatten().unique().tolist() == pytest.approx([0, 0.6])


def test_rescaled_psnr_of_black_and_of_broken_samples_is_a_number():
    truth = torch.full((1, 3, 2, 2), 0.25)
    black = torch.zeros(4, 3, 2, 2)
    black[1], black[2], black[3] = math.nan, -math.inf, 1e-42
    values = psnr(rescaled(black, truth), truth)
    assert values[:3].tolist() == pytest.approx([-10 * math.log10(0.25**2)] * 3)
    assert values[3].isfinite()
    assert psnr(rescaled(black[:1], torch.zeros(1, 3, 2, 2)), torch.zeros(1, 3, 2, 2)).item() == 100


def cell(case, error, **measures):
    spec = next(s for s in TRACK.plan(resolve("affine"), SMOKE)).at(**case_named(case).model_dump())
    n = len(error)
    common = {
        "inf": [0] * n,
        "error": error,
        "max_abs_log10": [0.1] * n,
        "names": [f"p{k}" for k in range(n)],
    }
    return Cell(key=spec.key, spec=spec, status="ok", measures=common | measures)


def test_half_precision_and_the_mean_have_rows_of_their_own_and_the_radius_none():
    radius = cell("LOL/clean#radius", [0]).model_copy(
        update={"measures": {"radius_F2": [0.5, math.inf, 0.25]}}
    )
    cells = [
        cell("LOL/clean", [0, 1], psnr=[20.0, 10.0], psnr_rescaled=[22.0, 20.0], ssim=[0.5, 0.7]),
        cell("LOL/clean#fp16", [1, 1], psnr=[5.0, 7.0]),
        cell("LOL/clean#mean", [0, 0], psnr=[21.0, 11.0]),
        radius,
    ]
    full, half, mean = make_rows(cells, "lowlight")
    assert [row["case"] for row in (full, half, mean)] == [
        "LOL/clean",
        "LOL/clean (fp16)",
        "LOL/clean (mean)",
    ]
    assert (full["error_pct"], half["error_pct"]) == (50, 100)
    assert (full["psnr"], full["psnr_rescaled"], full["ssim"]) == (15, 21, pytest.approx(0.6))
    assert (full["critical_radius"], half["psnr"], half["critical_radius"]) == (0.5, 6, None)
    assert (full["tier"], half["tier"], full["n"], mean["psnr"]) == (1, 1, 2, 16)


def test_pooling_joins_the_severities_of_a_family():
    names = ("under-exposure-1", "under-exposure-2", "under-exposure-2#fp16", "sensor-noise-1")
    rows = make_rows([cell(f"embedded/{name}", [0, 1]) for name in names], "lowlight", pooled=True)
    assert {r["case"]: r["n"] for r in rows} == {
        "embedded/sensor-noise": 2,
        "embedded/under-exposure": 4,
        "embedded/under-exposure (fp16)": 2,
    }

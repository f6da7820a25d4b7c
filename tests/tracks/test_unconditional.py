"""The unconditional flow and its track: shapes, exactness at float64, the plan, its cells and
rows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from invbench.couplings import Affine, ModifiedRQ
from invbench.data.conditions import sizes_only
from invbench.errors import UsageError
from invbench.flows import ActNorm
from invbench.report.columns import COLUMNS
from invbench.report.rows import current_cells, make_rows
from invbench.runner.run import options_of, plan
from invbench.store.cell import Cell, Measured
from invbench.targets import resolve
from invbench.tracks import TRACKS
from invbench.tracks.measuring import unconditional
from invbench.tracks.protocols import protocol_of
from invbench.tracks.versions import completed
from invbench.training.weights import save_weights, weights_name
from invbench_models.glow import glow
from invbench_models.glow.model import UnconditionalFlow

SMOKE = options_of("smoke")
TRACK = TRACKS["unconditional"]


def shaken(design, scale=0.02):
    flow = glow(design, "mini", 0).double().eval()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += scale * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(1)
            )
    return flow


@pytest.mark.parametrize("design", [Affine, ModifiedRQ])
def test_decoding_undoes_encoding_and_the_latents_are_as_many_numbers_as_the_image(design):
    flow, x = shaken(design), torch.rand(2, 3, 16, 24, dtype=torch.float64)
    latents, log_det = flow.encode(x, sizes_only(x))
    assert sum(z[0].numel() for z in latents) == x[0].numel() and log_det.shape == (2,)
    assert (flow.decode(latents, sizes_only(x)) - x).abs().max() < 1e-9


def test_log_det_is_that_of_the_jacobian():
    flow, x = shaken(Affine), torch.rand(1, 3, 8, 8, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda v: torch.cat([z.flatten() for z in flow.encode(v.view_as(x), sizes_only(x))[0]]),
        x.flatten(),
    )
    assert flow.encode(x, sizes_only(x))[1].item() == pytest.approx(
        torch.linalg.slogdet(jacobian)[1].item(), abs=1e-8
    )


def test_samples_have_the_size_of_the_condition_that_holds_no_number():
    flow = glow(Affine, "mini", 0).eval()
    y = torch.empty(1, 0, 16, 32)
    assert flow.decode(flow.sample_latents(5, y), y.expand(5, -1, -1, -1)).shape == (5, 3, 16, 32)


def test_sides_that_cannot_be_squeezed_are_refused():
    with pytest.raises(UsageError, match="divisible by 8, got 12×16"):
        glow(Affine, "mini", 0).encode(torch.zeros(1, 3, 12, 16), torch.zeros(1, 0, 12, 16))


def test_plan_has_clean_and_the_budgets_families_and_none_that_needs_a_larger_image():
    assert [s.case for s in plan(["unconditional"], ["affine"], SMOKE)] == [
        "embedded/clean",
        "embedded/noise-3",
        "embedded/binarise-3",
        "certificate",
    ]
    assert not {"eurban", "kernel", "aliasing"} & set(unconditional.FAMILIES)


@pytest.fixture
def untrained(cache):
    target = resolve("affine")
    path = cache / "weights" / "glow" / weights_name("affine", "mini", 0)
    save_weights(glow(Affine, "mini", 0), {"coupling_digest": target.digest}, path)
    return target


def measured(target, **chosen) -> tuple[Measured, Cell]:
    (spec, *_) = TRACK.plan(target, replace(SMOKE, **chosen))
    found = TRACK.measure(spec, target)
    return found, Cell(
        key=spec.key, spec=spec, status=found.status, reason=found.reason, measures=found.measures
    )


def test_an_untrained_flow_comes_back_and_its_row_says_so(untrained):
    found, cell = measured(untrained)
    assert found.status == "ok" and found.measures["error"] == [0] * 12
    assert max(found.measures["round_trip"]) < 1e-4
    (row,) = make_rows([cell], "unconditional")
    assert (
        row["n"] == 12
        and row["error_pct"] == 0
        and abs(row["gain_log10"]) < 1e-4
        and row["round_trip"] < 1e-4
    )
    assert set(row) - {"complete", "about"} <= set(COLUMNS["unconditional"])


class Sawtooth(torch.nn.Module):
    """A flow that is the identity, and of density Π 2·frac(256·x): in every cell of (v + U)/256 the
    noise above 1/2 is the likelier."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def encode(self, x, y):
        return [x], x.new_zeros(len(x))

    def decode(self, latents, y):
        return latents[0]

    def log_prob(self, x, y):
        return torch.log(2 * (256 * x.double() % 1).clamp(min=1e-9)).sum((1, 2, 3))


def test_bits_are_of_dequantised_images_in_every_case(untrained, monkeypatch):
    """−∫ log2(2u) du = 1/ln 2 − 1 beside the 8 bits of the cells, with a standard deviation of
    1/(ln 2·√D) per image, D = 12 288."""
    monkeypatch.setattr(unconditional, "loaded", lambda spec, target: Sawtooth())
    for spec in TRACK.plan(untrained, SMOKE):
        if spec.measure:
            continue
        bits = torch.tensor(TRACK.measure(spec, untrained).measures["nll"])
        assert (bits - (8 + 1 / math.log(2) - 1)).abs().max() < 5 / (
            math.log(2) * math.sqrt(3 * 64 * 64)
        ), spec.case


def test_noise_is_of_the_stated_seed_and_fills_the_cell_of_its_level():
    image = torch.arange(256).repeat(3 * 64 * 64 // 256).reshape(3, 64, 64) / 255
    one, again, other = (unconditional.dequantised(image, seed) for seed in (5, 5, 6))
    assert torch.equal(one, again) and not torch.equal(one, other)
    noise = one * 256 - image * 255
    assert noise.min() > -1e-4 and noise.max() < 1 + 1e-4 and abs(noise.mean() - 0.5) < 0.02
    beyond = unconditional.dequantised(image * 2 - 0.5, 5)
    assert beyond.min() < -0.49 and beyond.max() > 1.49


def test_cells_of_bits_without_dequantisation_are_stale():
    (spec, *_) = TRACK.plan(resolve("affine"), SMOKE)
    assert completed(spec).protocol == protocol_of(spec) == 2 > protocol_of(spec.at(track="sr"))
    measures = {
        "inputs": 1,
        "names": ["a"],
        **{n: [0] for n in ("inf", "error", "max_abs_log10", "nll")},
    }
    old = Cell(
        key="old", spec=spec.model_copy(update={"protocol": 1}), status="ok", measures=measures
    )
    spec = completed(spec)
    new = Cell(key=spec.key, spec=spec, status="ok", measures=measures)
    assert current_cells([new, old]) == ([new], [old])


def test_a_flow_that_overflows_on_the_way_back_is_counted(untrained, monkeypatch):
    monkeypatch.setattr(
        ActNorm, "inverse", lambda self, z, cond=None: (z * math.inf, z.new_zeros(len(z)))
    )
    found, cell = measured(untrained)
    assert found.status == "diverged" and found.measures["inf"] == [1] * 12
    assert make_rows([cell], "unconditional")[0]["gain_log10"] == math.inf


def test_a_reconstruction_of_inf_and_no_nan_is_infinitely_far(untrained, monkeypatch):
    def decode(self, latents, y):
        return torch.full((1, 3, *y.shape[2:]), math.inf)

    monkeypatch.setattr(UnconditionalFlow, "decode", decode)
    assert measured(untrained)[0].measures["round_trip"] == [math.inf] * 12


def test_without_weights_the_cell_says_how_to_train_them(cache):
    found, _ = measured(resolve("sinh-arcsinh"))
    assert (
        found.status == "skipped" and "invbench train glow --coupling sinh-arcsinh" in found.reason
    )

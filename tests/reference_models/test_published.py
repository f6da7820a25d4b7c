"""The published architectures and checkpoints: golden numbers, parameter counts, layouts, and what
is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from safetensors.torch import load_file

from invbench.couplings import RQ, Additive, Affine, ModifiedRQ
from invbench.data.resample import bicubic
from invbench.errors import UsageError
from invbench.flows.example_layers import randomized
from invbench.training.weights import load_flow
from invbench_models import fs_ncsr, srflow
from invbench_models.checkpoint_layout import layout
from invbench_models.convert import account, convert
from invbench_models.fs_ncsr import recipe as fs_ncsr_recipe
from invbench_models.multiscale import SRFlowSize, multiscale
from invbench_models.rrdb import RRDBEncoder
from tests.support.published import GOLDEN, PAPER, SPECS, TINY, golden

LAYOUTS = {
    "srflow_4x": (PAPER, Affine, 39.54),
    "srflow_8x": (srflow.SIZES["paper-8x"], Affine, 50.82),
    "fs_ncsr_4x": (fs_ncsr.SIZES["paper"], Affine, 41.66),
    "fs_ncsr_rqs_4x": (fs_ncsr.SIZES["paper"], ModifiedRQ, 46.72),
}


@lru_cache
def on_meta(spec, design):
    """The flow without memory for its weights."""
    with torch.device("meta"):
        return multiscale(spec, design, 0)


@pytest.fixture(scope="module")
def tiny():
    """(flow with the golden weights, the golden tensors)"""
    if not GOLDEN.is_dir():
        pytest.skip(f"no golden data in {GOLDEN}; INVBENCH_GOLDEN names their folder")
    data = load_file(GOLDEN / "srflow_tiny.safetensors")
    state = {
        name.removeprefix("weight."): v for name, v in data.items() if name.startswith("weight.")
    }
    flow = multiscale(TINY, Affine, 0).eval()
    flow.load_state_dict(convert(state, flow))
    return flow, data


def log_normal(z):
    return -0.5 * (z.flatten(1) ** 2 + math.log(2 * math.pi)).sum(1)


@torch.no_grad()
def test_golden_latents_and_log_determinant_of_the_published_encoder(tiny):
    flow, data = tiny
    (eps0, eps1), log_det = flow.encode(data["in.gt"], data["in.lr"])
    torch.testing.assert_close(eps0, data["out.eps0"], rtol=0, atol=2e-4)
    torch.testing.assert_close(eps1, data["out.eps1"], rtol=0, atol=2e-4)
    # the published sum counts the density of the latent that left at the split
    torch.testing.assert_close(log_det + log_normal(eps0), data["out.logdet"], rtol=1e-5, atol=0)


@torch.no_grad()
def test_golden_sample_of_the_published_decoder(tiny):
    flow, data = tiny
    latents = [data["in.z0"], data["in.z1"]]
    x = flow.decode(latents, data["in.lr"])
    torch.testing.assert_close(x, data["out.sample"], rtol=0, atol=2e-4)
    log_det = flow.encode(x, data["in.lr"])[1]
    torch.testing.assert_close(
        -log_det - log_normal(latents[0]), data["out.sample_logdet"], rtol=1e-5, atol=0
    )
    assert [shape[1:] for shape in map(torch.Tensor.size, latents)] == [
        torch.Size(s) for s in flow._latent_shapes(data["in.lr"])
    ]


@golden
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_name_and_shape_of_a_published_layout_is_accounted_for(name):
    spec, design, millions = LAYOUTS[name]
    flow = on_meta(spec, design)
    lines = [line.split("\t") for line in (GOLDEN / f"{name}.tsv").read_text().splitlines()]
    shapes = {published: tuple(map(int, shape.split("x"))) for published, shape in lines}
    assert account(shapes, flow).complete
    assert {key: slot.shape for key, slot in layout(flow).items()} == shapes
    assert f"{sum(map(math.prod, shapes.values())) / 1e6:.4g}" == f"{millions}"
    ours = [slot.ours for slot in layout(flow).values() if slot.ours]
    assert sorted(ours) == sorted(
        key for key in flow.state_dict() if not key.endswith(".initialised")
    )


@pytest.mark.parametrize(
    ("name", "transposes"), [(name, 178_848 if "rqs" in name else 0) for name in LAYOUTS]
)
def test_published_parameter_counts(name, transposes):
    spec, design, millions = LAYOUTS[name]
    flow = on_meta(spec, design)
    # the published RQ checkpoint stores the transpose of every 1×1 matrix too: 3 levels, 18 · (12²
    # + 24² + 96²)
    count = sum(p.numel() for p in flow.parameters()) + transposes
    assert f"{count / 1e6:.4g}" == f"{millions}"


def test_fs_ncsr_8x_has_the_published_count_to_the_digits_that_were_published():
    count = sum(p.numel() for p in on_meta(fs_ncsr.SIZES["paper-8x"], Affine).parameters())
    assert f"{count / 1e6:.3g}" == "64.5"


@pytest.mark.parametrize("design", [Affine, ModifiedRQ, RQ, Additive], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@torch.no_grad()
def test_round_trip_in_float32_for_any_coupling(spec, design, uniform):
    flow = randomized(multiscale(spec, design, 0), 1, 0.01).eval()
    y = uniform(0, 1, 2, 3, 8, 8, dtype=torch.float32)
    x = uniform(0, 1, 2, 3, 8 * spec.scale, 8 * spec.scale, dtype=torch.float32, seed=1)
    latents, log_det = flow.encode(x, y)
    assert (flow.decode(latents, y) - x).abs().max() <= 1e-4
    assert log_det.isfinite().all()
    drawn = flow.sample_latents(2, y, 0.9)
    assert [z.shape for z in drawn] == [z.shape for z in latents]


@torch.no_grad()
def test_noise_level_is_a_fourth_channel_and_three_channels_mean_zero(uniform):
    flow = randomized(fs_ncsr.fs_ncsr(Affine, "mini", 0), 1, 0.05).eval()
    x, y = (
        uniform(0, 1, 1, 3, 32, 32, dtype=torch.float32),
        uniform(0, 1, 1, 3, 8, 8, dtype=torch.float32, seed=1),
    )
    (plain, *_), _ = flow.encode(x, y)
    (silent, *_), _ = flow.encode(x, torch.cat((y, torch.zeros(1, 1, 8, 8)), 1))
    (noisy, *_), _ = flow.encode(x, torch.cat((y, torch.full((1, 1, 8, 8), 0.05)), 1))
    assert torch.equal(plain, silent)
    assert not torch.allclose(plain, noisy)
    assert torch.equal(flow.features(y), flow.features(torch.cat((y, torch.ones(1, 1, 8, 8)), 1)))


@torch.no_grad()
def test_only_the_noise_level_couplings_read_sigma():
    flow = randomized(multiscale(replace(SPECS["fs_ncsr 4×"], steps=1), Affine, 0), 1, 0.05).eval()
    seen = {"injector": slice(320), "noise": slice(320, None), "coupling": slice(320)}
    blocks = {name: layer for name, layer in flow.layers.items() if name.rpartition("_")[2] in seen}
    assert {layer.sees == seen[name.rpartition("_")[2]] for name, layer in blocks.items()} == {True}
    assert [name for name in blocks if name.startswith("level1")] == [
        "level1_step1_injector",
        "level1_step1_noise",
        "level1_step1_coupling",
    ]


@torch.no_grad()
def test_encoder_levels_are_half_of_the_image_to_half_of_the_condition_and_the_condition_itself_is_g(
    uniform,
):
    encoder, y = RRDBEncoder(8, 3, (0, 2)), uniform(0, 1, 1, 3, 6, 4, dtype=torch.float32)
    levels = encoder.levels(y)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (192, 24, 16),
        (192, 12, 8),
        (192, 6, 4),
        (192, 3, 2),
    ]
    assert torch.equal(levels[2], encoder(y))
    assert torch.equal(levels[0][:, 64:, ::4, ::4], levels[2][:, 64:])  # blocks: nearest
    torch.testing.assert_close(
        levels[3][:, :64], torch.nn.functional.avg_pool2d(levels[2][:, :64], 2)
    )
    with pytest.raises(ValueError, match="power of two"):
        RRDBEncoder(3)
    with pytest.raises(ValueError, match=r"stacked blocks must lie in \[0, 22\]"):
        RRDBEncoder(4, stacked=(23,))


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (
            TINY,
            (1, 3, 5, 8),
            "5×8 pixels cannot be squeezed 3 times at 4×: crop or pad its sides to multiples of 2",
        ),
        (TINY, (1, 4, 8, 8), r"must be of shape \(B, 3, h, w\), got \(1, 4, 8, 8\)"),
        (
            SRFlowSize(noise_level=True),
            (1, 5, 8, 8),
            r"\(B, 3, h, w\) or \(B, 4, h, w\), got \(1, 5, 8, 8\)",
        ),
        (SRFlowSize(), (3, 8, 8), r"must be of shape \(B, 3, h, w\), got \(3, 8, 8\)"),
    ],
)
def test_conditions_that_do_not_fit_are_refused_by_every_entry(spec, shape, message):
    flow, y = multiscale(spec, Affine, 0), torch.zeros(shape)
    x = torch.zeros(1, 3, 4 * shape[-2], 4 * shape[-1])
    for call in (
        lambda: flow.encode(x, y),
        lambda: flow.decode([], y),
        lambda: flow.sample_latents(1, y),
        lambda: flow.features(y),
    ):
        with pytest.raises(UsageError, match=message):
            call()


def test_an_image_of_another_size_than_the_scale_says_is_refused():
    with pytest.raises(
        UsageError, match=r"\(1, 3, 32, 24\) is not 4 times its condition of shape \(1, 3, 8, 8\)"
    ):
        multiscale(SRFlowSize(), Affine, 0).encode(
            torch.zeros(1, 3, 32, 24), torch.zeros(1, 3, 8, 8)
        )


# computed before the published sizes came in; the digits that a CPU's own kernels do not change
MINI = {
    "affine": ([-18395.031, -15072.518], [0.4908416, 0.3925690, 0.5299623]),
    "modified-rq": ([617.8699, 1548.4469], [0.2440587, 0.2495888, 0.4232911]),
}


@pytest.mark.parametrize("coupling", MINI)
@torch.no_grad()
def test_the_shipped_minis_are_what_they_were(coupling, cache):
    flow = load_flow("srflow", coupling)
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.rand(2, 3, 32, 32, generator=generator),
        torch.rand(2, 3, 8, 8, generator=generator),
    )
    log_det, pixel = MINI[coupling]
    torch.testing.assert_close(flow.encode(x, y)[1], torch.tensor(log_det), rtol=1e-4, atol=0)
    sample = flow.decode(flow.sample_latents(2, y, 0.9, torch.Generator().manual_seed(1)), y)
    torch.testing.assert_close(sample[0, :, 5, 7], torch.tensor(pixel), rtol=0, atol=1e-3)


def test_noise_conditioned_batches_carry_the_same_noise_in_both_images_and_its_level(monkeypatch):
    x, y = torch.rand(8, 3, 64, 64), torch.rand(8, 3, 16, 16)
    monkeypatch.setattr(fs_ncsr_recipe, "patches", lambda recipe, seed: lambda step: (x, y))
    batch = fs_ncsr_recipe.batches("mini", 5)
    noisy, condition = batch(7)
    noise, sigma = noisy - x, condition[:, 3:]
    assert torch.equal(batch(7)[0], noisy)
    assert not torch.equal(batch(8)[0], noisy)
    torch.testing.assert_close(condition[:, :3] - y, bicubic(noise, 1 / 4), rtol=0, atol=1e-6)
    assert (sigma == sigma[:, :, :1, :1]).all()
    assert 0 < sigma.min() < sigma.max() < 0.05
    torch.testing.assert_close(noise.flatten(1).std(1), sigma[:, 0, 0, 0], rtol=0.05, atol=0)

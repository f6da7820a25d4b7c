"""The published architectures and checkpoints: golden numbers, parameter counts, layouts, and what is refused."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from invbench.conditions.resample import bicubic
from invbench.couplings import RQ, Additive, Affine, AffineFloor, ModifiedRQ
from invbench.errors import UsageError
from invbench.flows.registered import shaken
from invbench.reference_models import fs_ncsr, srflow
from invbench.reference_models.convert import account, convert, read_state
from invbench.reference_models.fs_ncsr import recipe as fs_ncsr_recipe
from invbench.reference_models.layout import layout
from invbench.reference_models.multiscale import SRFlowSize, multiscale
from invbench.reference_models.rrdb import RRDBEncoder
from invbench.reference_models.weights import load_flow, load_weights

GOLDEN = Path(os.environ.get("INVBENCH_GOLDEN", Path(__file__).parents[2] / "shared" / "golden"))
golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"no golden data in {GOLDEN}; INVBENCH_GOLDEN names their folder"
)
PAPER = srflow.SIZES["paper"]
TINY = replace(PAPER, steps=1, blocks=4, stacked=(0, 1, 2, 3))  # of golden/srflow_tiny
LAYOUTS = {
    "srflow_4x": (PAPER, Affine, 39.54),
    "srflow_8x": (srflow.SIZES["paper-8x"], Affine, 50.82),
    "fs_ncsr_4x": (fs_ncsr.SIZES["paper"], Affine, 41.66),
    "fs_ncsr_rqs_4x": (fs_ncsr.SIZES["paper"], ModifiedRQ, 46.72),
}
SAVE = {".pth": torch.save, ".safetensors": save_file}
COUPLINGS = {"affine": Affine, "modified-rq": ModifiedRQ}


@lru_cache
def on_meta(spec, design):
    """The flow without memory for its weights."""
    with torch.device("meta"):
        return multiscale(spec, design, 0)


def stored(flow, seed=0):
    """Random tensors in the published layout of ``flow``, the transposes being those of orthogonal matrices."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for name, slot in layout(flow).items():
        if slot.inverse_of:
            state[name] = state[slot.inverse_of].transpose(0, 1).contiguous()
        else:
            state[name] = 0.05 * torch.randn(slot.shape, generator=generator)
            if ".invconv." in name:
                matrix = torch.linalg.qr(torch.randn(slot.shape[:2], generator=generator))[0]
                state[name] = matrix.reshape(slot.shape).contiguous()
    return state


@pytest.fixture(scope="module")
def tiny():
    """(flow with the golden weights, the golden tensors)"""
    if not GOLDEN.is_dir():
        pytest.skip(f"no golden data in {GOLDEN}; INVBENCH_GOLDEN names their folder")
    data = load_file(GOLDEN / "srflow_tiny.safetensors")
    state = {name.removeprefix("weight."): v for name, v in data.items() if name.startswith("weight.")}
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
    torch.testing.assert_close(-log_det - log_normal(latents[0]), data["out.sample_logdet"], rtol=1e-5, atol=0)
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
    assert sorted(ours) == sorted(key for key in flow.state_dict() if not key.endswith(".initialised"))


@pytest.mark.parametrize(("name", "transposes"), [(name, 178_848 if "rqs" in name else 0) for name in LAYOUTS])
def test_published_parameter_counts(name, transposes):
    spec, design, millions = LAYOUTS[name]
    flow = on_meta(spec, design)
    # the published RQ checkpoint stores the transpose of every 1×1 matrix too: 3 levels, 18 · (12² + 24² + 96²)
    count = sum(p.numel() for p in flow.parameters()) + transposes
    assert f"{count / 1e6:.4g}" == f"{millions}"


def test_fs_ncsr_8x_has_the_published_count_to_the_digits_that_were_published():
    count = sum(p.numel() for p in on_meta(fs_ncsr.SIZES["paper-8x"], Affine).parameters())
    assert f"{count / 1e6:.3g}" == "64.5"


SPECS = {
    "srflow 4×": TINY,
    "srflow 8×": replace(srflow.SIZES["paper-8x"], steps=1, blocks=2, stacked=(0, 1, 1, 0)),
    "fs_ncsr 4×": replace(fs_ncsr.SIZES["paper"], steps=1, blocks=2, stacked=(0, 1, 1, 0)),
}


@pytest.mark.parametrize("design", [Affine, ModifiedRQ, RQ, Additive], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@torch.no_grad()
def test_round_trip_in_float32_for_any_coupling(spec, design, uniform):
    flow = shaken(multiscale(spec, design, 0), 1, 0.01).eval()
    y = uniform(0, 1, 2, 3, 8, 8, dtype=torch.float32)
    x = uniform(0, 1, 2, 3, 8 * spec.scale, 8 * spec.scale, dtype=torch.float32, seed=1)
    latents, log_det = flow.encode(x, y)
    assert (flow.decode(latents, y) - x).abs().max() <= 1e-4
    assert log_det.isfinite().all()
    drawn = flow.sample_latents(2, y, 0.9)
    assert [z.shape for z in drawn] == [z.shape for z in latents]


@torch.no_grad()
def test_noise_level_is_a_fourth_channel_and_three_channels_mean_zero(uniform):
    flow = shaken(fs_ncsr.fs_ncsr(Affine, "mini", 0), 1, 0.05).eval()
    x, y = uniform(0, 1, 1, 3, 32, 32, dtype=torch.float32), uniform(0, 1, 1, 3, 8, 8, dtype=torch.float32, seed=1)
    (plain, *_), _ = flow.encode(x, y)
    (silent, *_), _ = flow.encode(x, torch.cat((y, torch.zeros(1, 1, 8, 8)), 1))
    (noisy, *_), _ = flow.encode(x, torch.cat((y, torch.full((1, 1, 8, 8), 0.05)), 1))
    assert torch.equal(plain, silent)
    assert not torch.allclose(plain, noisy)
    assert torch.equal(flow.features(y), flow.features(torch.cat((y, torch.ones(1, 1, 8, 8)), 1)))


@torch.no_grad()
def test_only_the_noise_level_couplings_read_sigma():
    flow = shaken(multiscale(replace(SPECS["fs_ncsr 4×"], steps=1), Affine, 0), 1, 0.05).eval()
    seen = {"injector": slice(320), "noise": slice(320, None), "coupling": slice(320)}
    blocks = {name: layer for name, layer in flow.layers.items() if name.rpartition("_")[2] in seen}
    assert {layer.sees == seen[name.rpartition("_")[2]] for name, layer in blocks.items()} == {True}
    assert [name for name in blocks if name.startswith("level1")] == [
        "level1_step1_injector",
        "level1_step1_noise",
        "level1_step1_coupling",
    ]


@torch.no_grad()
def test_encoder_levels_are_half_of_the_image_to_half_of_the_condition_and_the_condition_itself_is_g(uniform):
    encoder, y = RRDBEncoder(8, 3, (0, 2)), uniform(0, 1, 1, 3, 6, 4, dtype=torch.float32)
    levels = encoder.levels(y)
    assert [tuple(level.shape[1:]) for level in levels] == [(192, 24, 16), (192, 12, 8), (192, 6, 4), (192, 3, 2)]
    assert torch.equal(levels[2], encoder(y))
    assert torch.equal(levels[0][:, 64:, ::4, ::4], levels[2][:, 64:])  # blocks: nearest
    torch.testing.assert_close(levels[3][:, :64], torch.nn.functional.avg_pool2d(levels[2][:, :64], 2))
    with pytest.raises(ValueError, match="power of two"):
        RRDBEncoder(3)
    with pytest.raises(ValueError, match=r"stacked blocks must lie in \[0, 22\]"):
        RRDBEncoder(4, stacked=(23,))


@pytest.mark.parametrize("design", [Affine, AffineFloor, ModifiedRQ], ids=lambda cls: cls.__name__)
@torch.no_grad()
def test_heads_are_regrouped_from_element_by_element_to_parameter_by_parameter(design):
    flow = multiscale(SPECS["fs_ncsr 4×"], design, 0)
    state = stored(flow)
    n, module = design.n_params, "rqspline" if design is ModifiedRQ else "affine"
    state[f"flowUpsamplerNet.layers.3.{module}.fFeatures.4.bias"] = torch.arange(12.0 * n)
    bias = convert(state, flow)["layers.level1_step1_injector.network.head.bias"].view(n, 12)
    order = [0, 1, 2, 3] if design is ModifiedRQ else [1, 0]  # (w, h, d, t); published affine stores (t, a)
    assert torch.equal(bias, torch.stack([torch.arange(12.0) * n + k for k in order]))
    flow.load_state_dict(convert(state, flow))
    assert all(bool(v) for name, v in flow.state_dict().items() if name.endswith(".initialised"))


class Tampered:
    """Runs code when it is unpickled by a loader that lets it."""

    def __reduce__(self):
        return os.system, ("false",)


@pytest.fixture
def small(monkeypatch):
    """``srflow`` of size ``paper``, cut down so that a file of it is small; (name → coupling) → a flow and its published state."""
    monkeypatch.setitem(srflow.SIZES, "paper", replace(TINY, blocks=1, stacked=(0, 0, 0, 0)))

    def build(name="affine"):
        flow = srflow.srflow(COUPLINGS[name], "paper", 0)
        return flow, stored(flow)

    return build


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", SAVE)
@pytest.mark.parametrize("coupling", COUPLINGS)
@torch.no_grad()
def test_load_flow_reads_a_published_checkpoint(small, tmp_path, coupling, suffix, prefix, uniform):
    flow, state = small(coupling)
    file = tmp_path / f"theirs{suffix}"
    SAVE[suffix]({prefix + name: v for name, v in state.items()}, file)
    flow.load_state_dict(convert(state, flow))
    loaded = load_flow("srflow", coupling, "paper", weights=file)
    assert not loaded.training
    expected = flow.state_dict()
    assert all(torch.equal(v, expected[name]) for name, v in loaded.state_dict().items())
    y = uniform(0, 1, 1, 3, 4, 4, dtype=torch.float32)
    x = uniform(0, 1, 1, 3, 16, 16, dtype=torch.float32, seed=1)
    assert (loaded.decode(loaded.encode(x, y)[0], y) - x).abs().max() <= 1e-4


@pytest.mark.parametrize(
    ("coupling", "size", "message"),
    [
        ("modified-rq", "paper", "stored as 'affine'; its coupling is affine or affine-floor"),
        ("rq", "paper", "no checkpoint of coupling RQ was published, only of affine or affine-floor, modified-rq"),
        ("affine", "mini", "needs a published architecture: size 'paper' or 'paper-8x'"),
    ],
)
def test_a_checkpoint_of_another_coupling_or_size_is_refused(small, tmp_path, coupling, size, message):
    file = tmp_path / "theirs.pth"
    torch.save(small()[1], file)
    with pytest.raises(UsageError, match=message) as caught:
        load_flow("srflow", coupling, size, weights=file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_checkpoint_is_refused_by_flows_of_another_kind(small, tmp_path):
    file = tmp_path / "theirs.pth"
    torch.save(small()[1], file)
    with pytest.raises(UsageError, match="super-resolution flow, not of a ConditionalFlow"):
        load_flow("toy2d", "affine", "mini", weights=file)


CHANGES = {
    "missing": (lambda s: s.pop("RRDB.conv_first.bias"), r"1 missing \(first: RRDB\.conv_first\.bias\)$"),
    "unexpected": (lambda s: s.update({"RRDB.extra": torch.zeros(1)}), r"1 unexpected \(first: RRDB\.extra\)$"),
    "misshaped": (
        lambda s: s.update({"RRDB.conv_last.bias": torch.zeros(4)}),
        r"1 of another shape \(first: RRDB\.conv_last\.bias 4, expected 3\)$",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_names_and_shapes_are_held_strictly(small, change, message):
    flow, state = small()
    change(state)
    with pytest.raises(UsageError, match=message):
        convert(state, flow)


def test_a_transpose_that_does_not_invert_its_matrix_is_refused(small):
    flow, state = small("modified-rq")
    name = "flowUpsamplerNet.layers.3.invconv.weight_transpose"
    state[name] = 1.01 * state[name]
    with pytest.raises(UsageError, match=rf"{name} is not the inverse"):
        convert(state, flow)


@pytest.mark.parametrize("suffix", SAVE)
@pytest.mark.parametrize("keep", [0, 4, 1000, -1000])
def test_truncated_checkpoints_are_refused_in_one_line(small, tmp_path, suffix, keep):
    flow, state = small()
    file = tmp_path / f"theirs{suffix}"
    SAVE[suffix](state, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UsageError, match=rf"theirs\{suffix} are unreadable or cut off") as caught:
        load_weights(flow, file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"RRDB.conv_first.bias": Tampered()}, "hold pickled code, which is not run"),
        ({"iteration": 3, "weights": {}}, "hold a dict, not a state dict of named tensors"),
        ([torch.zeros(1)], "hold a list, not a state dict of named tensors"),
        ({}, "hold a dict, not a state dict"),
    ],
)
def test_pickled_code_and_other_contents_are_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "theirs.pth"
    torch.save(content, file)
    with pytest.raises(UsageError, match=message) as caught:
        read_state(file)
    assert "\n" not in str(caught.value)


def test_missing_files_and_published_sizes_without_weights_say_what_to_give(tmp_path, cache):
    with pytest.raises(UsageError, match=r"none\.pth: no such file"):
        read_state(tmp_path / "none.pth")
    with pytest.raises(UsageError, match=r"give the authors' checkpoint: .*weights=FILE\.pth"):
        load_flow("srflow", "affine", "paper")


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (TINY, (1, 3, 5, 8), "5×8 pixels cannot be squeezed 3 times at 4×: crop or pad its sides to multiples of 2"),
        (TINY, (1, 4, 8, 8), r"must be of shape \(B, 3, h, w\), got \(1, 4, 8, 8\)"),
        (SRFlowSize(noise_level=True), (1, 5, 8, 8), r"\(B, 3, h, w\) or \(B, 4, h, w\), got \(1, 5, 8, 8\)"),
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
    with pytest.raises(UsageError, match=r"\(1, 3, 32, 24\) is not 4 times its condition of shape \(1, 3, 8, 8\)"):
        multiscale(SRFlowSize(), Affine, 0).encode(torch.zeros(1, 3, 32, 24), torch.zeros(1, 3, 8, 8))


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
    x, y = torch.rand(2, 3, 32, 32, generator=generator), torch.rand(2, 3, 8, 8, generator=generator)
    log_det, pixel = MINI[coupling]
    torch.testing.assert_close(flow.encode(x, y)[1], torch.tensor(log_det), rtol=1e-4, atol=0)
    sample = flow.decode(flow.sample_latents(2, y, 0.9, torch.Generator().manual_seed(1)), y)
    torch.testing.assert_close(sample[0, :, 5, 7], torch.tensor(pixel), rtol=0, atol=1e-3)


def test_noise_conditioned_batches_carry_the_same_noise_in_both_images_and_its_level(monkeypatch):
    x, y = torch.rand(8, 3, 64, 64), torch.rand(8, 3, 16, 16)
    monkeypatch.setattr(fs_ncsr_recipe.srflow, "batches", lambda size, seed: lambda step: (x, y))
    batch = fs_ncsr_recipe.batches("mini", 5)
    noisy, condition = batch(7)
    noise, sigma = noisy - x, condition[:, 3:]
    assert torch.equal(batch(7)[0], noisy)
    assert not torch.equal(batch(8)[0], noisy)
    torch.testing.assert_close(condition[:, :3] - y, bicubic(noise, 1 / 4), rtol=0, atol=1e-6)
    assert (sigma == sigma[:, :, :1, :1]).all()
    assert 0 < sigma.min() < sigma.max() < 0.05
    torch.testing.assert_close(noise.flatten(1).std(1), sigma[:, 0, 0, 0], rtol=0.05, atol=0)

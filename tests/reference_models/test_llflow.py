"""The low-light flow: what its encoder sees, that it samples, that its density is one, and that its
recipe repeats itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.bounds.lipschitz import Interval, certify_flow
from invbench.couplings import Affine, ModifiedRQ
from invbench.data.conditions import equalise, with_equalised
from invbench.data.images import embedded
from invbench.errors import UsageError
from invbench.flows.example_layers import randomized
from invbench.training import loop as training
from invbench.training.loop import TrainingRecipe
from invbench.training.train_flow import train_flow
from invbench.training.weights import load_flow
from invbench_models.checkpoint_layout import layout
from invbench_models.convert import account, convert
from invbench_models.llflow import LLFlowSize, encoder_inputs, llflow, model, recipe
from invbench_models.llflow.inputs import colour_map, noise_map
from tests.support.published import GOLDEN, golden, stored

TINY = LLFlowSize(levels=2, steps=1, width=4, features=4)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """The size ``tiny``, on one thread: two wait for each other on tensors this small."""
    monkeypatch.setitem(model.SIZES, "tiny", TINY)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def dark(uniform):
    return uniform(0, 0.2, 2, 3, 16, 24, dtype=torch.float32)


def test_equalised_levels_by_hand():
    # levels 10 (twice), 20, 40: N(v) = 2, 3, 4, n₀ = 2 → 0, 127.5, 255; ties to even: 128
    image = torch.tensor([[[10, 40], [20, 10]]]) / 255
    assert (equalise(image) * 255).flatten().tolist() == pytest.approx([0, 255, 128, 0])
    flat = torch.full((3, 2, 2), 7 / 255)
    assert torch.equal(equalise(flat), flat)


def test_equalised_photograph_is_flat_and_keeps_the_order(dark):
    photograph = embedded("chelsea")
    even = equalise(photograph * 0.1)
    assert even.mean((1, 2)) == pytest.approx([0.5] * 3, abs=0.05)
    order = (photograph[0] * 25.5).round().flatten().argsort(stable=True)
    assert (even[0].flatten()[order].diff() >= 0).all()
    # every image and channel by itself
    assert torch.equal(equalise(dark)[1, 2], equalise(dark[1, 2]))


def test_colour_and_noise_map_by_hand():
    low = torch.tensor([0.1, 0.0, 0.3]).view(1, 3, 1, 1).expand(1, 3, 3, 3).clone()
    total = 0.101 + 0.001 + 0.301 + 1e-4
    colour = colour_map(low)
    assert colour[0, :, 1, 1].tolist() == pytest.approx(
        [0.101 / total, 0.001 / total, 0.301 / total]
    )
    c = torch.tensor([[0.0, 0.2, 0.8], [0.4, 0.5, 0.6], [0.1, 0.1, 0.3]]).expand(1, 3, 3, 3)
    # centre: across (0.6 − 0.4)/2, down (0.1 − 0.2)/2; corner: against the zeros outside
    assert noise_map(c)[0, 0, 1, 1].item() == pytest.approx(0.1)
    assert noise_map(c)[0, 0, 0, 0].item() == pytest.approx(0.2)
    assert noise_map(c)[0, 0, 0, 2].item() == pytest.approx(0.3)


def test_the_encoder_sees_twelve_channels_in_their_order(dark):
    seen = encoder_inputs(dark)
    assert seen.shape == (2, 12, 16, 24)
    parts = ((dark + 1e-3).log(), equalise(dark), colour_map(dark), noise_map(colour_map(dark)))
    assert all(torch.equal(a, b) for a, b in zip(seen.split(3, 1), parts, strict=True))
    part = encoder_inputs(with_equalised(dark)[..., :8, :8])
    assert torch.equal(part[:, 3:6], equalise(dark)[..., :8, :8])
    assert torch.equal(part[:, :3], seen[:, :3, :8, :8])
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), or \(B, 6, H, W\)"):
        encoder_inputs(dark[:, :2])


def test_inputs_of_a_condition_outside_its_range_are_finite():
    y = torch.tensor([-1.0, 0.0, 4.0, 1e30]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert encoder_inputs(y).isfinite().all()


@pytest.fixture(params=(Affine, ModifiedRQ), ids=("affine", "modified-rq"))
def flow(request):
    """A tiny flow in float64 whose heads do something."""
    return randomized(llflow(request.param, "tiny"), 1, 0.1).double().eval()


def test_the_density_is_that_of_the_brute_force_jacobian(flow, uniform):
    x, y = uniform(0, 1, 1, 3, 8, 8), uniform(0, 0.2, 1, 3, 8, 8, seed=1)
    jacobian = torch.autograd.functional.jacobian(
        lambda v: flow.encode(v, y)[0][0].flatten(), x
    ).flatten(1)
    (u,) = flow.encode(x, y)[0]
    # z ~ N(mean, 1) with the mean of the colour prior, written down again for the latent with its
    # mean
    z, mean = u + flow.prior(flow.features(y)), flow.prior(flow.features(y))
    normal = torch.distributions.Normal(mean, 1.0).log_prob(z).sum()
    expected = normal + torch.linalg.slogdet(jacobian.squeeze()).logabsdet
    assert flow.log_prob(x, y).item() == pytest.approx(expected.item(), rel=1e-9)


def test_the_mean_of_the_latent_is_the_colour_map_squeezed_like_the_image(flow, uniform):
    y = uniform(0, 0.2, 1, 3, 16, 8)
    mean = flow.prior(flow.features(y))
    assert mean.shape == flow.sample_latents(1, y)[0].shape == (1, 48, 4, 2)
    image = mean
    for _ in range(TINY.levels):
        image = torch.nn.functional.pixel_shuffle(image, 2)
    expected = (
        torch.sigmoid(flow.prior.head(flow.features(y)))
        .repeat_interleave(2, 2)
        .repeat_interleave(2, 3)
    )
    assert torch.equal(image, expected)
    assert dict(flow.trace([torch.zeros_like(mean)], y))["prior"].equal(mean)


def test_samples_differ_and_repeat_with_their_generator(flow, uniform):
    y = uniform(0, 0.2, 1, 3, 8, 8)
    drawn = [
        flow.decode(flow.sample_latents(1, y, t, torch.Generator().manual_seed(s)), y).detach()
        for t, s in ((1, 0), (1, 1), (1, 0), (0, 0), (0, 1))
    ]
    assert (drawn[0] - drawn[1]).abs().max() > 0.01
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[3], drawn[4])  # the released decode: z is the colour map
    assert (drawn[0] - drawn[3]).abs().max() > 0.01


@pytest.mark.parametrize("coupling", [Affine, ModifiedRQ])
def test_mini_decodes_what_it_encoded(coupling, uniform):
    flow = llflow(coupling, "mini").train()
    x, y = (
        uniform(0, 1, 2, 3, 32, 24, dtype=torch.float32),
        uniform(0, 0.2, 2, 3, 32, 24, dtype=torch.float32),
    )
    with torch.no_grad():
        flow.encode(x, y)  # initialises the ActNorms
        flow.eval()
        assert (flow.decode(flow.encode(x, y)[0], y) - x).abs().max() < 1e-4


def test_a_photograph_of_400_by_600_is_decoded_whole():
    flow = llflow(Affine, "mini").eval()
    y = torch.zeros(1, 3, 400, 600)
    with torch.no_grad():
        assert flow.decode(flow.sample_latents(1, y), y).shape == y.shape


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ((1, 3, 10, 16), "divisible by 4 and 8 or longer, got 10×16; crop or pad it"),
        ((1, 3, 4, 16), "divisible by 4 and 8 or longer, got 4×16"),
        (
            (1, 4, 16, 16),
            r"must be of shape \(B, 3, H, W\) or \(B, 6, H, W\), got \(1, 4, 16, 16\)",
        ),
    ],
)
def test_conditions_that_do_not_fit_are_refused_both_ways(condition, message):
    flow, y = llflow(Affine, "mini"), torch.zeros(condition)
    with pytest.raises(UsageError, match=message):
        flow.sample_latents(1, y)
    with pytest.raises(UsageError, match=message):
        flow.encode(torch.zeros(1, 3, *condition[2:]), y)


def test_an_image_of_another_size_than_its_condition_is_refused():
    with pytest.raises(UsageError, match="has not the size of its condition"):
        llflow(Affine, "mini").encode(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 24))


@pytest.fixture
def our_pairs(tmp_path, monkeypatch):
    """Two pairs of 24×40 in the layout of LOL, drawn."""
    rng = np.random.default_rng(0)
    for name in ("1", "2"):
        high = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
        for kind, image in (("high", high), ("low", high // 10)):
            for split in ("our485", "eval15"):
                file = tmp_path / "data" / "LOL" / split / kind / f"{name}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(file)
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(
        recipe.RECIPES, "tiny", TrainingRecipe("LOL our485", 100, 2, 1e-3, extra={"patch": 16})
    )


def test_a_batch_is_a_function_of_seed_and_step(our_pairs):
    one, again, other = (
        recipe.batches("tiny", 0),
        recipe.batches("tiny", 0),
        recipe.batches("tiny", 1),
    )
    again(3)
    for a, b in zip(one(7), again(7), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one(7)[0], one(8)[0])
    assert not torch.equal(one(7)[0], other(7)[0])


def test_a_batch_shows_the_same_place_dark_bright_and_equalised(our_pairs):
    x, y = recipe.batches("tiny", 0)(0)
    assert (x.shape, y.shape) == ((2, 3, 16, 16), (2, 6, 16, 16))
    bright, dark, even = (x * 255).round(), (y[:, :3] * 255).round(), y[:, 3:]
    assert (bright / 10 - dark).abs().max() <= 1 + 255 / 64 / 10  # x has noise of ±½ of a 32nd
    assert (x.min().item(), x.max().item()) == (
        pytest.approx(0, abs=0.05),
        pytest.approx(1, abs=0.05),
    )
    # equalised over the whole photograph: the order of the dark one, spread over [0, 1]
    order = dark[0, 0].flatten().argsort(stable=True)
    assert (even[0, 0].flatten()[order].diff() >= 0).all()
    assert even.mean() == pytest.approx(0.5, abs=0.1)


def test_without_pairs_that_are_large_enough_training_says_so(our_pairs, monkeypatch):
    monkeypatch.setitem(
        recipe.RECIPES, "tiny", TrainingRecipe("LOL our485", 100, 2, extra={"patch": 32})
    )
    with pytest.raises(UsageError, match="no pair is 32×32 pixels or larger"):
        recipe.batches("tiny", 0)


def test_training_is_resumed_to_the_bit(our_pairs, cache, monkeypatch, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupted_at_55(size, seed):
        batch = batches(size, seed)

        def draw(step):
            if step == 55:
                raise Interrupted
            return batch(step)

        return draw

    batches = recipe.batches
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setitem(model.SIZES, "tiny", replace(TINY, levels=1))
    monkeypatch.setitem(
        recipe.RECIPES, "tiny", TrainingRecipe("LOL our485", 60, 1, 1e-3, extra={"patch": 16})
    )
    whole = train_flow("llflow", "affine", "tiny", out=tmp_path / "whole")
    monkeypatch.setattr(recipe, "batches", interrupted_at_55)
    with pytest.raises(Interrupted):
        train_flow("llflow", "affine", "tiny", out=tmp_path / "parts")
    monkeypatch.setattr(recipe, "batches", batches)
    parts = train_flow("llflow", "affine", "tiny", out=tmp_path / "parts")
    assert whole.read_bytes() == parts.read_bytes()
    assert whole.name == parts.name


def test_missing_weights_are_answered_with_the_command(cache):
    with pytest.raises(
        UsageError, match="invbench train llflow --coupling affine --size mini --seed 987"
    ):
        load_flow("llflow", "affine", seed=987)


def test_prior_adds_nothing_to_flows_without_one(tiny_flow):
    flow = tiny_flow()
    assert not any("prior" in name for name in flow.state_dict())
    assert math.isfinite(flow.log_prob(torch.zeros(1, 2), torch.zeros(1, 2)).item())
    assert [name for name, _ in flow.trace([torch.zeros(1, 2)], torch.zeros(1, 2))][:2] == [
        "latent",
        "step2_coupling",
    ]


def test_a_certificate_over_depth_says_that_the_prior_is_not_bounded(tiny_flow):
    flow, at = tiny_flow().double(), torch.zeros(1, 2, dtype=torch.float64)
    box = [Interval(at, at)], Interval(at, at)
    assert not certify_flow(flow, *box).vacuous
    flow.prior = torch.nn.Linear(2, 2)
    assert certify_flow(flow, *box).vacuous
    assert "prior" in certify_flow(flow, *box).layers[0].reason


@golden
@pytest.mark.parametrize(
    ("size", "file", "millions"), [("small", "small", 5.430), ("paper", "lol_pc", 38.86)]
)
def test_published_sizes_have_the_published_layout_name_by_name(size, file, millions):
    lines = (GOLDEN / f"llflow_{file}.tsv").read_text().splitlines()
    shapes = {
        name: tuple(map(int, shape.split("x")))
        for name, _, shape in (line.partition("\t") for line in lines)
    }
    with torch.device("meta"):
        flow = llflow(Affine, size)
    assert str(account(shapes, flow)) == ""
    assert sum(map(math.prod, shapes.values())) == sum(p.numel() for p in flow.parameters())
    assert sum(p.numel() for p in flow.parameters()) == pytest.approx(millions * 1e6, rel=2e-4)


def test_a_published_checkpoint_fills_every_weight_and_decodes_what_it_encoded(
    monkeypatch, uniform
):
    spec = LLFlowSize(
        steps=1, width=64, features=64, transitions=2, blocks=2, stacked=(0, 1), unused=192
    )
    monkeypatch.setitem(model.SIZES, "paper", spec)
    flow = llflow(Affine, "paper").eval()
    flow.load_state_dict(convert(stored(flow), flow))
    assert {slot.ours for slot in layout(flow).values()} == {n for n, _ in flow.named_parameters()}
    y, x = (
        uniform(0, 0.2, 1, 3, 32, 24, dtype=torch.float32),
        uniform(0, 1, 1, 3, 32, 24, dtype=torch.float32),
    )
    with torch.no_grad():
        latents, log_det = flow.encode(x, y)
        assert latents[0].shape == (1, 192, 4, 3)
        assert (flow.decode(latents, y) - x).abs().max() < 1e-4
    assert log_det.isfinite().all()


def test_conditions_of_the_published_encoder_by_resolution(monkeypatch, dark):
    monkeypatch.setitem(model.SIZES, "paper", replace(model.SIZES["small"], steps=1))
    flow = llflow(Affine, "paper").eval()
    with torch.no_grad():
        conditions = flow.conditions(dark)
        for level in (2, 4, 8):
            found = conditions.like(torch.empty(2, 1, 16 // level, 24 // level))
            assert found.shape == (2, 64, 16 // level, 24 // level)
        assert torch.equal(flow.features(dark), conditions.features)
        # the stacked block, the same at every level, by nearest
        assert torch.equal(
            conditions.like(torch.empty(2, 1, 4, 6))[:, 32:], conditions.features[:, 32:, ::2, ::2]
        )


def test_small_decodes_what_it_encoded_at_initialisation(uniform):
    flow = llflow(ModifiedRQ, "small").train()
    x, y = (
        uniform(0, 1, 1, 3, 24, 16, dtype=torch.float32),
        uniform(0, 0.2, 1, 3, 24, 16, dtype=torch.float32),
    )
    with torch.no_grad():
        flow.encode(x, y)
        flow.eval()
        assert (flow.decode(flow.encode(x, y)[0], y) - x).abs().max() < 1e-4

"""Layers and the flow built from them: inverses, log-determinants against autograd, shapes,
seeds."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from invbench.couplings import Additive, Affine, ModifiedRQ
from invbench.flows import (
    ActNorm,
    ConditionalCoupling,
    ConditionalFlow,
    Conv1x1,
    ConvConditioner,
    DenseConditioner,
    Split,
    Squeeze,
)
from invbench.flows.example_layers import randomized

dense = partial(DenseConditioner, width=8, hidden=1)
conv = partial(ConvConditioner, width=6)


def jacobian_log_det(function, x):
    """log |det| of the autograd Jacobian of ``function`` at one event x of shape (1, …)."""
    matrix = torch.autograd.functional.jacobian(
        lambda v: function(v.view_as(x)).flatten(), x.flatten()
    )
    return torch.linalg.slogdet(matrix)[1]


def image_flow():
    """Two levels of squeeze, one step and split each, on (3, 8, 8) given (3, 2, 2)."""
    layers: dict[str, nn.Module] = {}
    for level, channels in ((1, 12), (2, 24)):
        layers[f"squeeze{level}"] = Squeeze()
        layers[f"actnorm{level}"] = ActNorm(channels)
        layers[f"conv1x1{level}"] = Conv1x1(channels)
        layers[f"injector{level}"] = ConditionalCoupling(Affine(), channels, 0, 4, conv)
        layers[f"coupling{level}"] = ConditionalCoupling(
            ModifiedRQ(), channels, channels // 2, 4, conv
        )
        layers[f"split{level}"] = Split(channels, conv)
    encoder = nn.Conv2d(3, 4, 3, padding=1)
    return ConditionalFlow(
        layers,
        encoder,
        lambda y: [(6, 4, 4), (12, 2, 2), (12, 2, 2)],
        lambda y: y.mean((2, 3), keepdim=True),
    )


@pytest.fixture(params=("toy-affine", "toy-modified-rq", "image"))
def subject(request, tiny_flow, uniform):
    """A flow in float64 whose heads do something, and a batch (x, y) of three."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        flow = (
            image_flow()
            if request.param == "image"
            else tiny_flow(request.param.removeprefix("toy-"))
        )
    shapes = ((3, 3, 8, 8), (3, 3, 2, 2)) if request.param == "image" else ((3, 2), (3, 2))
    x, y = (uniform(-1, 1, *shape, seed=k) for k, shape in enumerate(shapes))
    return randomized(flow.double().eval(), 1, 0.1), x, y


@pytest.mark.parametrize("shape", [(64, 3), (16, 3, 4, 4)])
def test_actnorm_gives_the_first_batch_mean_0_and_variance_1(shape, uniform):
    layer, x = (
        ActNorm(3).double(),
        uniform(2, 9, *shape) * torch.tensor([1, 10, 0.01]).view(-1, *[1] * (len(shape) - 2)),
    )
    z, log_det = layer(x)
    z = z.movedim(1, 0).flatten(1)
    torch.testing.assert_close(z.mean(1), torch.zeros(3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.var(1, correction=0), torch.ones(3).double(), atol=1e-12, rtol=0)
    again, _ = layer(2 * x)  # initialised once
    assert not torch.allclose(again.movedim(1, 0).flatten(1), z)
    assert log_det.shape == shape[:1]


def test_actnorm_in_evaluation_mode_is_the_identity_until_initialised(uniform):
    layer, x = ActNorm(3).eval(), uniform(2, 9, 5, 3)
    z, log_det = layer(x)
    assert torch.equal(z, x)
    assert not log_det.any()


@pytest.mark.parametrize("constant", [0.0, 1e-3, 0.1, -1e6, 12345.678])
def test_actnorm_keeps_scale_1_for_a_constant_channel(constant):
    layer = ActNorm(1)
    z, _ = layer(torch.full((1000, 1), constant))
    assert layer.logs == 0
    assert z.abs().max() <= 2e-7 * abs(constant)


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 3, 2)])
@pytest.mark.parametrize("make", [ActNorm, Conv1x1])
def test_channel_layers_invert_and_report_the_log_det_of_their_jacobian(make, shape, uniform):
    layer, x = randomized(make(4).double().eval(), 0), uniform(-1, 1, *shape)
    z, log_det = layer(x)
    x_hat, inverse_log_det = layer.inverse(z)
    torch.testing.assert_close(x_hat, x)
    torch.testing.assert_close(log_det[0], jacobian_log_det(lambda v: layer(v)[0], x))
    torch.testing.assert_close(inverse_log_det, -log_det)


def test_conv1x1_is_w_x_by_hand_and_starts_orthogonal():
    layer = Conv1x1(2).double()
    torch.testing.assert_close(
        layer.weight @ layer.weight.T, torch.eye(2).double(), atol=1e-6, rtol=0
    )
    layer.weight.data = torch.tensor([[2.0, 1.0], [0.0, 3.0]]).double()
    x = torch.tensor([[1.0, 2.0]]).double()
    z, log_det = layer(x[..., None, None].expand(1, 2, 2, 2))
    torch.testing.assert_close(
        z, torch.tensor([4.0, 6.0]).double().view(1, 2, 1, 1).expand(1, 2, 2, 2)
    )
    assert log_det.item() == pytest.approx(4 * math.log(6))
    assert layer(x)[0].tolist() == [[4.0, 6.0]]


def test_conv1x1_with_a_singular_matrix_raises_in_inverse():
    layer = Conv1x1(2)
    layer.weight.data.zero_()
    with pytest.raises(torch.linalg.LinAlgError):
        layer.inverse(torch.ones(1, 2))


def test_squeeze_puts_each_2x2_block_into_four_channels_and_back():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    z, log_det = Squeeze()(x)
    assert z[0, :, 0, 1].tolist() == [2, 3, 6, 7]
    assert not log_det.any()
    assert torch.equal(Squeeze().inverse(z)[0], x)


@pytest.mark.parametrize("shape", [(1, 5), (1, 5, 2, 2)])
def test_split_standardises_the_leaving_half_given_the_other(shape, uniform):
    layer, x = (
        randomized(Split(5, dense if len(shape) == 2 else conv).double().eval(), 0, 0.2),
        uniform(-1, 1, *shape),
    )
    kept, eps, log_det = layer(x)
    x_hat, inverse_log_det = layer.inverse(kept, eps)
    assert torch.equal(kept, x[:, :2])
    torch.testing.assert_close(x_hat, x)
    torch.testing.assert_close(inverse_log_det, -log_det)
    torch.testing.assert_close(
        log_det[0], jacobian_log_det(lambda v: torch.cat(layer(v)[:2], 1), x)
    )
    assert log_det.abs() > 1e-3


@pytest.mark.parametrize("images", [False, True], ids=["vectors", "images"])
@pytest.mark.parametrize(("kept", "cond_channels"), [(2, 3), (0, 3), (2, 0)])
@pytest.mark.parametrize("design", [Affine, ModifiedRQ])
def test_coupling_block_keeps_its_half_to_the_bit_and_inverts(
    design, kept, cond_channels, images, uniform
):
    positions = (2, 2) if images else ()
    layer = ConditionalCoupling(design(), 5, kept, cond_channels, conv if images else dense)
    randomized(layer.double().eval(), 0, 0.2)
    x = uniform(-1, 1, 1, 5, *positions)
    cond = uniform(-1, 1, 1, cond_channels, *positions, seed=1) if cond_channels else None
    z, log_det = layer(x, cond)
    x_hat, inverse_log_det = layer.inverse(z, cond)
    assert torch.equal(z[:, :kept], x[:, :kept])
    assert not torch.isclose(z[:, kept:], x[:, kept:]).any()
    torch.testing.assert_close(x_hat, x)
    torch.testing.assert_close(inverse_log_det, -log_det)
    torch.testing.assert_close(log_det[0], jacobian_log_det(lambda v: layer(v, cond)[0], x))
    if cond is not None:
        assert not torch.allclose(layer(x, cond + 1)[0], z)


def test_coupling_block_reads_all_channels_of_one_parameter_then_of_the_next():
    class Fixed(nn.Module):
        def forward(self, h):
            # a of both channels, then t: weights rely on it
            return torch.tensor([[math.log(3) - 2, -2.0, 10.0, 20.0]])

    layer = ConditionalCoupling(Affine(), 3, 1, 0, lambda inputs, outputs: Fixed())
    z, _ = layer(torch.tensor([[5.0, 1.0, 2.0]]))
    torch.testing.assert_close(z, torch.tensor([[5.0, 11 * 0.7501, 22 * 0.5001]]))


@pytest.mark.parametrize("kept", [-1, 3, 4])
def test_coupling_block_refuses_a_kept_part_that_leaves_nothing(kept):
    with pytest.raises(ValueError, match="kept must lie in"):
        ConditionalCoupling(Additive(), 3, kept, 0, dense)


@pytest.mark.parametrize("conditioner", [dense, conv])
def test_conditioners_start_at_zero_so_that_a_fresh_block_is_its_designs_default(conditioner):
    x = torch.ones(2, 3) if conditioner is dense else torch.ones(2, 3, 4, 4)
    out = conditioner(3, 7)(x)
    assert out.shape == (2, 7, *x.shape[2:])
    assert not out.any()


def test_flow_round_trip_in_float64_and_float32(subject):
    flow, x, y = subject
    torch.testing.assert_close(flow.decode(flow.encode(x, y)[0], y), x, rtol=0, atol=1e-10)
    wide_log_det = flow.encode(x, y)[1]
    latents, log_det = flow.float().encode(x.float(), y.float())
    torch.testing.assert_close(log_det.double(), wide_log_det, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(flow.decode(latents, y.float()), x.float(), rtol=0, atol=1e-4)


def test_flow_log_det_is_that_of_the_jacobian_of_data_to_latents(subject):
    flow, x, y = subject
    _, log_det = flow.encode(x, y)
    for row in range(2):

        def latents(v, condition=y[row : row + 1]):
            return torch.cat([z.flatten(1) for z in flow.encode(v, condition)[0]], dim=1)

        torch.testing.assert_close(log_det[row], jacobian_log_det(latents, x[row : row + 1]))


def test_trace_names_every_layer_from_noise_to_data_and_ends_with_decode(subject):
    flow, x, y = subject
    latents, _ = flow.encode(x, y)
    names, tensors = zip(*flow.trace(latents, y), strict=True)
    assert names == ("latent", *reversed(flow.layers.keys()), "data")
    assert torch.equal(tensors[0], latents[-1])
    assert torch.equal(tensors[-1], flow.decode(latents, y))


def test_sampled_latents_have_encodes_shapes_scale_with_temperature_and_follow_the_generator(
    subject,
):
    flow, x, y = subject

    def sample(temperature, seed):
        return flow.sample_latents(3, y, temperature, torch.Generator().manual_seed(seed))

    for z, warm, cool, other in zip(
        flow.encode(x, y)[0], sample(1, 0), sample(0.5, 0), sample(1, 1), strict=True
    ):
        assert warm.shape == z.shape
        assert warm.dtype == y.dtype
        assert torch.equal(cool, 0.5 * warm)
        assert not torch.equal(other, warm)
    assert flow.decode(sample(0.9, 0), y).shape == x.shape
    assert all(not z.any() for z in sample(0, 0))
    many = torch.cat(
        [
            z.flatten()
            for z in flow.sample_latents(4000, y[:1], 2.0, torch.Generator().manual_seed(0))
        ]
    )
    assert many.std().item() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("base", [None, lambda y: 3 * y])
def test_log_prob_of_an_identity_flow_is_the_standard_normal(base, uniform):
    x, y = uniform(-2, 2, 5, 4), uniform(-1, 1, 5, 4, seed=1)
    layers = {"split": Split(4, dense), "coupling": ConditionalCoupling(Additive(), 2, 1, 4, dense)}
    flow = ConditionalFlow(layers, nn.Identity(), lambda y: [(2,), (2,)], base).double()
    residual = x if base is None else x - 3 * y
    expected = -0.5 * (residual**2).sum(1) - 2 * math.log(2 * math.pi)  # (D/2)·log 2π with D = 4
    torch.testing.assert_close(flow.log_prob(x, y), expected)


def test_conditions_are_resized_by_nearest_to_each_layers_positions():
    class Recorder(nn.Module):
        def forward(self, x, cond=None):
            seen.append(cond)
            return x, x.new_zeros(len(x))

    seen = []
    y = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    layers = {"fine": Recorder(), "squeeze": Squeeze(), "same": Recorder()}
    ConditionalFlow(layers, nn.Identity(), lambda y: []).encode(torch.zeros(1, 1, 4, 4), y)
    assert seen[0][0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert torch.equal(seen[1], y)

"""Linear bounds through the conditioner: every sample within, never wider than intervals, exact
where nothing bends."""

from functools import partial

import pytest
import torch

from invbench.bounds.lipschitz import Interval, certify_layer, full_jacobian, largest_jacobian_norm
from invbench.bounds.lipschitz.relaxation import Lines, Relaxed
from invbench.couplings import AffineFloor, ModifiedRQ
from invbench.flows import ConditionalCoupling, ConvConditioner
from invbench.flows.example_layers import randomized
from tests.support.draws import normal, spread


@pytest.fixture(autouse=True)
def same_weights():
    """Layers draw their first weights from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def conditioner(seed=0):
    return randomized(ConvConditioner(3, 5, 8), seed).double().eval()


@pytest.mark.parametrize("radius", [0.0, 0.05, 1.0])
def test_holds_every_sample_and_is_never_wider_than_intervals(radius):
    for seed in range(4):
        network, centre = conditioner(seed), normal(2, 3, 4, 6, seed=seed)
        box = Interval.around(centre, radius)
        found, plain = Relaxed(network)(box), network(box)
        assert (found.lo >= plain.lo).all() and (found.hi <= plain.hi).all()
        with torch.no_grad():
            for _ in range(20):
                corners = spread(2, 3, 4, 6, seed=seed).sign()
                for x in (
                    centre + radius * spread(2, 3, 4, 6, seed=_),
                    centre + radius * corners,
                    centre,
                ):
                    assert found.contains(network(x))


def test_is_attained_where_no_rectifier_bends():
    """With all pre-activations positive the network is linear: the ends are reached by corners of
    the box."""
    network = conditioner()
    with torch.no_grad():
        for norm in (network.first_norm, network.second_norm):
            norm.bias.fill_(1e3)
        network.second.weight.abs_()
    centre, radius = normal(1, 3, 5, 5), 0.1
    found, plain = (n(Interval.around(centre, radius)) for n in (Relaxed(network), network))
    jacobian = full_jacobian(network, centre)[0]
    assert torch.allclose(
        (found.hi - found.lo).flatten(), 2 * radius * jacobian.abs().sum(1), rtol=1e-6
    )
    assert (plain.hi - plain.lo).median() > 1.2 * (found.hi - found.lo).median()


def test_jacobian_bound_holds_and_is_below_the_product_of_norms():
    network, centre = conditioner(), normal(1, 3, 4, 4)
    found, plain = (
        n(Interval.around(centre, 0.3, seeded=True)) for n in (Relaxed(network), network)
    )
    points = centre + 0.3 * spread(20, 3, 4, 4)
    attained = largest_jacobian_norm(network, points).value.max().item()
    assert attained <= found.norm_of_jacobian < 0.9 * plain.norm_of_jacobian


def test_jacobian_bound_counts_the_seeded_channels_alone():
    network, centre = conditioner(), normal(1, 3, 4, 4)
    kept = Interval.around(centre[:, :1], 0.1, seeded=True)
    box = torch.cat((kept, Interval.around(centre[:, 1:], 0.1)), 1)

    def of_kept(v):
        return network(torch.cat((v, centre[:, 1:].expand(len(v), -1, -1, -1)), 1))

    points = centre[:, :1] + 0.1 * spread(20, 1, 4, 4)
    found = Relaxed(network)(box).norm_of_jacobian
    assert (
        largest_jacobian_norm(of_kept, points).value.max() <= found <= network(box).norm_of_jacobian
    )


def test_lines_enclose_the_rectifier():
    lo, hi = normal(1, 50, 4), normal(1, 50, 4, seed=1).abs()
    h = Interval(torch.minimum(lo, lo + hi), lo + hi)
    lines = Lines(h)
    for share in torch.linspace(0, 1, 11, dtype=torch.float64):
        v = h.lo + share * (h.hi - h.lo)
        assert (lines.low * v <= v.relu() + 1e-12).all() and (
            v.relu() <= lines.high * v + lines.level + 1e-12
        ).all()


@pytest.mark.parametrize("design", [AffineFloor, ModifiedRQ], ids=lambda d: d.__name__)
def test_layer_is_certified_tighter_and_still_above_what_is_attained(design):
    layer = ConditionalCoupling(design(), 4, 2, 2, partial(ConvConditioner, width=8))
    layer = randomized(layer, 0, 0.2).double().eval()
    centre, cond = normal(1, 4, 3, 3), normal(1, 2, 3, 3, seed=1)
    boxes = Interval.around(centre, 0.1), Interval.around(cond, 8 / 255)
    plain, found = certify_layer(layer, *boxes), certify_layer(layer, *boxes, relax=True)
    x, c = centre + 0.1 * spread(64, 4, 3, 3), cond + 8 / 255 * spread(64, 2, 3, 3, seed=1)
    jacobian = full_jacobian(lambda v: layer(v, c)[0], x)
    assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.forward < plain.forward
    assert (1 / torch.linalg.svdvals(jacobian)[:, -1]).max() <= found.inverse < plain.inverse

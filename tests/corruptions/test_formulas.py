"""Each corruption does what its formula says: closed forms and moments. JPEG has a file of its own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from invbench.corruptions import corrupt
from invbench.corruptions.blur import gaussian_blur
from invbench.corruptions.poisson import levels, photons
from invbench.data.datasets import Pair, sr_pairs
from invbench.data.images import OTHER_KINDS, embedded
from invbench.data.resample import bicubic, quantise
from invbench.registry import CORRUPTIONS

IMAGE = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
PAIRS = sr_pairs("embedded", 128, 1)


def strength(name, severity):
    return CORRUPTIONS[name].metadata["strengths"][severity - 1]


def flat(value, side=256):
    return torch.full((3, side, side), value)


def changed(name, severity, image, seed=0):
    return corrupt(name, severity, [image], seed)[0]


def impulse_response(name, severity, side=63):
    """The kernel of a linear corruption: one bright pixel in the middle of grey nothing."""
    image = torch.zeros(3, side, side, dtype=torch.float64)
    image[:, side // 2, side // 2] = 1
    return changed(name, severity, image)[0]


def moments(kernel):
    """Sum, and the three second central moments yy, xx, xy."""
    t = torch.arange(kernel.shape[-1], dtype=torch.float64) - kernel.shape[-1] // 2
    rows, columns = t[:, None], t
    return [
        kernel.sum(),
        (kernel * rows**2).sum(),
        (kernel * columns**2).sum(),
        (kernel * rows * columns).sum(),
    ]


def test_closed_forms_at_full_strength():
    assert torch.equal(changed("clean", 1, IMAGE), IMAGE)
    assert set(changed("binarise", 5, IMAGE).unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(changed("channel-swap", 5, IMAGE), IMAGE[[1, 2, 0]])
    assert torch.equal(changed("out-of-range", 5, IMAGE), 4 * IMAGE)
    assert changed("checkerboard", 5, IMAGE)[0, 0, :3].tolist() == [0, 1, 0]
    assert changed("constant", 5, IMAGE).flatten(1).std(1).max() < 1e-6


# noise


@pytest.mark.parametrize("severity", [1, 3])
def test_noise_has_the_stated_deviation(severity):
    assert changed("noise", severity, flat(0.5)).std().item() == pytest.approx(
        strength("noise", severity), rel=0.02
    )


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_shot_noise_is_poisson_in_mean_variance_and_steps(severity):
    photons_at_white, y = strength("shot", severity), 51 / 255
    found = changed("shot", severity, flat(y).double())
    assert found.mean().item() == pytest.approx(y, rel=0.02)
    assert found.var().item() == pytest.approx(y / photons_at_white, rel=0.02)
    counts = found * photons_at_white
    torch.testing.assert_close(counts, counts.round())


def test_photons_are_the_inverse_of_the_distribution_function_by_hand():
    # mean 2: P(0) = 0.1353, P(≤1) = 0.4060, P(≤2) = 0.6767
    u = torch.tensor([0.135, 0.136, 0.405, 0.407, 0.676, 0.677, 1.0], dtype=torch.float64)
    found = photons(torch.full((7,), 255), 2.0, 1, u)
    assert found[:6].tolist() == [0, 1, 1, 2, 2, 3]
    assert 10 < found[6] < 40  # the largest uniform number in float32 is 1: still a count
    assert photons(torch.zeros(7).long(), 2.0, 1, u).tolist() == [0] * 7  # no light, no photons
    assert levels(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]


def test_hot_pixels_are_counted_and_at_least_one():
    found = changed("hot-pixel", 3, flat(0.3, 50))
    assert (found == 1).sum() == math.ceil(0.01 * 50 * 50)
    assert ((found - 0.3).abs() < 1e-6).sum() == 3 * 50 * 50 - 25
    assert (changed("hot-pixel", 1, flat(0.3, 2)) == 1).sum() == 1


@pytest.mark.parametrize("severity", range(1, 6))
def test_impulse_noise_sends_the_stated_shares_to_0_and_1_and_leaves_the_rest_alone(severity):
    p, y = strength("impulse", severity), IMAGE.repeat(1, 16, 16).clamp(0.01, 0.99)
    found = changed("impulse", severity, y)
    deviation = math.sqrt(p / 2 / y.numel())  # of a share, at most
    for extreme in (0.0, 1.0):
        assert (found == extreme).double().mean().item() == pytest.approx(p / 2, abs=4 * deviation)
    alone = (found != 0) & (found != 1)
    assert torch.equal(found[alone], y[alone])


# blur


@pytest.mark.parametrize("severity", range(1, 6))
def test_defocus_is_a_disc_with_a_soft_edge_and_all_symmetries_of_a_square(severity):
    r, side = strength("defocus", severity), 15
    kernel = impulse_response("defocus", severity, side)
    by_hand = torch.zeros(side, side, dtype=torch.float64)
    for y in range(side):
        for x in range(side):
            by_hand[y, x] = min(max(r + 0.5 - math.sqrt((y - 7) ** 2 + (x - 7) ** 2), 0), 1)
    torch.testing.assert_close(kernel, by_hand / by_hand.sum(), rtol=1e-12, atol=0)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-12)
    for turned in (kernel.rot90(), kernel.rot90(2), kernel.flip(0), kernel.flip(1), kernel.T):
        assert torch.equal(turned, kernel)


@pytest.mark.parametrize("severity", [2, 4])
def test_gaussian_blur_has_the_stated_variance(severity):
    total, yy, xx, xy = moments(impulse_response("gaussian-blur", severity))
    assert total.item() == pytest.approx(1)
    # cut at 3σ
    assert yy.item() == pytest.approx(strength("gaussian-blur", severity) ** 2, rel=0.04)
    assert xx.item() == pytest.approx(yy.item())
    assert xy.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_motion_blur_is_a_segment_of_the_stated_length(seed):
    image = torch.zeros(3, 63, 63, dtype=torch.float64)
    image[:, 31, 31] = 1
    total, yy, xx, xy = moments(changed("motion-blur", 4, image, seed)[0])
    length = strength("motion-blur", 4)
    assert total.item() == pytest.approx(1)
    along, across = torch.linalg.eigvalsh(
        torch.stack((torch.stack((yy, xy)), torch.stack((xy, xx))))
    ).flip(0)
    assert along.item() == pytest.approx((length**2 - 1) / 12, rel=0.05)
    assert across < 0.3  # bilinear interpolation


def test_a_blur_leaves_a_flat_image_flat_up_to_the_border():
    for name in ("gaussian-blur", "defocus", "motion-blur"):
        torch.testing.assert_close(changed(name, 5, flat(0.3, 8)), flat(0.3, 8))


def test_sharpening_by_hand_at_an_edge():
    edge = torch.zeros(3, 8, 8, dtype=torch.float64)
    edge[:, :, 4:] = 0.5
    taps = torch.exp(-0.5 * torch.arange(-2.0, 3.0, dtype=torch.float64) ** 2)
    # the first bright column: two dark taps
    dark_side = 0.5 - 0.5 * (taps[0] + taps[1]) / taps.sum()
    torch.testing.assert_close(changed("sharpen", 1, edge)[0, 4, 4], 0.5 + 0.5 * (0.5 - dark_side))


# from the ground truth


def test_our_enhanced_urban100_is_an_unsharp_mask_before_downscaling():
    x = PAIRS[0].high
    sharp = quantise(x + 2 * (x - gaussian_blur(x, 2.0)))
    assert torch.equal(corrupt("eurban", 3, PAIRS[:1])[0], quantise(bicubic(sharp, 1 / 4)))
    # more detail in the condition, as the name says
    assert corrupt("eurban", 3, PAIRS[:1])[0].std() > PAIRS[0].low.std()


def test_aliasing_runs_from_the_box_kernel_to_nearest_neighbour():
    x = PAIRS[1].high
    box, nearest = (corrupt("aliasing", s, PAIRS[1:2])[0] for s in (1, 5))
    assert (box - F.avg_pool2d(x[None], 4)[0]).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.equal(nearest, x[:, 2::4, 2::4])


def test_a_wide_kernel_is_a_blurred_condition():
    pair = PAIRS[2]
    found = corrupt("kernel", 4, [pair])[0]
    blurred = gaussian_blur(pair.high, 4 * strength("kernel", 4))[:, 1::4, 1::4]
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert (found - blurred)[inner].abs().mean() < 0.02
    assert found.std() < pair.low.std()


def test_a_flat_ground_truth_stays_flat():
    pair = Pair("flat", torch.full((3, 32, 32), 51 / 255), torch.full((3, 8, 8), 51 / 255))
    for name in ("eurban", "kernel", "aliasing"):
        for severity in range(1, 6):
            torch.testing.assert_close(corrupt(name, severity, [pair])[0], pair.low)


# tone


def test_tone_curves_by_hand():
    assert changed("brightness", 2, flat(0.5, 2)).unique().tolist() == pytest.approx([0.7])
    assert changed("brightness", 5, flat(0.7, 2)).unique().tolist() == [1]
    for severity in range(1, 6):
        expected = IMAGE.double() ** strength("gamma", severity)
        torch.testing.assert_close(changed("gamma", severity, IMAGE.double()), expected)
        faded = changed("contrast", severity, IMAGE.double())
        assert faded.mean().item() == pytest.approx(IMAGE.mean().item())
        assert faded.std().item() == pytest.approx(
            IMAGE.std().item() * strength("contrast", severity), rel=1e-5
        )


def test_a_colour_cast_scales_whole_channels_within_its_bounds():
    for seed in range(5):
        gains = changed("colour-cast", 3, IMAGE / 2, seed) / (IMAGE / 2)
        assert gains.flatten(1).std(1).max() < 1e-5
        assert gains.min() > 1 - 0.4 - 1e-5
        assert gains.max() < 1 + 0.4 + 1e-5
        assert gains[0, 0, 0] != gains[1, 0, 0]


# patterns


def test_stripes_take_all_widths_and_both_directions():
    seen = set()
    for found in corrupt("stripes", 5, [flat(0.5, 16)] * 40):
        rows, columns = found[0, :, 0], found[0, 0, :]
        line = columns if columns.std() > 0 else rows
        assert torch.equal(
            found, (line[None] if line is columns else line[:, None]).expand(3, 16, 16)
        )
        width = int((line == 1).nonzero()[0])  # the first stripe is black
        assert line.tolist() == [k // width % 2 for k in range(16)]
        seen.add((line is columns, width))
    assert seen == {(direction, width) for direction in (True, False) for width in (1, 2, 4)}


def test_a_gradient_is_a_plane_from_0_to_1():
    for found in corrupt("gradient", 5, [flat(0.5, 16).double()] * 8):
        assert found.min().item() == pytest.approx(0)
        assert found.max().item() == pytest.approx(1)
        assert found.diff(n=2, dim=1).abs().max() < 1e-9
        assert found.diff(n=2, dim=2).abs().max() < 1e-9


def test_another_kind_of_picture_takes_the_whole_place_at_severity_5():
    height, width = 40, 30
    kinds = [embedded(name) for name in OTHER_KINDS]

    def contained(crop):
        for kind in kinds:
            starts = (kind[:, : -height + 1, : -width + 1] == crop[:, :1, :1]).all(0).nonzero()
            if any(
                torch.equal(kind[:, y : y + height, x : x + width], crop)
                for y, x in starts.tolist()
            ):
                return True
        return False

    found = corrupt("cross-data-set", 5, [torch.zeros(3, height, width)] * 6)
    assert all(contained(crop) for crop in found)
    assert len({crop.sum().item() for crop in found}) == 6


def test_pictures_of_another_kind_are_mirrored_where_they_are_smaller():
    page = embedded("page")
    small = min(page.shape[-2:])
    for found in corrupt("cross-data-set", 5, [torch.zeros(3, 1500, 8)] * 12):
        assert found.isfinite().all()
        if torch.equal(found[:, small - 1], found[:, small]):
            return
    pytest.fail("no mirrored picture among twelve")


# low light


def test_under_exposure_divides_by_the_root_of_the_exposure():
    y = torch.arange(256).expand(3, 4, 256) / 255
    found = changed("under-exposure", 2, y)  # e = 1/16
    assert (found - y / 4).abs().max() <= 0.5 / 255 + 1e-6
    assert len(found.unique()) == 65


def test_sensor_noise_has_the_variance_of_shot_and_read_noise():
    y = 204 / 255
    white = 1000 * strength("sensor-noise", 3)
    light = changed("sensor-noise", 3, flat(y, 400).double()) ** 2
    assert light.mean().item() == pytest.approx(y**2, rel=0.01)
    assert light.var().item() == pytest.approx(y**2 / white + (2 / white) ** 2, rel=0.02)


def test_a_dark_sensor_shows_its_read_noise_only():
    found = changed("sensor-noise", 1, flat(0.0, 200))
    # the lower half is cut off
    assert (found == 0).double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert (found**2).max() < 6 * 2 / 250

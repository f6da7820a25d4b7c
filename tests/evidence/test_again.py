"""The second implementation behind benchmarks/evidence/headline.py beside invbench: the one place
where both meet."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from invbench import load_flow
from invbench.data.conditions import sizes_only
from invbench.data.datasets import sr_pairs
from invbench.measures.ood_score import OODScore
from invbench.measures.pairwise import pairwise
from invbench.measures.quality import lr_psnr
from invbench.measures.statistics import rate_interval
from invbench.tracks.measuring.unconditional import dequantised

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "evidence" / "again"
DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")


@pytest.fixture
def again(monkeypatch):
    """name → module of that folder, forgotten at the end."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def latents():
    return [
        torch.randn(2, *shape, generator=torch.Generator().manual_seed(k))
        for k, shape in enumerate(SHAPES)
    ]


SHAPES = [(6, 16, 16), (24, 8, 8)]  # of a 32×32 image
Y = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def test_the_second_implementation_imports_nothing_of_invbench():
    for path in FOLDER.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [
            alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
        ]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [name for name in names if name.split(".")[0] == "invbench"], path.name


@pytest.mark.parametrize("design", DESIGNS)
def test_both_decode_and_weigh_the_same_to_rounding_in_float64(again, latents, design):
    """Latents of N(0, 1), wider than those that are sampled, and a condition of noise, far from
    photographs."""
    ours, theirs = (
        load_flow("srflow", design).double(),
        again("flow_again").FlowAgain("srflow", design, 0, Y.dtype),
    )
    z = [part.double() for part in latents]
    with torch.no_grad():
        x = ours.decode(z, Y)
        torch.testing.assert_close(theirs.decode(z, Y), x, rtol=1e-9, atol=1e-9)
        inside = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=Y.dtype)
        torch.testing.assert_close(
            theirs.log_density(inside, Y), ours.log_prob(inside, Y), rtol=1e-9, atol=0
        )
        torch.testing.assert_close(theirs.features(Y), ours.features(Y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("design", ["affine", "modified-rq"])
def test_both_weigh_images_the_same_without_a_condition(again, design):
    ours, theirs = (
        load_flow("glow", design).double(),
        again("flow_again").FlowAgain("glow", design, 0, Y.dtype),
    )
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=Y.dtype)
    with torch.no_grad():
        torch.testing.assert_close(
            theirs.log_density(x, x), ours.log_prob(x, sizes_only(x)), rtol=1e-9, atol=0
        )


def test_both_add_the_same_noise_before_bits_are_taken(again):
    (pair, *_) = sr_pairs("embedded", 64, 1)
    ours = dequantised(pair.high, 1_000_005)
    torch.testing.assert_close(
        again("bits").dequantised(pair.high[None], 1_000_005)[0], ours, rtol=0, atol=1e-7
    )
    assert (ours * 256).floor().equal((pair.high * 255).round())


def test_both_draw_the_same_latents(again):
    flow = load_flow("srflow", "affine")
    ours = flow.sample_latents(3, Y.float(), 0.9, torch.Generator().manual_seed(7))
    theirs = again("flow_again").draw(
        again("flow_again").FlowAgain("srflow", "affine"), 3, 32, 32, 0.9, 7
    )
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_both_cut_and_shrink_photographs_to_the_same_bits(again):
    for pair in sr_pairs("embedded", 64, 2):
        high, low = again("photographs").pair("embedded", pair.name, 64, 2)
        assert torch.equal(high[0], pair.high), pair.name
        assert torch.equal(low[0], pair.low), pair.name


def test_both_give_a_sample_the_same_lr_psnr(again):
    """Overshoots, and Inf and NaN among the pixels."""
    sample, low = (
        3 * torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2)) - 1,
        torch.rand(3, 16, 16),
    )
    sample[0, 3, 3:6] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    ours = lr_psnr(sample[None], low[None], 4).item()
    assert again("samples").lr_psnr(sample, low) == pytest.approx(ours, abs=1e-4)


@pytest.mark.parametrize("count", [20, 200])
def test_both_measure_the_same_distances_with_fewer_and_with_more_vectors_than_dimensions(
    again, count
):
    rng = np.random.default_rng(0)
    known, new = (rng.normal(1, np.linspace(0.1, 3, 48), (n, 48)) for n in (count, 9))
    maps = [torch.from_numpy(v).view(-1, 3, 4, 4) for v in (known, new)]
    ours = OODScore.fit(maps[0], "flat")(maps[1])
    np.testing.assert_allclose(again("auc").distances(known, new), ours, rtol=1e-9)


def made_up(seed):
    """Failures (trainings, photographs) of two to six entries that differ in rate, by photograph
    and by training; inputs of a photograph."""
    rng = np.random.default_rng(seed)
    photos, inputs = int(rng.integers(6, 40)), int(rng.integers(1, 5))
    hard, entries = rng.normal(0, 1, photos), []
    for _ in range(rng.integers(2, 7)):
        logit = hard + rng.normal(0, 2.5) + rng.normal(0, 0.7, (rng.integers(1, 4), 1))
        entries.append(rng.binomial(inputs, 1 / (1 + np.exp(-logit))).astype(float))
    return entries, inputs


def test_both_give_the_same_intervals_and_ranks(again):
    """Twenty made-up tables: entries with one training and with three, rates near 0 and 1, ties."""
    told_apart = 0
    for seed in range(20):
        entries, inputs = made_up(seed)
        seen = [np.full(e.shape, float(inputs)) for e in entries]
        for failed, of in zip(entries, seen, strict=True):
            ours, theirs = rate_interval(failed, of)[1:], again("interval").interval(failed, of)
            np.testing.assert_allclose(theirs, ours, atol=1e-9, err_msg=f"seed {seed}")
        for given in (False, True):
            ours = pairwise(entries, seen[0][0], given)
            theirs = again("rank").ranks(list(zip(entries, seen, strict=True)), given)
            assert theirs == list(zip(ours.rank_lo, ours.rank_hi, ours.tier, strict=True)), seed
            told_apart += int(ours.apart.sum())
    assert told_apart > 20  # else every entry would have every rank in both


@pytest.mark.parametrize("radius", [0.1, 0.5, 2.0])
def test_the_second_search_stays_in_the_published_set(again, radius):
    """Sign steps from a draw, which leave the ball of norms; the set is that of ``Space``."""
    start = 0.9 * torch.randn(12288, generator=torch.Generator().manual_seed(0)).clamp(-4, 4)
    far = (
        start + radius * 0.9 * torch.randn(12288, generator=torch.Generator().manual_seed(1)).sign()
    )
    z = again("radius").feasible(far, start, radius, 0.9)
    assert z.norm() <= 1.05 * 0.9 * 12288**0.5 * (1 + 1e-6)
    assert (z - start).abs().max() <= radius * 0.9 * (1 + 1e-6)
    assert z.abs().max() <= 3.6 * (1 + 1e-6)
    assert (z - start).norm() > 0.5 * min(radius * 0.9, 0.3) * 12288**0.5


def test_an_optimiser_passes_no_bound_and_a_bound_that_is_too_small_is_not_confirmed(
    again, monkeypatch
):
    bound = again("bound")
    assert all(answer.equal for answer in bound.answers())
    monkeypatch.setattr(bound, "row", lambda *_, **__: {"displacement": "3.69"})
    assert [answer.equal for answer in bound.answers()] == [False, True, True]


def test_stored_finds_decode_to_what_is_published(again):
    found = again("find").answers()
    assert len(found) >= 4
    assert not [str(answer) for answer in found if not answer.equal]


@pytest.mark.parametrize(
    ("published", "recomputed", "equal"),
    [
        (1.0, 1.05, True),
        (1.0, 1.2, False),
        (np.inf, np.inf, True),
        (np.inf, 3.0, False),
        (1.0, np.nan, False),
    ],
)
def test_a_difference_beyond_rounding_ends_with_code_1(again, capsys, published, recomputed, equal):
    told = again("published")
    with pytest.raises(SystemExit) as end:
        told.report(lambda: [told.Answer("x", "y", published, recomputed, 0.1)])
    assert end.value.code == (0 if equal else 1)
    assert ("DIFFERENT" in capsys.readouterr().out) is not equal

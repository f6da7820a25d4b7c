"""Other people's modules behind the face of a layer; the libraries themselves where they are
installed."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.distributions import transforms

import invbench
from invbench.adapters import LIBRARIES, installed, of_library
from invbench.errors import UsageError
from invbench.extras import install
from invbench.laws import check
from invbench.registry import COUPLINGS, LAYERS
from invbench.runner.run import builtin_entries
from invbench.targets import resolve, resolve_all
from tests.support.faults import couplings
from tests.support.pytest_runs import SUITES, run_pytest


class Scale(nn.Module):
    """Its methods have other names, its condition is a keyword, its log-determinant one number per
    element."""

    def encode(self, x, context=None):
        s = 1.5 + context[:, :1].sigmoid()
        return x * s, s.log().expand_as(x)

    def decode(self, z, context=None):
        s = 1.5 + context[:, :1].sigmoid()
        return z / s, -s.log().expand_as(z)


@pytest.fixture
def registered():
    def make(subject, **shapes):
        invbench.layer("adapted", **shapes)(lambda seed: subject())
        return "adapted"

    with LAYERS.restored():
        yield make


def test_any_module_with_two_methods(registered):
    name = registered(
        lambda: invbench.adapt(Scale(), "encode", "decode", condition="context"),
        event_shape=(4,),
        cond_shape=(2,),
    )
    assert check(name, budget="smoke").sound


def test_directions_are_swapped_for_a_module_that_maps_noise_to_data():
    layer = invbench.adapt(Scale(), "decode", "encode", condition="context", towards_noise=False)
    x, cond = torch.ones(2, 3), torch.zeros(2, 1)
    assert torch.equal(layer(x, cond)[0], 2 * x)
    assert layer(x, cond)[1].shape == (2,)


@pytest.mark.parametrize(
    "transform",
    [
        lambda: transforms.AffineTransform(torch.tensor(0.5).double(), torch.tensor(3.0).double()),
        lambda: transforms.ComposeTransform(
            [transforms.AffineTransform(0.0, 2.0), transforms.AffineTransform(1.0, -0.3)]
        ),
    ],
)
def test_a_torch_transform_maps_noise_to_data(registered, transform):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
    layer = invbench.adapt(transform(), towards_noise=False)
    z, log_det = layer(x)
    assert torch.allclose(transform()(z), x)
    assert torch.allclose(log_det, -layer.inverse(z)[1])
    name = registered(lambda: invbench.adapt(transform(), towards_noise=False), event_shape=(4,))
    assert check(
        name, budget="smoke", properties=["round-trip-x", "log-det", "inverse-log-det"]
    ).sound


def test_a_module_without_the_named_methods_is_refused():
    with pytest.raises(UsageError, match="no method 'forwards'"):
        invbench.adapt(Scale(), "forwards")


def test_a_library_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(LIBRARIES, "nowhere", "nowhere")
    with pytest.raises(UsageError, match=re.escape(install("libraries"))):
        resolve("nowhere/rq", ("layer",))


def test_a_loaded_library_does_not_join_the_leaderboard_by_itself():
    class Theirs(couplings.Exp):
        pass

    Theirs.__module__ = "invbench.adapters.zuko"
    before = builtin_entries()
    with COUPLINGS.restored():
        invbench.coupling("zuko/theirs")(Theirs)
        assert builtin_entries() == before
        assert of_library("zuko/theirs") and not of_library("affine")


@pytest.mark.skipif("nflows" not in installed(), reason="nflows is not installed")
def test_the_suites_test_the_named_layer_of_a_library_only(tmp_path):
    options = ("--collect-only", "--layer", "nflows/actnorm")
    done = run_pytest(tmp_path, *options, SUITES / "test_layers.py")
    assert "nflows/actnorm-round-trip-x" in done.stdout, done.stdout + done.stderr
    assert "nflows/lu-linear" not in done.stdout


@pytest.mark.skipif("nflows" not in installed(), reason="nflows is not installed")
def test_nflows_spline_is_blamed_for_its_assertion_and_its_conditioning_is_not():
    report = check(resolve("nflows/rq"), budget="smoke", properties=["round-trip-x", "finite"])
    kinds = {f.kind for f in report.failures}
    assert {"crash", "ill-conditioned"} <= kinds
    assert not report.sound
    assert any("AssertionError" in f.message for f in report.failures)


@pytest.mark.skipif("nflows" not in installed(), reason="nflows is not installed")
def test_a_star_names_all_of_a_library_and_a_wrong_name_shows_what_there_is():
    names = [t.name for t in resolve_all("nflows/*", ("layer", "coupling"))]
    assert {"nflows/rq", "nflows/rq-coupling"} <= set(names)
    with pytest.raises(UsageError, match="nflows/rq-coupling"):
        resolve("nflows/nope", ("layer",))

"""Objects that no import reaches are targets: instances, local classes, partials, methods."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn
from torch.distributions import AffineTransform, ExpTransform

import invbench
from invbench.adapters.held import importable, name_of
from invbench.errors import UsageError
from invbench.registry import COUPLINGS
from invbench.targets import of_object


class Scale(nn.Module):
    """z = k x."""

    def __init__(self, dim: int = 3, k: float = 2.0) -> None:
        super().__init__()
        self.dim, self.k = dim, nn.Parameter(torch.full((dim,), float(k)).log())

    def forward(self, x):
        return x * self.k.exp(), self.k.sum().expand(len(x))

    def inverse(self, z):
        return z * (-self.k).exp(), -self.k.sum().expand(len(z))


class Shop:
    def make(self, seed):
        assert seed in (0, 20231001) or seed > 0
        return Scale(4)

    def bare(self):
        return Scale(5)


def local() -> type:
    class Inner(Scale):
        pass

    return Inner


OBJECTS = {
    "class": (Scale, "Scale", 3, True),
    "instance": (Scale(2), "Scale", 2, False),
    "local class": (local(), "Inner", 3, False),
    "local instance": (local()(4), "Inner", 4, False),
    "partial": (functools.partial(Scale, dim=6), "Scale", 6, False),
    "method of a seed": (Shop().make, "make", 4, False),
    "method": (Shop().bare, "bare", 5, False),
    "lambda": (lambda: Scale(7), "layer", 7, False),
    "lambda of a seed": (lambda seed: Scale(7), "layer", 7, False),
    "transform": (AffineTransform(1.0, 2.0), "AffineTransform", 4, False),
    "class of a transform": (ExpTransform, "ExpTransform", 4, True),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_a_target_and_sound(name):
    obj, called, dim, typed = OBJECTS[name]
    target = of_object(obj)
    assert (target.name, target.kind, target.can_be_typed) == (called, "layer", typed)
    assert target.entry.metadata["event_shape"] == (dim,)
    report = invbench.check(target, budget="smoke", properties=["round-trip-x", "log-det", "shape"])
    assert report.sound and set(report.measures["decided"]) == {"round-trip-x", "log-det", "shape"}
    assert bool(report.measures["command"]) == typed


def test_an_instance_keeps_its_values_and_is_not_changed():
    layer = Scale(2, 3.0)
    before = layer.k.detach().clone()
    invbench.check(layer, budget="smoke").assert_sound()
    assert torch.equal(layer.k, before) and layer.k.grad is None
    made = of_object(layer).make(0)
    assert torch.equal(made(torch.ones(1, 2))[0], torch.full((1, 2), 3.0).log().exp())


def test_an_elementwise_instance_and_a_local_one_are_couplings():
    class Mine(COUPLINGS["affine"].obj):
        pass

    for obj, name in ((COUPLINGS["affine"].obj(), "Affine"), (Mine, "Mine"), (Mine(), "Mine")):
        target = of_object(obj)
        assert target.kind == "coupling" and target.name.endswith(name)
        assert invbench.check(target, budget="smoke", properties=["round-trip-x"]).sound
    with pytest.raises(UsageError, match="has no inverse"):
        of_object(type("Half", (invbench.Elementwise,), {"n_params": 1, "forward": Mine.forward}))


def test_what_is_declared_and_a_name_go_along():
    target = of_object(Scale(2), {"domain": "positive"}, "mine")
    assert target.name == "mine" and target.declared == {"domain": "positive"}
    with pytest.raises(UsageError, match="did you mean 'positive'"):
        of_object(Scale, {"domain": "positiv"})
    with pytest.raises(UsageError, match=r"check\(\) takes no 'domian'; did you mean 'domain'"):
        invbench.check(Scale, domian="positive")


@pytest.mark.parametrize("obj", [3, "text".upper, object(), [Scale], lambda: 3])
def test_what_is_no_layer_is_refused_in_one_line(obj):
    with pytest.raises(UsageError) as caught:
        of_object(obj)
    assert "\n" not in str(caught.value) and "with forward and inverse" in str(caught.value)


def test_names_and_what_an_import_reaches():
    assert importable(Scale) == f"{__name__}:Scale"
    assert importable(local()) is None and importable(Scale()) is None
    assert importable(nn.Linear) == "torch.nn.modules.linear:Linear"
    assert name_of(functools.partial(functools.partial(Scale, 3), k=1.0)) == "Scale"

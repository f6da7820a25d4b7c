"""Unregistered layers of every convention: what is guessed, what is returned, what cannot be read."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import invbench
from invbench.adapters.conventions import per_row, read_conventions
from invbench.errors import UsageError
from tests.support import strange_layers as strange

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
Z = X * strange.S.exp()
COND = torch.tensor([[0.1, 0.2, -0.1]] * 5)

CASES = {
    "Plain": (),
    "EncodeDecode": ("encode maps data to noise, decode back",),
    "NormalizeSample": ("normalize maps data to noise, sample back",),
    "Reverse": ("forward(…, reverse=True) is the inverse of forward(…, reverse=False)",),
    "Rev": ("forward(…, rev=True) is the inverse of forward(…, rev=False)",),
    "InverseFlag": ("forward(…, inverse=True) is the inverse of forward(…, inverse=False)",),
    "Mode": ("forward(…, mode='inverse') is the inverse of forward(…, mode='direct')",),
    "OtherMode": ("forward(…, mode='reverse') is the inverse of forward(…, mode='forward')",),
    "LogDetFirst": (
        "log_det is part 1 of the 2 that forward returns, by its shape, (B,)",
        "log_det is part 1 of the 2 that inverse returns, by its shape, (B,)",
    ),
    "PriorLogDet": ("log_det is part 3: the other is the normal density of z",),
    "LogDetPrior": ("log_det is part 2: the other is the normal density of z",),
    "LogDetOther": ("log_det is part 2: it is log|det J| at the probing point",),
    "Accumulator": ("forward adds to 'logdet', which is 0 at first",),
    "OwnAccumulator": ("forward(…, reverse=True) is the inverse of forward(…, reverse=False)",),
    "RequiredAccumulator": ("forward adds to 'ldj', which is 0 at first",),
    "SilentInverse": ("inverse returns no log_det: minus that of the other direction is taken",),
    "Number": ("log_det of forward is one number for the whole batch: taken for every row",),
    "Elementwise": ("log_det of forward has the value's shape: summed over all but the batch",),
    "ElementwiseFirst": (
        "log_det is part 1 of the 2 that forward returns, by its shape, the value's",
    ),
    "Named": ("log_det is part 1 of the 2 that forward returns, by its name",),
    "Mapped": ("log_det is part 'log_det' of the 3 that forward returns, by its name",),
    "Recorded": ("log_det is part 'ldj' of the 3 that forward returns, by its name",),
    "Intermediates": ("forward returns a list of values; the last is taken",),
}


@pytest.mark.parametrize("name", CASES)
def test_every_convention_gives_the_value_and_the_log_det_of_each_direction(name):
    layer = invbench.adapt(getattr(strange, name)())
    z, log_det = layer(X)
    x, back = layer.inverse(Z)
    assert torch.allclose(z, Z)
    assert torch.allclose(x, X)
    assert torch.allclose(log_det, torch.full((5,), strange.LOG_DET))
    assert torch.allclose(back, torch.full((5,), -strange.LOG_DET))
    assert layer.declares == {}
    assert set(CASES[name]) <= set(layer.guesses)
    assert bool(layer.guesses) == bool(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_the_inverse_may_be_the_first_call(name):
    layer = invbench.adapt(getattr(strange, name)())
    x, back = layer.inverse(Z)
    assert torch.allclose(x, X)
    assert torch.allclose(back, torch.full((5,), -strange.LOG_DET))


@pytest.mark.parametrize("default", ["", "=None"])
@pytest.mark.parametrize(
    "keyword",
    ["context", "cond", "condition", "c", "y", "h", "conditional", "g", "anything_at_all"],
)
def test_a_condition_goes_where_the_signature_says(keyword, default):
    layer = invbench.adapt(strange.conditional(keyword, default)())
    z, log_det = layer(X, COND)
    assert torch.allclose(z, X * (strange.S + 0.2).exp())
    assert torch.allclose(log_det, torch.full((5,), 1.1))
    assert torch.allclose(layer.inverse(z, COND)[0], X)
    assert f"the condition goes to '{keyword}'" in layer.guesses


def test_a_layer_without_a_log_det_declares_so():
    layer = invbench.adapt(strange.NoLogDet())
    assert torch.allclose(layer(X)[0], Z)
    assert layer(X)[1].shape == (5,)
    assert layer.declares == {"log_det": "none"}
    assert "no log_det is returned: declared log_det='none'" in layer.guesses


def test_a_layer_of_one_way_declares_so_and_its_inverse_is_a_usage_error():
    layer = invbench.adapt(strange.OneWay())
    assert torch.allclose(layer(X)[1], torch.full((5,), strange.LOG_DET))
    assert layer.declares == {"inverse": "none"}
    with pytest.raises(UsageError, match="no such direction"):
        layer.inverse(Z)


def test_lists_of_latents_stay_lists():
    layer = invbench.adapt(strange.Latents())
    zs, log_det = layer(X)
    assert [z.shape for z in zs] == [(5, 1), (5, 3)]
    assert torch.allclose(layer.inverse(zs)[0], X)
    assert torch.allclose(log_det, torch.full((5,), strange.LOG_DET))
    assert layer.declares == {"latent_shape": ((1,), (3,))}


def test_latents_beside_each_other_are_handed_back_one_by_one():
    layer = invbench.adapt(strange.TwoLatents())
    zs, log_det = layer(X)
    assert [z.shape for z in zs] == [(5, 1), (5, 3)]
    assert torch.allclose(layer.inverse(zs)[0], X)
    assert torch.allclose(log_det, torch.full((5,), strange.LOG_DET))
    assert "the first 2 parts that forward returns are the value" in layer.guesses


def test_two_tensors_in_and_out():
    layer = invbench.adapt(strange.TwoTensors())
    xs = [X[:, :2], X[:, 2:]]
    ys, _ = layer(xs)
    back, _ = layer.inverse(ys)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(back, xs, strict=True))
    assert layer.declares == {"log_det": "none"}


def test_a_tensor_and_a_condition_in_lists():
    layer = invbench.adapt(strange.InLists())
    z, log_det = layer(X, COND)
    assert torch.allclose(z, X * (strange.S + 0.2).exp())
    assert torch.allclose(log_det, torch.full((5,), 1.1))
    assert torch.allclose(layer.inverse(z, COND)[0], X)


def odd(shape_of):
    class Odd(strange.Base):
        def forward(self, x):
            return self.up(x), shape_of(self, x)

        def inverse(self, z):
            return self.down(z), -shape_of(self, z)

    return Odd


@pytest.mark.parametrize(
    ("log_det", "shape"),
    [
        (lambda m, x: m.s, (4,)),
        (lambda m, x: m.ld(x)[:, None], (4, 1)),
        (lambda m, x: m.ld(x)[:, None].expand(-1, len(x)), (4, 4)),
        (lambda m, x: m.s.sum()[None], (1,)),
    ],
    ids=["(D,)", "(B, 1)", "(B, B)", "(1,)"],
)
def test_a_log_det_of_an_odd_shape_is_handed_on_as_it_is_even_where_the_batch_is_the_dimension(
    log_det, shape
):
    layer = invbench.adapt(odd(log_det)())
    assert layer(X[:4])[1].shape == shape
    assert "log_det of forward has a shape other than (B,): handed on as it is" in layer.guesses


def test_what_a_layer_adds_to_by_itself_keeps_its_shape():
    class Column(strange.Base):
        """pytorch-flows': (B, 1), which a (B,) of ours would turn into (B, B)."""

        def forward(self, x, mode="direct", logdets=None):
            logdets = torch.zeros(len(x), 1) if logdets is None else logdets
            if mode == "direct":
                return self.up(x), logdets + self.ld(x)[:, None]
            return self.down(x), logdets - self.ld(x)[:, None]

    assert invbench.adapt(Column())(X)[1].shape == (5, 1)


def test_a_log_det_of_images_summed_over_channels_only_is_handed_on():
    class Images(nn.Module):
        def forward(self, x):
            return 2 * x, x.new_full(x.shape, 0.6931).sum(1)

        def inverse(self, z):
            return z / 2, -z.new_full(z.shape, 0.6931).sum(1)

    assert invbench.adapt(Images())(torch.ones(1, 2, 3, 3))[1].shape == (1, 3, 3)


def test_per_row_touches_numbers_and_the_shape_of_the_value_only():
    x = torch.ones(2, 3)
    assert per_row(0, x).tolist() == [0, 0]
    assert per_row(torch.tensor(1.5), x).tolist() == [1.5, 1.5]
    assert per_row(torch.ones(2, 3), x).tolist() == [3, 3]
    for shape in ((2,), (2, 1), (3,), (2, 2), (2, 3, 1)):
        assert per_row(torch.ones(shape), x).shape == shape


def test_probing_leaves_weights_buffers_and_random_numbers_as_they_were():
    class Sets(strange.Plain):
        """As an ActNorm, it sets itself by the first batch."""

        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            torch.rand(3)
            return super().forward(x)

    layer = Sets()
    torch.manual_seed(0)
    drawn = torch.rand(2)
    torch.manual_seed(0)
    read_conventions(layer, X)
    assert layer.calls == 0
    assert torch.equal(torch.rand(2), drawn)


def test_an_adapted_layer_can_be_copied_cast_and_loaded():
    layer = invbench.adapt(strange.Reverse())
    layer(X)
    double = copy.deepcopy(layer).double()
    assert double(X.double())[0].dtype == torch.float64
    assert list(double.state_dict()) == ["module.s"]


def test_an_inverse_that_raises_is_left_to_the_laws():
    class Raises(strange.Plain):
        def inverse(self, z):
            raise AttributeError("no attribute 'last'")

    layer = invbench.adapt(Raises())
    assert torch.allclose(layer(X)[0], Z)
    assert any("raised AttributeError: no attribute 'last'" in line for line in layer.guesses)
    with pytest.raises(AttributeError):
        layer.inverse(Z)


class Unreadable(strange.Base):
    def forward(self, x):
        return torch.ones(7), "done"

    inverse = forward


@pytest.mark.parametrize(
    ("layer", "x", "cond", "message"),
    [
        (strange.Plain, torch.ones(5, 3), None, r"Plain cannot be called with x of shape \(3, "
            r"3\): RuntimeError: The size"),
        (Unreadable, X, None, r"forward\(\(3, 4\)\) returned \(float32 \(7,\), 'done'\): no "
            r"part of it has the 4 numbers"),
        (strange.Plain, X, COND, r"Plain\.forward\(x\) takes no condition, yet cond_shape is "
            r"declared"),
        (strange.conditional("context"), X, None, r"forward needs context; if it is a "
            r"condition, declare its shape"),
    ],
    ids=["shape", "parts", "no condition", "a condition"],
)  # fmt: skip
def test_what_cannot_be_read_is_a_usage_error_that_says_what_was_found(layer, x, cond, message):
    with pytest.raises(UsageError, match=message) as caught:
        invbench.adapt(layer()).probe(x, cond)
    assert "\n" not in str(caught.value)


def test_a_module_without_directions_is_refused_at_once():
    with pytest.raises(UsageError, match="has no method forward, encode"):
        invbench.adapt(nn.Module())


def test_an_inverse_that_is_not_implemented_is_none():
    class Stub(strange.Plain):
        def inverse(self, z):
            raise NotImplementedError("no algebraic inverse")

    layer = invbench.adapt(Stub())
    assert torch.allclose(layer(X)[0], Z)
    assert layer.declares == {"inverse": "none"}
    assert (
        "inverse(z) raised NotImplementedError: no algebraic inverse: declared inverse='none'"
        in layer.guesses
    )


def test_a_module_of_which_nothing_can_be_asked_is_refused():
    with pytest.raises(
        UsageError,
        match="Linear has no inverse and returns no log_det, so nothing can be asked of it",
    ):
        invbench.adapt(nn.Linear(4, 4)).probe(X)


def test_the_call_is_shown_as_a_user_would_write_it():
    layer = invbench.adapt(strange.Reverse())
    layer.probe(X)
    assert layer.call_text("x", inverse=False) == "layer(x, reverse=False)"
    assert layer.call_text("z", inverse=True) == "layer(z, reverse=True)"
    layer = invbench.adapt(strange.EncodeDecode())
    layer.probe(X)
    assert layer.call_text("z", inverse=True) == "layer.decode(z)"


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_batches_of_any_size_may_be_the_first(batch):
    for name in ("Plain", "LogDetFirst", "Elementwise", "Number", "Accumulator"):
        z, log_det = invbench.adapt(getattr(strange, name)())(X[:batch])
        assert (z.shape, log_det.shape) == ((batch, 4), (batch,))

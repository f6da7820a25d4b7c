"""Guards in files: they come back to the bit, nothing else is taken for one, and a guard of another
flow is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import invbench as package
from invbench.couplings import Affine
from invbench.cures.guard import weights_of
from invbench.cures.guard_file import KEY, read_guard, save_guard
from invbench.cures.photographs import photographs
from invbench.data.conditions import with_equalised
from invbench.data.images import embedded
from invbench.data.resample import bicubic, quantise
from invbench.errors import UsageError
from invbench.training.weights import load_flow
from invbench_models.llflow import llflow
from invbench_models.srflow import srflow


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def toy(tiny_flow, uniform):
    """A flow and its guard, in double precision."""
    flow = tiny_flow().double().eval()
    return flow, package.guard(
        flow, [(uniform(-1, 1, 9, 2), uniform(0, 1, 9, 2, seed=1))], 1.25, None, "nine points"
    )


@pytest.mark.parametrize("double", [False, True])
def test_a_guard_comes_back_to_the_bit(toy, tmp_path, double):
    flow, guarded = toy
    if not double:
        seen = {place: ends.float().double() for place, ends in guarded.guard.seen.items()}
        guarded = type(guarded)(flow, replace(guarded.guard, seen=seen))
    guarded.save(tmp_path / "g.safetensors")
    again = package.load_guard(flow, tmp_path / "g.safetensors")
    assert vars(again.guard) | {"seen": 0} == vars(guarded.guard) | {"seen": 0}
    assert list(again.guard.seen) == list(guarded.guard.seen)
    assert all(
        torch.equal(ends, again.guard.seen[place]) for place, ends in guarded.guard.seen.items()
    )
    far, y = torch.full((3, 2), 7.0).double(), torch.zeros(3, 2).double()
    assert torch.equal(again.decode([far], y), guarded.decode([far], y))
    assert package.load_guard(flow, tmp_path / "g.safetensors", margin=3).guard.margin == 3


def test_the_file_of_a_shipped_flow_is_a_few_kilobytes(tmp_path):
    flow = load_flow("srflow", "affine")
    found = photographs("embedded", "sr", 4, patches=4)
    package.guard(flow, found.batches, source=found.source).save(tmp_path / "g.safetensors")
    assert (tmp_path / "g.safetensors").stat().st_size < 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["g.safetensors"]


def spoiled(path, guard, what):
    """A file that is a guard but for ``what``."""
    ends = torch.cat(list(guard.seen.values()), dim=1)
    tensors = {"low": ends[0].contiguous(), "high": ends[1].contiguous()}
    save_guard(guard, path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    head = json.loads(json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"][KEY])
    places = head["places"]
    changes = {
        "version": {"version": 2},
        "more": {"surprise": 1},
        "counts": {"places": [*places[:-1], [places[-1][0], 9]]},
        "negative": {"places": [[places[0][0], -1], *places[1:]]},
        "twice": {"places": [places[0], *places[:-1]]},
        "margin": {"margin": -1.0},
        "quantile": {"quantile": 0.2},
    }
    if what == "NaN":
        tensors["low"][0] = torch.nan
    if what == "crossed":
        tensors["low"], tensors["high"] = tensors["high"], tensors["low"]
    if what == "shape":
        tensors["low"] = tensors["low"][None]
    if what == "integers":
        tensors = {name: tensor.long() for name, tensor in tensors.items()}
    if what == "tensors":
        del tensors["low"]
    text = "{" if what == "json" else json.dumps(head | changes.get(what, {}))
    save_file(tensors, path, None if what == "metadata" else {KEY: text})
    if what == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    if what == "empty":
        path.write_bytes(b"")
    return path


SPOILS = {
    "version": "version",
    "more": "surprise",
    "counts": "not the",
    "negative": "without channels",
    "twice": "twice",
    "margin": "margin",
    "quantile": "quantile",
    "NaN": "not finite",
    "crossed": "below its beginning",
    "shape": "not the",
    "integers": "not the",
    "tensors": "not the",
    "json": "not a guard",
    "metadata": "its metadata lack",
    "cut": "cut off",
    "empty": "cut off",
}


@pytest.mark.parametrize("what", SPOILS)
def test_a_spoiled_file_is_refused_in_one_line(toy, tmp_path, what):
    path = spoiled(tmp_path / "g.safetensors", toy[1].guard, what)
    with pytest.raises(UsageError, match=SPOILS[what]) as error:
        read_guard(path)
    assert "\n" not in str(error.value)


def test_the_unspoiled_file_is_taken(toy, tmp_path):
    assert read_guard(spoiled(tmp_path / "g.safetensors", toy[1].guard, "nothing")).pairs == 9


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"none\.safetensors"):
        read_guard(tmp_path / "none.safetensors")


def test_a_guard_of_another_flow_is_refused(toy, tmp_path, tiny_flow):
    flow, guarded = toy
    path = tmp_path / "g.safetensors"
    guarded.save(path)
    others = {
        "it has 'step1_actnorm'": srflow(Affine),
        # the same names and shapes
        "other channels, kinds or couplings": tiny_flow("affine-floor").double(),
    }
    for said, other in others.items():
        with pytest.raises(UsageError, match=said):
            package.load_guard(other, path, allow_other_weights=True)
    later = tiny_flow(seed=1).double().eval()
    with pytest.raises(UsageError, match=f"{weights_of(flow)}, these are {weights_of(later)}"):
        package.load_guard(later, path)
    assert package.load_guard(later, path, allow_other_weights=True).guard.weights == weights_of(
        flow
    )
    # a cast is no other training
    assert package.load_guard(tiny_flow().float(), path).bound().max_abs > 0


def test_one_changed_weight_is_noticed(toy, tmp_path):
    flow, guarded = toy
    guarded.save(tmp_path / "g.safetensors")
    with torch.no_grad():
        flow.layers["step2_actnorm"].bias[1] += 1e-3
    with pytest.raises(UsageError, match="calibrated with weights"):
        package.load_guard(flow, tmp_path / "g.safetensors")


def test_crops_and_conditions_are_those_of_the_track(tmp_path):
    for name in ("china", "coffee"):
        Image.fromarray((embedded(name)[:, :80, :96] * 255).byte().movedim(0, -1).numpy()).save(
            tmp_path / f"{name}.png"
        )
    found = photographs(str(tmp_path), "sr", 4, crop=32, patches=5, batch=2, seed=1)
    batches = list(found.batches)
    assert [len(x) for x, _ in batches] == [2, 2, 1] and found.count == 3
    whole = [embedded(name)[:, :80, :96] for name in ("china", "coffee")]
    for x, y in batches:
        crops = (x * 256).floor() / 255  # without the dequantisation's noise
        assert torch.equal(y, quantise(bicubic(crops, 0.25)))
        for crop in crops:
            grids = [
                image.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4) for image in whole
            ]
            assert any(((grid - crop).abs() < 1e-5).flatten(2).all(2).any() for grid in grids)
    again = list(photographs(str(tmp_path), "sr", 4, crop=32, patches=5, batch=2, seed=1).batches)
    assert all(
        torch.equal(a, b)
        for one, other in zip(batches, again, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_dark_crops_lie_beside_their_equalised_photograph(tmp_path):
    for part, factor in (("high", 1), ("low", 8)):
        (tmp_path / part).mkdir()
        Image.fromarray(
            (embedded("china")[:, :64, :64] * 255 / factor).byte().movedim(0, -1).numpy()
        ).save(tmp_path / part / "a.png")
    ((x, y),) = photographs(str(tmp_path), "lowlight", crop=64, patches=1).batches
    low = (embedded("china")[:, :64, :64] * 255 / 8).byte() / 255
    assert torch.equal(y[0], with_equalised(low)) and x.shape == (1, 3, 64, 64)
    (tmp_path / "low" / "b.png").write_bytes((tmp_path / "low" / "a.png").read_bytes())
    with pytest.raises(UsageError, match="one of high and low only: b"):
        photographs(str(tmp_path), "lowlight", crop=64)
    flow = llflow(Affine).eval()
    guarded = package.guard(flow, photographs("embedded", "lowlight", crop=32, patches=2).batches)
    assert guarded.guard.pairs == 2


@pytest.mark.parametrize(
    ("name", "track", "options", "said"),
    [
        ("", "toy2d", {}, "has no photographs"),
        ("embedded", "sr", {"patches": 0}, "at least one patch"),
        ("embedded", "sr", {"crop": 4096}, "no image is 4096×4096"),
        ("nowhere", "sr", {}, "no images in this folder"),
        ("nowhere", "lowlight", {}, "folders high and low"),
    ],
)
def test_what_gives_no_crops_is_refused(name, track, options, said):
    with pytest.raises(UsageError, match=said):
        next(photographs(name, track, **options).batches)


def test_the_verb_makes_a_guard_and_checks_it(invbench, tmp_path):
    path = tmp_path / "g.safetensors"
    make = ("guard", "srflow", "--calibrate", "embedded", "-o", path, "--patches", 4, "--margin", 2)
    code, said, _ = invbench(*make)
    assert code == 0 and "margin 2" in said and "any latents, any condition: |x| ≤" in said
    code, said, _ = invbench("guard", "srflow", "--check", path, "--json")
    record = json.loads(said)
    flow = load_flow("srflow", "affine")
    bound = package.load_guard(flow, path).bound()
    assert (
        code == 0
        and record["fits"]
        and record["pairs"] == 4
        and record["places"] == len(flow.layers) + 1
    )
    assert (record["max_abs"], record["max_intermediate"]) == (
        bound.max_abs,
        bound.max_intermediate,
    )
    code, said, error = invbench("guard", "srflow", "--seed", 1, "--check", path)
    assert (
        code == 1
        and "4 crops" in said
        and "does not fit: the guard was calibrated with weights" in error
    )
    assert (
        invbench("guard", "srflow", "--seed", 1, "--check", path, "--allow-other-weights")[0] == 0
    )
    code, said, _ = invbench(
        "guard", "srflow", "--coupling", "affine-floor", "--check", path, "--json"
    )
    assert (
        code == 1 and not json.loads(said)["fits"] and "another flow" in json.loads(said)["reason"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say --calibrate FOLDER"),
        (("--calibrate", "embedded", "--check", "g.safetensors"), "say --calibrate FOLDER"),
        (("--calibrate", "embedded"), "-o guard.safetensors"),
        (("--calibrate", "embedded", "-o", "g.pt"), "-o guard.safetensors"),
        (("--check", "none.safetensors"), "none.safetensors"),
        (("--calibrate", "nowhere", "-o", "g.safetensors"), "no images"),
        (("--calibrate", "embedded", "-o", "g.safetensors", "--crop", 40), "multiple of 16"),
        (("--calibrate", "embedded", "-o", "g.safetensors", "--margin", 0), "margin"),
        (("--calibrate", "embedded", "-o", "g.safetensors", "--quantile", 0.5), "quantile"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(invbench, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, error = invbench("guard", "srflow", *arguments)
    assert (code, out) == (2, "") and said in error
    assert error.count("\n") == 1 and not list(tmp_path.glob("*.safetensors"))


def test_an_interrupted_calibration_leaves_nothing(invbench, tmp_path, monkeypatch):
    from invbench.cures import guard as module

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "seen_by", stop)
    code, _, _ = invbench(
        "guard", "srflow", "--calibrate", "embedded", "-o", tmp_path / "g.safetensors"
    )
    assert code == 130 and not list(tmp_path.glob("*g.safetensors*"))

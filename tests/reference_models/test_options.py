"""Options of the reference flows: one name for one thing, carried by weights, cards and cells;
without options everything is what it was."""

from __future__ import annotations

import copy
import json

import pytest
import torch

import invbench
from invbench.couplings import Affine, RQBounded
from invbench.errors import UsageError
from invbench.flows import BoundedSplit, DesignSplit, FrozenConv1x1, OrthogonalConv1x1, Split
from invbench.flows.conv1x1 import Conv1x1
from invbench.registry import FLOWS
from invbench.runner.run import options_of
from invbench.targets import resolve
from invbench.tracks.versions import completed
from invbench.training.weights import find_weights, save_weights, shipped_couplings, weights_name
from tests.support.before_options import CubicBefore, RQBefore, SplitBefore

NAME = "srflow(conv1x1=orthogonal,split=bounded)"
COUPLING = "cubic-rational-bounded(shift=2)"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("srflow", "srflow"),
        ("srflow(conv1x1=free,split=affine)", "srflow"),
        ("srflow(split='bounded', conv1x1=orthogonal)", NAME),
        ("glow(split=design)", "glow(split=design)"),
        ("llflow(conv1x1=frozen)", "llflow(conv1x1=frozen)"),
    ],
)
def test_a_flow_with_options_has_one_name(spec, name):
    assert resolve(spec, ("flow",)).name == name
    assert options_of(flow=spec).flow == name


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("srflow(conv1x1=ortho)", "no conv1x1=ortho; choose from free, orthogonal, frozen"),
        ("llflow(split=bounded)", "no option 'split'; options: conv1x1"),
        ("srflow(size=paper)", "no option 'size'"),
    ],
)
def test_an_option_that_is_none_is_one_line(spec, said):
    with pytest.raises(UsageError, match=said):
        resolve(spec, ("flow",))


@pytest.mark.parametrize("flow", ["srflow", "fs_ncsr", "glow", "llflow"])
@pytest.mark.parametrize(
    ("options", "mixing", "split"),
    [
        ("", Conv1x1, Split),
        ("(conv1x1=orthogonal,split=bounded)", OrthogonalConv1x1, BoundedSplit),
        ("(conv1x1=frozen,split=design)", FrozenConv1x1, DesignSplit),
    ],
)
def test_the_layers_are_those_that_are_named(flow, options, mixing, split):
    if flow == "llflow":
        options = options.replace(",split=bounded", "").replace(",split=design", "")
    layers = resolve(flow + options, ("flow",)).make(Affine, "mini", 0).layers
    assert {type(v) for n, v in layers.items() if n.endswith("conv1x1")} == {mixing}
    splits = {type(v) for n, v in layers.items() if n.endswith("split")}
    assert splits == (set() if flow == "llflow" else {split})


def test_an_orthogonal_flow_starts_where_the_free_one_does():
    free = FLOWS["srflow"].obj(Affine, "mini", 4)
    flow = resolve("srflow(conv1x1=orthogonal,split=bounded)", ("flow",)).make(Affine, "mini", 4)
    own, other = flow.state_dict(), free.state_dict()
    for name, value in other.items():
        if name.endswith("conv1x1.weight"):
            assert torch.equal(own[name.replace("weight", "start")], value)
        else:
            assert torch.equal(own[name], value)


@pytest.mark.parametrize(
    ("flow", "coupling", "before"),
    [
        ("srflow", "cubic-rational-bounded", CubicBefore),
        ("srflow", "rq-bounded(bins=4)", RQBefore),
        ("glow", "rq-bounded(bins=4)", RQBefore),
    ],
)
def test_shipped_weights_decode_as_they_did(flow, coupling, before):
    now = invbench.load_flow(flow, coupling)
    old = copy.deepcopy(now)
    for layer in old.layers.values():
        if hasattr(layer, "coupling"):
            layer.coupling = before()
        elif type(layer) is Split:
            layer.__class__ = SplitBefore
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(1, 0 if flow == "glow" else 3, 8, 8, generator=generator)
    z = now.sample_latents(1, y, 0.9, generator)
    with torch.no_grad():
        x = now.decode(z, y)
        # the cubic's inverse iterated then, and is in closed form now
        near = 1e-4 if "cubic" in coupling else 0
        assert torch.allclose(x, old.decode(z, y), rtol=near, atol=near)
        (*zs, log_det), (*others, other) = (
            [*flow.encode(x, y)[0], flow.encode(x, y)[1]] for flow in (now, old)
        )
    assert all(torch.equal(a, b) for a, b in zip(zs, others, strict=True))
    assert torch.equal(log_det, other)


class TestWeights:
    def saved(self, cache, flow=NAME):
        target, coupling = resolve(flow, ("flow",)), resolve(COUPLING)
        file = weights_name(coupling.name, "mini", 0, target.options)
        path = cache / "weights" / target.entry.name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        card = {
            "flow": target.name,
            "coupling": coupling.name,
            "size": "mini",
            "coupling_digest": coupling.digest,
        }
        save_weights(target.make(coupling.make, "mini", 0), card, path)
        return path

    def test_they_have_a_file_of_their_own_and_are_loaded_by_name(self, cache):
        path = self.saved(cache)
        assert path.name == (
            "mini-cubic-rational-bounded-shift-2--conv1x1-orthogonal-split-bounded-seed0.safetensors"
        )
        coupling = resolve(COUPLING)
        assert find_weights("srflow(split=bounded,conv1x1=orthogonal)", coupling, "mini", 0) == path
        assert find_weights("srflow", coupling, "mini", 0) is None
        flow = invbench.load_flow(NAME, COUPLING)
        assert type(flow.layers["level1_split"]) is BoundedSplit
        with pytest.raises(UsageError, match=r"no weights of srflow \(mini, seed 0\)"):
            invbench.load_flow("srflow", COUPLING)
        with pytest.raises(UsageError, match=r"are of flow srflow\(conv1x1=orthogonal"):
            invbench.load_flow("srflow", COUPLING, weights=path)
        with pytest.raises(UsageError, match=r"invbench train 'srflow\(split=design\)'"):
            invbench.load_flow("srflow(split=design)", COUPLING)

    def test_shipped_designs_of_a_flow_are_those_without_its_options(self, tmp_path, monkeypatch):
        folder = tmp_path / "weights"
        folder.mkdir()
        for name, flow in (("mini-a-seed0", "srflow"), ("mini-b-split-seed0", NAME)):
            card = {"flow": flow, "coupling": name[5], "size": "mini"}
            (folder / f"{name}.json").write_text(json.dumps(card))
        monkeypatch.setitem(FLOWS["srflow"].metadata, "weights", folder)
        assert shipped_couplings("srflow", "mini") == ["a"]
        assert shipped_couplings(NAME, "mini") == ["b"]

    def test_a_certificate_by_the_command_line(self, cache, invbench):
        self.saved(cache)
        code, out, _ = invbench("certify", NAME, "--coupling", COUPLING, "--json")
        assert code == 0 and 0 < json.loads(out)["max_abs"] < 1000


def test_a_cell_says_the_options_and_has_the_digest_of_the_flows_code():
    from invbench.tracks.track import TRACKS

    plans = []
    for flow in ("", NAME):
        options = options_of("smoke", flow=flow, corruptions=("noise",))
        plans.append([completed(c) for c in TRACKS["sr"].plan(resolve(COUPLING), options)])
    plain, own = (plan[0] for plan in plans)
    assert (plain.settings["flow"], own.settings["flow"]) == ("srflow", NAME)
    assert plain.flow_digest == own.flow_digest != ""
    assert not {c.key for c in plans[0]} & {c.key for c in plans[1]}


def test_the_number_of_parameters_of_a_design_split():
    flow = resolve("srflow(split=design)", ("flow",)).make(lambda: RQBounded(bins=4), "mini", 0)
    split = flow.layers["level1_split"]
    assert split.network.head.out_channels == 11 * (12 - split.kept)

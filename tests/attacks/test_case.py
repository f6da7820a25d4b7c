"""What an attack finds, as a user gets it: a row, a folder with a picture, a replay; and pictures
of every kind as input."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import invbench as package
from invbench.attacks.case import read_case, replay_case
from invbench.cli.attack import _picture
from invbench.errors import UsageError
from invbench.runner.measure import measure_cell
from invbench.runner.run import plan
from invbench.store.store import Store
from invbench.tracks.budget import BUDGETS
from invbench.tracks.track import Options


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One smoke cell of an attack, and the case that it keeps."""
    folder = tmp_path_factory.mktemp("attacked")
    (spec,) = [
        s
        for s in plan(["sr"], ["affine"], Options(BUDGETS["smoke"], attacks=("latent",)))
        if "attack-" in s.case
    ]
    measure_cell(spec, folder)
    return folder


@pytest.fixture
def case(results):
    (folder,) = (results / "counterexamples").iterdir()
    return folder


def copied(case, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in case.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_an_attack_is_a_row_of_the_table_and_its_case_no_damaged_cell(results):
    cells, unreadable = Store(results).load()
    assert unreadable == []
    (cell,) = cells
    assert cell.status == "diverged"
    assert cell.numbers("max_abs_log10") == [math.inf, math.inf]
    assert max(cell.numbers("step_F1")) <= 8 and max(cell.numbers("first_F1")) <= max(
        cell.numbers("evaluations")
    )
    row = package.leaderboard("sr", results).iloc[0]
    assert (row.case, row.n, row.inf_pct) == ("embedded/attack-latent", 2, 100)


def test_a_case_holds_its_inputs_and_a_picture_and_fails_again(case):
    record, tensors = read_case(case)
    assert (record.attack, record.coupling, record.levels["F1"]) == ("latent", "affine", True)
    assert tensors["y"].shape == tensors["clean_y"].shape == (1, 3, 16, 16)
    with Image.open(case / "sheet.png") as picture:
        assert picture.width > 3 * picture.height
    _, verdict, notes = replay_case(case)
    assert verdict.levels == record.levels and notes == []


def test_a_harmless_input_does_not_fail_on_replay(case, tmp_path):
    folder = copied(case, tmp_path)
    tensors = load_file(folder / "tensors.safetensors")
    save_file(
        {k: v * 0.1 if k.startswith("latent") else v for k, v in tensors.items()},
        folder / "tensors.safetensors",
    )
    assert not any(replay_case(folder)[1].levels.values())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"coupling": "my.py"}, "--target my.py"),
        ({"coupling": "EVIL(bins=4)"}, "--target"),
        ({"flow": "EVIL"}, "--flow"),
        ({"flow": "EVIL:flow"}, "--flow"),
        ({"format": 99}, "another version"),
        ({"size": "vast"}, "no size 'vast'"),
        ({"levels": {"F9": True}}, "another version"),
        ({"surprise": 1}, "not a case"),
        ({"device": 3}, "not a case"),
    ],
)
def test_a_changed_record_is_refused_in_one_line(case, tmp_path, change, text):
    folder = copied(case, tmp_path)
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    change = {
        k: v.replace("EVIL", str(evil)) if isinstance(v, str) else v for k, v in change.items()
    }
    document = json.loads((folder / "case.json").read_text()) | change
    (folder / "case.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=text):
        replay_case(folder)
    assert not (tmp_path / "ran").exists()


def test_damaged_tensors_are_refused(case, tmp_path):
    folder = copied(case, tmp_path)
    tensors = load_file(case / "tensors.safetensors")
    (folder / "tensors.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(UsageError, match="not a case"):
        replay_case(folder)
    save_file({k: v for k, v in tensors.items() if k != "y"}, folder / "tensors.safetensors")
    with pytest.raises(UsageError, match="lacks y"):
        replay_case(folder)
    save_file(
        {k: v[:, :1].contiguous() for k, v in tensors.items()}, folder / "tensors.safetensors"
    )
    with pytest.raises(UsageError, match="do not fit"):
        replay_case(folder)
    (folder / "tensors.safetensors").unlink()
    with pytest.raises(UsageError, match=r"tensors\.safetensors"):
        replay_case(folder)


def test_the_command_replays_it(invbench, case):
    code, out, _ = invbench("replay", case)
    assert code == 1
    assert "srflow, affine, latent: still fails" in out
    code, out, _ = invbench("replay", case, "--json")
    assert json.loads(out)["levels"] == ["F1", "F2", "F3", "F4"]


class TestCommand:
    @pytest.fixture
    def picture(self, tmp_path):
        """A file of an image of this shape and dtype: grey, colour, alpha, 16 bits."""

        def write(shape, dtype=np.uint8):
            path = tmp_path / "picture.png"
            values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
            Image.fromarray(values).save(path)
            return path

        return write

    def attack(self, invbench, tmp_path, *arguments):
        fixed = (
            "--attack",
            "latent",
            "--budget",
            "smoke",
            "--results",
            tmp_path / "results",
            "--json",
        )
        code, out, error = invbench("attack", "srflow", *fixed, *arguments)
        return code, json.loads(out) if out else None, error

    @pytest.mark.parametrize(
        ("shape", "dtype"),
        [
            ((33, 47, 3), np.uint8),
            ((40, 40), np.uint8),
            ((40, 40), np.uint16),
            ((40, 41, 4), np.uint8),
        ],
        ids=["odd", "grey", "16-bit", "alpha"],
    )
    def test_takes_pictures_of_every_kind(self, invbench, tmp_path, picture, shape, dtype):
        code, found, _ = self.attack(
            invbench, tmp_path, "--image", picture(shape, dtype), "--coupling", "affine"
        )
        assert code == 1
        assert found["source"] == "picture.png"
        assert found["attacks"][0]["levels"]["F1"] and len(found["saved"]) == 1

    def test_a_picture_may_be_the_condition_itself(self, invbench, tmp_path, picture):
        code, found, _ = self.attack(
            invbench, tmp_path, "--image", picture((9, 12, 3)), "--as-condition"
        )
        assert code == 1
        assert load_file(f"{found['saved'][0]}/tensors.safetensors")["y"].shape == (1, 3, 8, 12)

    def test_what_is_too_small_or_no_picture_is_refused(self, invbench, tmp_path, picture):
        code, _, error = self.attack(invbench, tmp_path, "--image", picture((1, 1, 3)))
        assert (code, error) == (
            2,
            "invbench: picture.png has 1×1 pixels; this needs at least 16×16\n",
        )
        (tmp_path / "torn.png").write_bytes(picture((40, 40, 3)).read_bytes()[:200])
        code, _, error = self.attack(invbench, tmp_path, "--image", tmp_path / "torn.png")
        assert code == 2 and "not a readable image" in error
        assert not (tmp_path / "results").exists()

    def test_a_flow_that_survives_exits_0_and_saves_nothing(self, invbench, tmp_path):
        code, found, _ = self.attack(
            invbench, tmp_path, "--coupling", "modified-rq", "--temperature", "0.01"
        )
        assert code == 0
        assert found["saved"] == [] and not (tmp_path / "results").exists()

    def test_the_table_for_people_names_levels_and_the_picture(self, invbench, tmp_path):
        fixed = "--attack", "latent", "--budget", "smoke", "--results", tmp_path / "results"
        code, out, error = invbench("attack", "srflow", *fixed)
        assert code == 1
        assert (
            "not finite" in out
            and "F1: an element of x is not finite" in out
            and "sheet.png" in out
        )
        assert error.startswith("invbench replay ")


def test_a_flow_without_gradients_is_searched_without_and_says_so(invbench, tmp_path, monkeypatch):
    import torch

    from invbench.flows import ConditionalFlow

    plain = ConditionalFlow.trace
    monkeypatch.setattr(
        ConditionalFlow,
        "trace",
        lambda self, z, y: iter([(n, h.detach()) for n, h in plain(self, z, y)]),
    )
    names = [part for name in ("latent", "latent-squares") for part in ("--attack", name)]
    code, out, _ = invbench(
        "attack", "srflow", *names, "--budget", "smoke", "--results", tmp_path, "--json"
    )
    found = json.loads(out)
    assert code == 1 and torch.is_grad_enabled()
    latent, without = found["attacks"]
    assert (latent["steered"], latent["gradient_share"], latent["searched"]) == (False, 0, True)
    assert latent["levels"]["F2"] and without["levels"]["F2"]


@pytest.mark.parametrize(("as_condition", "high"), [(False, (3, 64, 64)), (True, None)])
def test_the_picture_is_made_for_the_scale_of_the_flow(as_condition, high):
    _, low, photograph = _picture(None, as_condition, 64, 8, 32)
    assert tuple(low.shape) == (3, 8, 8)
    assert (photograph is not None and tuple(photograph.shape)) == (high or False)

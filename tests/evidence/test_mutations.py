"""Files from elsewhere, damaged or malicious: read, or refused by name. The long form is
benchmarks/evidence/mutations.py."""

from __future__ import annotations

import os
import pickle
import random
import zlib
from pathlib import Path

import pytest
import torch

from invbench.errors import UsageError
from invbench.training.state_file import read_state
from tests.support.mutations import KINDS, Kind, judged
from tests.support.mutations.payloads import MARKER, Runs

FILES = 25  # of each kind


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bad(outcome) -> bool:
    """Time and memory are the script's business: here other tests run beside."""
    return outcome.what in ("crash", "executed")


@pytest.mark.parametrize("name", KINDS)
def test_mutated_files_are_read_or_refused(folder, name):
    for index in range(FILES):
        outcome = judged(
            KINDS[name], KINDS[name].mutated(random.Random(f"0/{name}/{index}")), folder
        )
        assert not bad(outcome), (index, outcome)


@pytest.mark.slow(reason="20 s: large files of each kind; mutated ones are in the test above")
@pytest.mark.parametrize("name", KINDS)
def test_files_made_to_harm_are_read_or_refused(folder, name):
    for what, make in KINDS[name].harmful().items():
        if "GiB" not in what:
            outcome = judged(KINDS[name], make(), folder)
            assert not bad(outcome), (what, outcome)


def test_a_reader_that_unpickles_is_caught(folder):
    """The marker works: what the readers are spared happens to one that is not careful."""
    careless = Kind(
        "weights",
        "pickle.loads",
        1,
        lambda rng: b"",
        lambda data, folder: str(pickle.loads(data)),
        dict,
    )
    assert (
        judged(careless, pickle.dumps(Runs(os.system, f"touch {MARKER}")), folder).what
        == "executed"
    )


def test_a_reader_that_raises_anything_else_is_caught(folder):
    careless = Kind(
        "weights", "zlib", 1, lambda rng: b"", lambda data, folder: str(zlib.decompress(data)), dict
    )
    assert judged(careless, b"no zlib", folder).what == "crash"


@pytest.mark.parametrize("older", [False, True], ids=["archive", "older format"])
def test_what_torch_saves_is_read_to_the_bit(tmp_path, older):
    """The steps of an honest file are all among those that are let through: every dtype,
    parameters, views, an ordered dict."""
    dtypes = (
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.uint8,
        torch.bool,
    )
    state = {str(dtype): torch.arange(6).to(dtype) for dtype in dtypes}
    state |= {
        "view": torch.arange(12.0).reshape(3, 4)[:, 1:3],
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(1.5),
    }
    layer = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    state |= layer.state_dict(keep_vars=True)
    path = tmp_path / "honest.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not older)
    found = read_state(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_a_tensor_larger_than_what_is_stored_for_it_is_refused(tmp_path):
    torch.save({"w": torch.zeros(1).expand(10**12)}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"unreadable or cut off \(a tensor of shape"):
        read_state(tmp_path / "w.pth")

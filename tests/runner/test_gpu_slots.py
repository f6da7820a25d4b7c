"""Which GPU a worker sees: arithmetic over GPUs that are fakes."""

from __future__ import annotations

import pytest

from invbench.errors import UsageError
from invbench.runner.gpu_slots import Gpu, environments, named_gpus, slots
from tests.support.pytest_runs import run_pytest

SMALL, LARGE = Gpu("3", 16), Gpu("GPU-8f2a", 80)
CONFTEST = """
from invbench.runner import gpu_slots as slots
slots.visible_gpus = lambda: [slots.Gpu("4", 10), slots.Gpu("7", 10)]
"""
TEST = """
import os
import pytest

@pytest.mark.parametrize("n", range(8))
def test_slot(n, worker_id):
    assert (worker_id, os.environ["CUDA_VISIBLE_DEVICES"]) in [("gw0", "4"), ("gw1", "7")]
"""


@pytest.mark.parametrize(
    ("visible", "count", "names"),
    [
        (None, 3, ["0", "1", "2"]),
        ("2,3", 2, ["2", "3"]),
        ("GPU-8f2a, MIG-77", 2, ["GPU-8f2a", "MIG-77"]),
        ("1,-1,2", 1, ["1"]),  # as CUDA does: nothing after the first that is none
        ("", 0, []),
    ],
)
def test_names_index_into_what_the_caller_has_set(visible, count, names):
    assert named_gpus(visible, count) == names


@pytest.mark.parametrize(
    ("gpus", "most", "share", "expected"),
    [
        ([SMALL], 8, None, ["3"]),  # 15.2 GiB hold one worker of 8
        ([Gpu("0", 4)], 8, None, ["0"]),  # smaller than a worker would like
        ([SMALL, LARGE], 5, None, ["3", "GPU-8f2a", "GPU-8f2a", "GPU-8f2a", "GPU-8f2a"]),
        ([SMALL, LARGE], 99, None, ["3"] + 9 * ["GPU-8f2a"]),
        ([Gpu("0", 80), Gpu("1", 80)], 4, None, ["0", "1", "0", "1"]),
        ([SMALL], 8, 0.25, 4 * ["3"]),
        ([], 8, None, []),
    ],
)
def test_workers_are_spread_and_as_many_as_memory_and_cores_hold(gpus, most, share, expected):
    assert slots(gpus, most, share) == expected


def test_workers_on_one_gpu_share_its_memory():
    assert environments(["0", "1", "0"]) == [
        {"CUDA_VISIBLE_DEVICES": "0", "INVBENCH_GPU_SHARE": "0.4750"},
        {"CUDA_VISIBLE_DEVICES": "1", "INVBENCH_GPU_SHARE": "0.9500"},
        {"CUDA_VISIBLE_DEVICES": "0", "INVBENCH_GPU_SHARE": "0.4750"},
    ]


class Noted:
    """A lane that only says which GPU it was given."""

    resident = ""

    def __init__(self, results, limits, environment):
        self.gpu = environment["CUDA_VISIBLE_DEVICES"]

    def prepare(self):
        pass

    def close(self):
        pass


def test_lanes_of_a_gpu_run_see_one_gpu_each(monkeypatch, tmp_path):
    from invbench.runner import engines, scheduler

    monkeypatch.setattr(scheduler, "Lane", Noted)
    monkeypatch.setattr(engines, "visible_gpus", lambda: [Gpu("4", 20), Gpu("7", 20)])
    monkeypatch.setattr(engines, "default_workers", lambda: 64)
    monkeypatch.setattr(engines, "require_device", lambda device: None)

    def seen(workers: int | None) -> list[str]:
        with (
            engines.open_engine(
                engines.EngineConfig(device="cuda", workers=workers), [None] * 99, tmp_path
            ) as engine,
            engine,
        ):
            return [lane.gpu for lane in engine.lanes]

    assert seen(None) == ["4", "7", "4", "7"]
    assert seen(3) == ["4", "7", "4"]
    assert seen(6) == ["4", "7", "4", "7", "4", "7"]  # more than fit, as the user wishes


def test_device_and_address_are_checked(monkeypatch, tmp_path):
    from invbench.runner.engines import EngineConfig, open_engine

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with (
        pytest.raises(UsageError, match="device 'cuda' is not available here"),
        open_engine(EngineConfig(device="cuda"), [], tmp_path),
    ):
        pass
    with pytest.raises(UsageError, match="add --engine ray"):
        open_engine(EngineConfig(address="auto"), [], tmp_path)
    with pytest.raises(UsageError, match="choose from local, ray"):
        open_engine(EngineConfig("slurm"), [], tmp_path)


def test_xdist_has_as_many_workers_as_the_gpus_hold_and_each_sees_its_own(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_slot.py").write_text(TEST)
    done = run_pytest(tmp_path, "-n", "auto", "--invbench-device", "cuda", "-v")
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout and "2 workers" in done.stdout

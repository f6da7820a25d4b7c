"""Cells on a Ray cluster of three nodes on this machine: the same to the bit as here, with one node
killed in the middle."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from invbench.errors import HarnessError
from invbench.extras import install
from invbench.runner.engines import EngineConfig, open_engine
from invbench.runner.ray_engine import _room
from invbench.runner.ray_worker import NodeLane, RayLane, Sent
from invbench.runner.remote_files import package_digest
from invbench.runner.scheduler import LaneLost, drive, run_cells
from invbench.store.cell import Cell
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.self_test import self_test_specs

BESIDE = """
import torch
def zeros(x):
    return torch.zeros_like(x)
"""
ENTRY = """
import invbench
from beside import zeros

@invbench.coupling("shipped")
class Shipped(invbench.Elementwise):
    n_params = 1
    def forward(self, x, params):
        return x + params[0], zeros(x)
    def inverse(self, y, params):
        return y - params[0], zeros(y)
"""


@pytest.fixture
def entry(tmp_path, monkeypatch, own_registries) -> Path:
    """A file that imports from one beside it."""
    folder = tmp_path / "entry"
    folder.mkdir()
    (folder / "beside.py").write_text(BESIDE)
    (folder / "shipped.py").write_text(ENTRY)
    monkeypatch.syspath_prepend(folder)
    yield folder / "shipped.py"
    sys.modules.pop("beside", None)


@pytest.fixture
def cluster(monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed here: pip install 'invbench[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    found = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    yield found, [found.add_node(**node) for _ in range(2)]
    found.shutdown()


@pytest.mark.slow(reason="33 s: a cluster of three nodes")
def test_a_node_killed_in_the_middle_changes_no_number(cluster, entry, tmp_path, monkeypatch):
    nodes, others = cluster
    specs = self_test_specs(resolve("affine"), 12, 200) + self_test_specs(
        resolve(str(entry)), 12, 200
    )
    run_cells(specs, 1, tmp_path / "local", lambda cell: None)
    lost: list[str] = []
    measure = RayLane.measure

    def noted(lane, spec):
        try:
            return measure(lane, spec)
        except LaneLost as error:
            lost.append(str(error))
            raise

    monkeypatch.setattr(RayLane, "measure", noted)
    done: list[Cell] = []

    def finish(cell: Cell) -> None:
        if not done:
            nodes.remove_node(others[0], allow_graceful=False)
        done.append(cell)

    with open_engine(EngineConfig("ray", address=nodes.address), specs, tmp_path / "ray") as engine:
        assert len(engine.lanes) == 3
        for lane in engine.lanes:
            lane.prepare()
        for file in entry.parent.glob("*.py"):  # what a node has of it was sent
            os.remove(file)
        drive(engine, specs, finish, lambda spec: 0.0)
    here, there = (
        {c.key: (c.status, c.reason, c.measures) for c in Store(tmp_path / n).load()[0]}
        for n in ("local", "ray")
    )
    assert len(here) == len(done) == 24
    assert here == there
    assert {status for status, *_ in there.values()} == {"ok"}
    assert lost


def test_without_ray_the_command_says_what_to_install(invbench, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    run = (
        "run",
        "--track",
        "coupling",
        "--entry",
        "affine",
        "--engine",
        "ray",
        "--results",
        tmp_path / "results",
    )
    code, _, error = invbench(*run)
    assert (code, error) == (2, f"invbench: --engine ray needs Ray: {install('ray')}\n")


def test_a_node_with_other_code_is_refused():
    node = NodeLane.__new__(NodeLane)
    assert node.differs(package_digest()) == ""
    assert "another invbench than this machine; install the same on every node" in node.differs(
        "0" * 16
    )


@pytest.mark.parametrize(
    ("resources", "options", "room"),
    [
        ({"CPU": 12}, {"num_cpus": 1}, 12),
        ({"CPU": 12, "GPU": 2}, {"num_cpus": 1, "num_gpus": 0.25}, 8),
        ({"CPU": 12, "GPU": 2}, {"num_cpus": 1, "num_gpus": 0.4}, 4),  # none lies across two GPUs
        ({"CPU": 3, "GPU": 2}, {"num_cpus": 1, "num_gpus": 0.1}, 3),
        ({"CPU": 12, "GPU": 5}, {"num_cpus": 1, "num_gpus": 2}, 2),
        ({"CPU": 12}, {"num_cpus": 1, "num_gpus": 1}, 0),
    ],
)
def test_a_cluster_has_room_by_cores_and_parts_of_gpus(resources, options, room):
    assert _room(resources, options) == room


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: Sent(cell.model_copy(update={"key": "0" * 24}).model_dump_json().encode()),
        lambda cell: Sent(cell.model_dump_json().encode(), cases={"../../out": {"case.json": b""}}),
        lambda cell: Sent(cell.model_dump_json().encode(), cases={"case": {"../out": b""}}),
        lambda cell: Sent(
            cell.model_dump_json().encode(), cases={"case": {"large": b"0" * (65 * 2**20)}}
        ),
        lambda cell: Sent(b"[" * 100_000),
    ],
    ids=["another cell", "folder outside", "file outside", "too large", "no cell"],
)
def test_what_a_node_sends_is_data_and_writes_nothing_else(tmp_path, change):
    (spec,) = self_test_specs(resolve("affine"), 1)
    lane = RayLane(tmp_path / "results", {}, ())
    with pytest.raises(HarnessError):
        lane._write(spec, change(Cell(key=spec.key, spec=spec, status="ok")))
    assert list(tmp_path.iterdir()) == []


def test_what_a_node_sends_is_written_as_it_would_be_here(tmp_path):
    (spec,) = self_test_specs(resolve("affine"), 1)
    cell = Cell(key=spec.key, spec=spec, status="diverged")
    sent = Sent(cell.model_dump_json().encode(), b"said", {"a-case": {"case.json": b"{}"}})
    RayLane(tmp_path, {}, ())._write(spec, sent)
    assert Store(tmp_path).get(spec).status == "diverged"
    assert (tmp_path / spec.path).with_suffix(".log").read_bytes() == b"said"
    assert (tmp_path / "counterexamples" / "a-case" / "case.json").read_bytes() == b"{}"

"""A lane on a node of a Ray cluster: the guarded process of ``Lane`` there, its cells written
here."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from invbench.errors import HarnessError
from invbench.files import write_atomically
from invbench.runner.local_worker import LOG_BYTES, Lane, Limits, code_of
from invbench.runner.remote_files import Luggage, package_digest
from invbench.runner.scheduler import LaneLost
from invbench.store.cell import FAILED, Cell, CellSpec
from invbench.store.store import MAX_BYTES, Store
from invbench.store.write_cell import save_case

__all__ = ["NodeLane", "RayLane"]

STARTS = 3  # of an actor that does not come up
CLOSE_SECONDS = 3.0
CASE_BYTES = 64 * 2**20  # of the cases that a cell may bring along


@dataclass(frozen=True)
class Sent:
    """A cell as JSON, the end of what its entry printed, and its cases: folder → file → content."""

    cell: bytes
    log: bytes = b""
    cases: dict[str, dict[str, bytes]] = field(default_factory=dict)


class NodeLane:
    """The end on the node, an actor. Nothing of an entry runs in it: that is the guarded process's
    business."""

    def __init__(
        self,
        luggage: Luggage,
        seconds: float | None,
        gigabytes: float | None,
        environment: dict[str, str],
    ) -> None:
        """``gigabytes``: None for an equal share of this machine among its cores that Ray may
        use."""
        self._luggage = luggage
        self._folder = Path(tempfile.mkdtemp(prefix="invbench-node-"))
        luggage.unpack(self._folder / "luggage")
        # what stands beside an entry's file is imported from there
        sys.path += sorted(
            {str((self._folder / "luggage" / name).parent) for name in luggage.files}
        )
        limits = Limits.for_workers(_cores_of_node(), seconds, gigabytes)
        self._lane = Lane(self._folder / "results", limits, environment)

    def differs(self, version: str) -> str:
        """What is wrong with this node; empty when it measures by the same code."""
        if package_digest() == version:
            return ""
        return (
            f"node {platform.node()} has another invbench than this machine; install the "
            f"same on every node"
        )

    def measure(self, request: str, target: str, weights: str) -> Sent:
        spec = CellSpec.model_validate_json(request).model_copy(
            update={"target": target, "weights": weights}
        )
        cell = self._lane.measure(self._luggage.there(spec, self._folder / "luggage"))
        results = self._folder / "results"
        log = (results / spec.path).with_suffix(".log")
        cases = {
            folder.name: {
                file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()
            }
            for folder in sorted((results / "counterexamples").glob("*"))
        }
        sent = Sent(
            cell.model_dump_json().encode(), log.read_bytes() if log.is_file() else b"", cases
        )
        shutil.rmtree(results, ignore_errors=True)
        return sent

    def close(self) -> None:
        self._lane.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _cores_of_node() -> int:
    import ray

    own = ray.get_runtime_context().get_node_id()
    return max(
        [
            1,
            *(
                int(node["Resources"].get("CPU", 1))
                for node in ray.nodes()
                if node["NodeID"] == own
            ),
        ]
    )


class RayLane:
    """The end on this machine. ``options``: what Ray reserves for the actor (num_cpus,
    num_gpus)."""

    def __init__(
        self, results: Path, options: dict[str, float], arguments: tuple[Any, ...]
    ) -> None:
        self._results, self._options, self._arguments = results, options, arguments
        self.resident = ""
        self._actor: Any = None
        self._ready = self._closed = False
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Wait for an actor where there is room for one. Raises ``HarnessError`` when none comes
        up, or its node has other code."""
        import ray

        for attempt in range(STARTS):
            actor = self._start()
            if self._ready:
                return
            try:
                problem = ray.get(actor.differs.remote(package_digest()))
            except ray.exceptions.RayError as error:
                self._drop()
                if attempt + 1 == STARTS or self._closed:
                    raise HarnessError(
                        f"no worker of invbench starts on the cluster: {_last_line(error)}"
                    ) from None
                continue
            if problem:
                raise HarnessError(problem)
            self._ready = True
            return

    def _start(self) -> Any:
        import ray

        with self._lock:
            if self._closed:
                raise HarnessError("the run was stopped")
            if self._actor is None:
                self._actor = (
                    ray.remote(NodeLane)
                    .options(max_concurrency=2, **self._options)
                    .remote(*self._arguments)
                )
            return self._actor

    def measure(self, spec: CellSpec) -> Cell:
        import ray

        request = spec.model_dump_json()
        try:
            sent = ray.get(self._actor.measure.remote(request, spec.target, spec.weights))
        except ray.exceptions.RayTaskError as error:
            raise HarnessError(f"a node failed: {_last_line(error)}") from None
        except ray.exceptions.RayError as error:  # its process, its node, or what it sent is gone
            self._drop()
            raise LaneLost(_last_line(error)) from None
        cell = self._write(spec, sent)
        self.resident = "" if cell.status in FAILED else code_of(spec) or self.resident
        return cell

    def _write(self, spec: CellSpec, sent: Sent) -> Cell:
        """What came from the node, as data: only this cell, and its cases below
        ``counterexamples/``."""
        brought = [data for case in sent.cases.values() for data in case.values()]
        names = [*sent.cases, *(file for case in sent.cases.values() for file in case)]
        if len(sent.cell) > MAX_BYTES or sum(map(len, brought)) > CASE_BYTES:
            raise HarnessError(f"{spec.path}: more than a cell may hold came back")
        try:
            cell = Cell.model_validate_json(sent.cell)
        except ValidationError as error:
            raise HarnessError(
                f"{spec.path}: no cell came back: {error.errors()[0]['msg']}"
            ) from None
        if (
            cell.key != spec.key
            or cell.spec.key != spec.key
            or any(Path(name).name != name for name in names)
        ):
            raise HarnessError(f"{spec.path}: something else came back")
        # before the cell: a cell that is there has its cases
        for name, files in sent.cases.items():
            save_case(self._results, name, files)
        if sent.log:
            write_atomically((self._results / spec.path).with_suffix(".log"), sent.log[-LOG_BYTES:])
        Store(self._results).write(cell)
        return cell

    def _drop(self) -> None:
        """The actor is not asked again, also where it still lives and only cannot be reached."""
        with self._lock:
            actor, self._actor, self._ready, self.resident = self._actor, None, False, ""
        if actor is not None:
            _kill(actor)

    def close(self) -> None:
        import ray

        with self._lock:
            self._closed, actor = True, self._actor
        if actor is None or not ray.is_initialized():
            return
        with contextlib.suppress(ray.exceptions.RayError):
            # beside a cell that is being measured, which it ends
            ray.get(actor.close.remote(), timeout=CLOSE_SECONDS)
        _kill(actor)


def _kill(actor: Any) -> None:
    import ray

    with contextlib.suppress(Exception):
        ray.kill(actor)


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:300]

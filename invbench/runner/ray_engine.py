"""The engine on a Ray cluster, or on a Ray of its own on this machine (extra ``[ray]``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from invbench.errors import UsageError
from invbench.extras import install
from invbench.runner.local_worker import FOLDERS
from invbench.runner.ray_worker import RayLane
from invbench.runner.remote_files import pack
from invbench.runner.scheduler import Engine, default_workers
from invbench.store.cell import CellSpec

__all__ = ["ray_engine"]

OBJECTS = 256 * 2**20  # bytes of object store of a Ray of our own: cells are small


@contextmanager
def ray_engine(
    specs: Sequence[CellSpec],
    results: Path,
    workers: int | None = None,
    seconds: float | None = None,
    gigabytes: float | None = None,
    device: str = "cpu",
    share: float | None = None,
    address: str = "",
) -> Iterator[Engine]:
    """Lanes for these cells, each a core and for ``device`` cuda also ``share`` of a GPU, a whole
    one by default. ``workers``: as many as the cluster has room for by default; more wait for nodes
    to come. ``address``: of the head of a cluster, ``auto`` for the one that runs on this machine;
    none means ``RAY_ADDRESS``, a connection that the caller has, or a Ray of our own. Raises
    ``UsageError`` without Ray or cluster.
    """
    ray = _ray()
    luggage = pack(specs)
    ours = not ray.is_initialized()
    if ours:
        _connect(
            ray,
            address or os.environ.get("RAY_ADDRESS", ""),
            workers,
            sum(map(len, luggage.files.values())),
        )
    try:
        options = (
            {"num_cpus": 1.0} if device == "cpu" else {"num_cpus": 1.0, "num_gpus": share or 1.0}
        )
        room = _room(ray.cluster_resources(), options)
        if not room and workers is None:
            raise UsageError(
                f"the cluster has no room for a worker of {options}; its nodes have "
                f"{ray.cluster_resources()}"
            )
        environment = {k: v for k, v in os.environ.items() if k.startswith("INVBENCH_")}
        environment |= {
            name: os.path.abspath(environment[name]) for name in FOLDERS if environment.get(name)
        }
        if share:
            environment["INVBENCH_GPU_SHARE"] = str(share)
        arguments = (ray.put(luggage), seconds, gigabytes, environment)
        count = min(workers or room, len(specs))
        yield Engine([RayLane(results, options, arguments) for _ in range(count)], results)
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError(f"--engine ray needs Ray: {install('ray')}") from None
    return ray


def _connect(ray: Any, address: str, workers: int | None, luggage: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = (str(error).splitlines() or [""])[0]
            raise UsageError(
                f"--address {address}: no Ray cluster answers there ({first}); ray start --head "
                f"starts one"
            ) from None
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    cores = workers or default_workers()
    ray.init(
        "local",
        num_cpus=cores,
        include_dashboard=False,
        object_store_memory=OBJECTS + 2 * luggage,
        **quiet,
    )


def _room(resources: dict[str, float], options: dict[str, float]) -> int:
    """Workers that fit; a worker on a GPU does not span two of them."""
    cores = resources.get("CPU", 0) / options["num_cpus"]
    share = options.get("num_gpus")
    if not share:
        return int(cores)
    whole = resources.get("GPU", 0)
    return int(min(cores, whole * (1 // share) if share < 1 else whole // share))

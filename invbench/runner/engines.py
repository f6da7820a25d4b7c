"""The engines by name: each is opened for the cells that it is to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from invbench.devices import require_device
from invbench.errors import UsageError
from invbench.runner.gpu_slots import environments, slots, visible_gpus
from invbench.runner.local_worker import Limits
from invbench.runner.ray_engine import ray_engine
from invbench.runner.scheduler import Engine, default_workers, local_engine
from invbench.store.cell import CellSpec

__all__ = ["ENGINES", "EngineConfig", "open_engine", "require_engine"]


@dataclass(frozen=True)
class EngineConfig:
    """What cells run on. ``workers``: None for as many as there is room for; ``seconds`` and
    ``gigabytes``: limits of a cell, None for the defaults; ``share`` of a GPU that a worker has,
    None for as much as it needs; ``address`` of a cluster."""

    engine: str = "local"
    workers: int | None = None
    seconds: float | None = None
    gigabytes: float | None = None
    device: str = "cpu"
    share: float | None = None
    address: str = ""


def require_engine(name: str, address: str) -> None:
    """Raises ``UsageError`` for an engine that is not known, and for an address that it has no use
    for."""
    if name not in ENGINES:
        raise UsageError(f"engine {name!r} is not known; choose from {', '.join(ENGINES)}")
    if address and name != "ray":
        raise UsageError("--address is of a Ray cluster: add --engine ray")


def open_engine(
    config: EngineConfig, specs: Sequence[CellSpec], results: Path
) -> AbstractContextManager[Engine]:
    """Raises ``UsageError`` for an engine, device or cluster that is not there."""
    require_engine(config.engine, config.address)
    return ENGINES[config.engine](config, specs, results)


@contextmanager
def _local(config: EngineConfig, specs: Sequence[CellSpec], results: Path) -> Iterator[Engine]:
    require_device(config.device)
    workers = config.workers or default_workers()
    places: list[dict[str, str]] = []
    if config.device != "cpu":
        names = slots(visible_gpus(), default_workers(), config.share)
        if config.workers and len(names) < config.workers:  # more than fit, as the user wishes
            names = [names[k % len(names)] for k in range(config.workers)]
        places = environments(names[: config.workers or len(names)])
        workers = len(places)
    workers = min(workers, len(specs))
    yield local_engine(
        workers, results, Limits.for_workers(workers, config.seconds, config.gigabytes), places
    )


def _ray(
    config: EngineConfig, specs: Sequence[CellSpec], results: Path
) -> AbstractContextManager[Engine]:
    return ray_engine(
        specs,
        results,
        config.workers,
        config.seconds,
        config.gigabytes,
        config.device,
        config.share,
        config.address,
    )


ENGINES: dict[
    str, Callable[[EngineConfig, Sequence[CellSpec], Path], AbstractContextManager[Engine]]
] = {
    "local": _local,
    "ray": _ray,
}

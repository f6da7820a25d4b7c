"""Fixtures that several test files share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invbench.cli.main import main
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, DenseConditioner
from invbench.registry import COUPLINGS, FLOWS, LAYERS
from invbench.store.cell import Cell
from invbench.store.store import Store
from invbench.studies.study import Study
from tests.support.data_folder import DataFolder
from tests.support.made_study import made_study


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker keeps a file, with what its tests share, until another has nothing left to do. A hook
    and no option of pyproject.toml, which the suites could not start with where xdist is missing."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.fixture(params=(torch.float32, torch.float64), ids=("float32", "float64"))
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The test's own cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("INVBENCH_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_perceptual_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plans of tests are those of whoever has no weights of LPIPS."""
    monkeypatch.delenv("INVBENCH_LPIPS", raising=False)


@pytest.fixture(autouse=True, scope="module")
def registries_of_the_module() -> Iterator[None]:
    """What a file of tests registers is forgotten at its end: another file in the same process
    would meet it."""
    with COUPLINGS.restored(), LAYERS.restored(), FLOWS.restored():
        yield


@pytest.fixture
def own_registries() -> Iterator[None]:
    """What the test registers is forgotten afterwards."""
    with COUPLINGS.restored(), LAYERS.restored(), FLOWS.restored():
        yield


@pytest.fixture
def invbench(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_registries: None,
    cache: Path,
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line; returns (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["invbench", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """``results(cell, …)`` writes cells and returns their folder."""

    def write(*cells: Cell) -> Path:
        for cell in cells:
            Store(tmp_path).write(cell)
        return tmp_path

    return write


@pytest.fixture
def uniform() -> Callable[..., Tensor]:
    """``uniform(low, high, *shape, dtype=…, seed=…)``: drawn in float64, then rounded."""

    def draw(
        low: float, high: float, *shape: int, dtype: torch.dtype = torch.float64, seed: int = 0
    ) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        u = torch.rand(*shape, generator=generator, dtype=torch.float64)
        return (low + (high - low) * u).to(dtype)

    return draw


@pytest.fixture
def tiny_flow() -> Callable[..., ConditionalFlow]:
    """``tiny_flow(coupling, seed)``: the toy's flow, two steps of width 8; x: (B, 2), y: (B, 2)."""

    def build(coupling: str = "affine", seed: int = 0) -> ConditionalFlow:
        conditioner = partial(DenseConditioner, width=8, hidden=1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: dict[str, nn.Module] = {}
            for step in (1, 2):
                layers[f"step{step}_actnorm"] = ActNorm(2)
                layers[f"step{step}_conv1x1"] = Conv1x1(2)
                layers[f"step{step}_coupling"] = ConditionalCoupling(
                    COUPLINGS[coupling].obj(), 2, 1, 2, conditioner
                )
            return ConditionalFlow(layers, nn.Identity(), lambda y: [(2,)])

    return build


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DataFolder:
    """``INVBENCH_DATA`` of one test, empty at first."""
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    return DataFolder(tmp_path)


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """``study(*cells, path=table…)``: a results folder of these cells, and of tables by path."""
    return partial(made_study, tmp_path)

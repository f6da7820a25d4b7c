"""One cell where memory is short, the device fails, or the entry is not the one that was
planned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from invbench.data.datasets import Pair
from invbench.registry import COUPLINGS
from invbench.runner.local_worker import Lane, Limits
from invbench.runner.measure import measure_cell
from invbench.runner.remote_files import pack
from invbench.runner.run import options_of, plan
from invbench.store.cell import CellSpec
from invbench.targets import resolve
from invbench.tracks.measuring.samples import measure_samples
from invbench.tracks.self_test import self_test_specs
from invbench.training.weights import load_flow, save_weights, weights_name

ENTRIES = """
import torch
import invbench
import invbench.runner.measure as measure
from invbench.couplings.additive import Additive

def short_of_memory(limit):
    class Short(Additive):
        def inverse(self, y, params):
            if len(y) > limit:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return super().inverse(y, params)
    return Short

five, four = (invbench.coupling(f"short-{n}")(short_of_memory(n)) for n in (5, 4))

record, cells = measure.record, []

def counted(*arguments):
    cells.append(1)
    return record(*arguments)

@invbench.coupling("poisons")
class Poisons(invbench.Elementwise):
    n_params = 1
    def forward(self, x, params):
        return x + params[0], torch.zeros_like(x)
    def inverse(self, y, params):
        measure.record = counted
        if cells:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return y - params[0], torch.zeros_like(y)
"""


@pytest.fixture
def file(tmp_path, own_registries) -> Path:
    path = tmp_path / "entries.py"
    path.write_text(ENTRIES)
    return path


def sr_spec(target: str) -> CellSpec:
    options = options_of("smoke")
    (found,) = [s for s in plan(["sr"], [target], options) if s.case == "embedded/noise-3"]
    return found


@pytest.fixture
def trained(file, cache):
    """``trained(name)``: the target of the file under the weights of additive, which it is but for
    its memory."""

    def write(name: str) -> str:
        target = resolve(f"{file}:{name}")
        path = cache / "weights" / "srflow" / weights_name(name, "mini", 0)
        save_weights(load_flow("srflow", "additive"), {"coupling_digest": target.digest}, path)
        return target.spec

    return write


@pytest.mark.slow(reason="8 s: processes that run out of memory")
def test_out_of_memory_halves_the_batch_once_and_says_so(trained, tmp_path):
    whole, halved = (
        measure_cell(sr_spec(target), tmp_path) for target in ("additive", trained("short-5"))
    )
    assert [(c.status, c.spec.batch_size) for c in (whole, halved)] == [("ok", 10)] * 2
    assert (whole.reason, halved.reason) == (
        "",
        "out of memory with a batch of 10: measured with 5",
    )
    assert list(whole.measures) == list(halved.measures)
    # the same latents in two parts: rounding is all that may differ
    for name in set(whole.measures) - {"names"}:
        assert halved.measures[name] == pytest.approx(whole.measures[name], rel=1e-4, abs=1e-5), (
            name
        )


def test_out_of_memory_at_half_the_batch_is_the_cells_outcome(trained, tmp_path):
    cell = measure_cell(sr_spec(trained("short-4")), tmp_path)
    assert (cell.status, cell.spec.batch_size) == ("oom", 10)
    assert "CUDA out of memory" in cell.reason


@pytest.mark.parametrize("word", ["source", "weights"])
def test_what_is_not_what_was_planned_is_not_measured(trained, file, tmp_path, word):
    spec = sr_spec(trained("short-5"))
    if word == "source":
        file.write_text(ENTRIES + "\nedited = 1\n")
    else:
        spec = spec.model_copy(update={"weights_digest": "of another training"})
    cell = measure_cell(spec, tmp_path)
    assert cell.status == "error" and cell.measures == {}
    assert f"short-5: its {word}" in cell.reason


def test_a_fault_of_the_device_that_an_earlier_cell_left_costs_a_process_and_no_row(file, tmp_path):
    """The entry makes every cell fail but the first of its process, as a poisoned CUDA context
    does."""
    options = [options_of("smoke", dtype=dtype) for dtype in ("float32", "float64")]
    specs = [
        s
        for o in options
        for s in plan(["coupling"], [f"{file}:poisons"], o)
        if s.measure == "slopes"
    ]
    lane = Lane(tmp_path, Limits(seconds=300))
    cells = [lane.measure(spec) for spec in specs]
    lane.close()
    assert [(cell.status, cell.reason) for cell in cells] == [("ok", "")] * 2


@pytest.mark.slow(reason="8 s: a process without the package")
def test_a_cell_is_the_same_where_only_its_luggage_is(trained, file, tmp_path, monkeypatch):
    """On another machine: no file of the entry, no weights in the cache."""
    spec = sr_spec(trained("short-5"))
    here = measure_cell(spec, tmp_path / "here")
    luggage = pack([spec])
    file.unlink()
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "empty"))
    luggage.unpack(tmp_path / "there")
    for name in ("short-4", "short-5", "poisons"):  # another process knows nothing of the file yet
        COUPLINGS.forget(name)
    moved = luggage.there(spec, tmp_path / "there")
    assert moved.key == spec.key
    there = measure_cell(moved, tmp_path / "results")
    assert (there.status, there.reason, there.measures) == (here.status, here.reason, here.measures)
    (tmp_path / "there" / spec.entry_digest / file.name).write_text(ENTRIES.replace("2.00", "3.00"))
    assert "its source is not the one" in measure_cell(moved, tmp_path / "results").reason


def test_what_ships_with_invbench_needs_no_luggage():
    assert pack([sr_spec("affine"), *self_test_specs(resolve("rq(bins=4)"), 2)]).files == {}


def test_samples_are_judged_in_the_dtype_of_the_flow():
    """1e50 is a finite float64 and no float32."""

    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

        def sample_latents(self, n, y, temperature, generator):
            return [torch.zeros(n, 3, 4, 4, dtype=torch.float64)]

        def encode(self, x, y):
            return [x], x.new_zeros(len(x))

        def decode(self, latents, y):
            return latents[0] + 1e50

    pair = Pair("one", torch.zeros(3, 4, 4), torch.zeros(3, 4, 4))
    settings = {"samples": 2, "temperature": 1.0}
    spec = CellSpec(
        track="sr",
        entry="large",
        dataset="embedded",
        corruption="clean",
        entry_digest="d",
        dtype="float64",
        settings=settings,
    )
    found = measure_samples(
        spec,
        Large(),
        [pair],
        [pair.low],
        lambda samples, pair: {"psnr": float(samples.isinf().all())},
    )
    assert found.status == "ok"
    assert (found.measures["inf"], found.measures["error"], found.measures["psnr"]) == (
        [0],
        [1],
        [1.0],
    )
    assert found.measures["max_abs_log10"] == pytest.approx([50])

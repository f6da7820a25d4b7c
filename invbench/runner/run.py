"""Fill the leaderboard: plan the cells, skip what is there, run the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

from invbench.errors import UsageError
from invbench.laws.dtypes import parse_dtype
from invbench.registry import ATTACKS, CORRUPTIONS, COUPLINGS, FLOWS
from invbench.runner.cost import Costs, Remaining, longest_first
from invbench.runner.engines import EngineConfig, open_engine
from invbench.runner.scheduler import drive
from invbench.store.cell import FAILED, Cell, CellSpec, Status
from invbench.store.store import Store
from invbench.targets import Target, resolve, resolve_all, without_options
from invbench.tracks import TRACKS
from invbench.tracks.budget import BUDGETS
from invbench.tracks.track import RADIUS_SEARCH, Options, Track
from invbench.tracks.versions import completed
from invbench.training.published import PUBLISHED
from invbench.training.weights import find_weights, load_flow, shipped_couplings

__all__ = [
    "Outcome",
    "Survey",
    "measurable",
    "options_of",
    "plan",
    "run",
    "survey",
    "unplanned",
]


@dataclass(frozen=True)
class Outcome:
    """``planned`` cells, of which ``finished`` were there before; ``ran`` counts the others by
    status."""

    planned: int
    finished: int
    ran: dict[str, int]
    failures: list[str]


@dataclass(frozen=True)
class Survey:
    """What there is to do: ``planned`` cells, those of them that are ``missing``, longest first,
    and what cells have taken so far."""

    planned: list[CellSpec]
    missing: list[CellSpec]
    costs: Costs


def survey(
    tracks: Sequence[str],
    entries: Sequence[str],
    options: Options,
    results: Path,
    retry: Sequence[str] = (),
) -> Survey:
    """``plan``, less the cells of ``results`` whose status is not in ``retry``. Nothing runs."""
    if unknown := sorted(set(retry) - set(get_args(Status))):
        raise UsageError(
            f"--retry {unknown[0]}: no such status; choose from {', '.join(get_args(Status))}"
        )
    # an entry may be named twice
    specs = list({spec.key: spec for spec in plan(tracks, entries, options)}.values())
    cells = {cell.key: cell for cell in Store(results).load()[0]}
    missing = [s for s in specs if (cell := cells.get(s.key)) is None or cell.status in retry]
    costs = Costs(cells.values())
    return Survey(specs, longest_first(missing, costs), costs)


def plan(tracks: Sequence[str], entries: Sequence[str], options: Options) -> list[CellSpec]:
    """Every cell of these tracks and entries. Raises ``UsageError`` for what does not exist, before
    anything runs.

    Entries are interleaved, and a model's first cells come before its others, so that two workers
    rarely train the same model.
    """
    for name in tracks:
        if name not in TRACKS:
            raise UsageError(
                f"track {name!r} is not known; known: {', '.join(TRACKS)} (invbench list tracks)"
            )
    for name in options.corruptions:
        CORRUPTIONS[name]
    for name in options.attacks:
        if name != RADIUS_SEARCH:
            ATTACKS[name]
    parse_dtype(options.dtype)
    _check_data([TRACKS[name] for name in tracks], options.datasets)
    _check_model([TRACKS[name] for name in tracks], entries, options)
    planned = []
    for name in tracks:
        track = TRACKS[name]
        if flow := options.flow or _flow_of(name):
            resolve(flow, ("flow",))  # raises, with what to install
        specs = entries or builtin_entries(options.flow or track.weights, options.size)
        targets: list[Target] = [target for spec in specs for target in resolve_all(spec)]
        chosen = (
            replace(options, datasets=tuple(filter(track.data.accepts, options.datasets)))
            if track.data
            else options
        )
        per_entry = [track.plan(target, chosen) for target in targets]
        planned += [
            completed(spec)
            for group in zip_longest(*per_entry)
            for spec in group
            if spec is not None
        ]
    return planned


def _check_data(tracks: Sequence[Track], datasets: Sequence[str]) -> None:
    """Raise ``UsageError`` for a data set that none of the tracks knows, or that is not there."""
    reading = [track.data for track in tracks if track.data]
    for name in datasets:
        for data in [data for data in reading if data.accepts(name)] or reading[:1]:
            try:
                data.check(name)
            except UsageError as error:
                raise UsageError(f"--data {name}: {error}") from None


def _check_model(tracks: Sequence[Track], entries: Sequence[str], options: Options) -> None:
    """Raise ``UsageError`` for a flow, size or weights that cannot be measured as asked."""
    if not options.flow:
        if options.weights or options.size != "mini":
            raise UsageError("--weights and --size are of a flow: name it with --flow")
        return
    entry = resolve(options.flow, ("flow",)).entry
    if (
        len(tracks) != 1
        or not tracks[0].chooses_flow
        or entry.metadata.get("track") != (tracks[0].flows_of or tracks[0].name)
    ):
        raise UsageError(
            f"--flow {options.flow} belongs to one track: add --track {entry.metadata.get('track')}"
        )
    if options.size not in entry.metadata["sizes"]:
        raise UsageError(
            f"flow {options.flow!r} has no size {options.size!r}; sizes: "
            f"{', '.join(entry.metadata['sizes'])}"
        )
    if options.weights is None:
        return
    if len(entries) != 1 or (options.seeds or 1) != 1:
        raise UsageError("--weights are of one design and seed: name its coupling with one --entry")
    (target,) = resolve_all(entries[0])
    # says now what is wrong with them
    load_flow(options.flow, target, options.size, options.weights)


def builtin_entries(flow: str = "", size: str = "mini") -> list[str]:
    """Names of the couplings that ship with invbench; of a ``flow`` those that have weights of it,
    and variants like ``rq(bins=4)`` whose weights ship. Where the flow is not installed, those of
    its published trainings: the toy, which trains its own, has the same designs either way."""
    if flow and without_options(flow) not in FLOWS:
        return sorted({one.coupling for one in PUBLISHED if (one.flow, one.size) == (flow, size)})
    names = [
        name
        for name, entry in COUPLINGS.items()
        if entry.obj.__module__.startswith("invbench.couplings.")
    ]
    if not flow:
        return names
    variants = [name for name in shipped_couplings(flow, size) if name not in names]
    return [name for name in names + variants if find_weights(flow, resolve_all(name)[0], size, 0)]


def unplanned(track: str) -> str:
    """Why a track has nothing to measure, and what to do."""
    flow = TRACKS[track].weights
    command = f"invbench train {flow} --coupling affine, or name a design with --entry"
    return f"track {track}: nothing to measure" + (
        f", no design has weights of {flow}; {command}" if flow else ""
    )


def run(
    tracks: Sequence[str] = (),
    entries: Sequence[str] = (),
    options: Options | None = None,
    results: str | Path = "results",
    engine: EngineConfig | None = None,
    retry: Sequence[str] = (),
    started: Callable[[int, int, Remaining], None] = lambda planned, finished, left: None,
    done: Callable[[Cell], None] = lambda cell: None,
    **chosen: Any,
) -> Outcome:
    """Measure what is missing. Cells that are there are never computed again, unless their status
    is in ``retry``.

    ``tracks``: none means all that have something to measure here. ``entries`` are targets; none
    means the built-in couplings, on tracks of trained flows those with weights. ``options``: what
    to measure (``options_of``), or its keywords as ``chosen``, as in ``run(["coupling"],
    budget="smoke")``. ``engine``: what the cells run on. Raises ``UsageError`` for what does not
    exist and ``HarnessError`` when a result cannot be written.
    """
    options = options or options_of(**chosen)
    engine = engine or EngineConfig(device=options.device)
    found = survey(tracks or measurable(), entries, options, Path(results), retry)
    ran: Counter[str] = Counter()
    failures: list[str] = []
    finished = len(found.planned) - len(found.missing)
    if not found.missing:
        started(finished, finished, Remaining([], found.costs, 1))
        return Outcome(finished, finished, {}, [])
    with open_engine(engine, found.missing, Path(results)) as opened:
        left = Remaining(found.missing, found.costs, len(opened.lanes))
        started(len(found.planned), finished, left)

        def finish(cell: Cell) -> None:
            left.finish(cell)
            ran[cell.status] += 1
            if cell.status in FAILED:
                what = f"{cell.spec.track} {cell.spec.entry} {cell.spec.case}"
                failures.append(f"{what}: {cell.status}: {cell.reason}")
            done(cell)

        drive(opened, found.missing, finish, lambda spec: found.costs.seconds(spec) or 0.0)
    return Outcome(len(found.planned), finished, dict(ran), failures)


def measurable() -> list[str]:
    """The tracks that run without being named, and whose own reference flow is installed, or that
    need none."""
    usual = [name for name in TRACKS if not TRACKS[name].asked]
    return [name for name in usual if not (flow := _flow_of(name)) or flow in FLOWS]


def _flow_of(track: str) -> str:
    """The flow whose weights a track measures; none for a track that trains its own."""
    return "" if TRACKS[track].trains else TRACKS[track].weights


def options_of(
    budget: str = "default",
    seeds: int | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    datasets: Sequence[str] = ("embedded",),
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
    attacks: Sequence[str] = (),
    inputs: int | None = None,
    eps: Sequence[int] = (),
    flow: str = "",
    size: str = "mini",
    weights: str | Path | None = None,
) -> Options:
    """``Options`` by name. Raises ``UsageError`` for a value that cannot be."""
    if budget not in BUDGETS:
        raise UsageError(f"budget {budget!r} is not known; choose from {', '.join(BUDGETS)}")
    if device not in ("cpu", "cuda"):
        raise UsageError(
            f"device {device!r}: cpu or cuda; CUDA_VISIBLE_DEVICES chooses among several GPUs"
        )
    if seeds is not None and seeds < 1:
        raise UsageError(f"seeds must be 1 or more, got {seeds}")
    if any(not 1 <= severity <= 5 for severity in severities):
        raise UsageError(f"severities are 1 to 5, got {', '.join(map(str, severities))}")
    if inputs is not None and inputs < 1:
        raise UsageError(f"inputs must be 1 or more, got {inputs}")
    if any(not 0 <= radius <= 255 for radius in eps):
        raise UsageError(
            f"eps of a run are whole numbers of 1/255 from 0 to 255, got {', '.join(map(str, eps))}"
        )
    return Options(
        BUDGETS[budget],
        seeds,
        dtype,
        device,
        tuple(datasets),
        tuple(corruptions),
        tuple(severities),
        tuple(attacks),
        inputs,
        tuple(eps),
        resolve(flow, ("flow",)).name if flow else "",
        size,
        Path(weights) if weights else None,
    )

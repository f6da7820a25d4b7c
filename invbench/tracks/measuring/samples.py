"""What cells of samples share: K samples of every input, counted before any clamp."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invbench.data.datasets import Pair
from invbench.data.images import EMBEDDED
from invbench.flows import ConditionalFlow
from invbench.laws.dtypes import parse_dtype
from invbench.measures.explosion import explosion
from invbench.measures.round_trip import round_trip_error
from invbench.registry import CORRUPTIONS
from invbench.store.case import Case
from invbench.store.cell import CellSpec, Measured, Number
from invbench.targets import Target
from invbench.tracks.track import Options
from invbench.training.weights import digest_of, find_weights, load_flow, without_cure
from invbench.uniform import stream_seed

__all__ = [
    "cases_of",
    "inputs_of",
    "loaded",
    "measure_samples",
    "model_settings",
    "samples_of",
    "severities_of",
    "spec_of",
    "without_weights",
]

TOTALS = {  # count of a cell -> that of one input
    "plus_inf": "plus_inf",
    "minus_inf": "minus_inf",
    "nan": "nan",
    "range_errors": "out_of_range",
    "failed_samples": "failed_samples",
}


def cases_of(options: Options, corruptions: Sequence[str]) -> list[Case]:
    """``clean`` of every data set, then each corruption at the severities that were chosen and that
    it has."""
    cases = []
    for dataset in options.datasets:
        cases.append(Case(dataset=dataset, corruption="clean"))
        for name in corruptions:
            if name != "clean":
                cases += [
                    Case(dataset=dataset, corruption=name, severity=severity)
                    for severity in severities_of(options, name)
                ]
    return cases


def severities_of(options: Options, corruption: str) -> list[int]:
    """Those that were chosen, else the budget's, as far as the corruption has them."""
    known = len(CORRUPTIONS[corruption].metadata["strengths"])
    return [s for s in options.severities or options.budget.severities if s <= known]


def model_settings(options: Options, own: str) -> dict[str, Number]:
    """Which flow a cell measures: the one that was chosen, else the track's ``own``."""
    return {"flow": options.flow or own, "size": options.size}


def inputs_of(options: Options, case: Case) -> dict[str, Number]:
    """How many inputs a case of photographs has: crops of each, and the most of them."""
    changed = case.dataset == "embedded" and case.corruption != "clean"
    return {
        "crops_per_image": options.budget.crops,
        "limit": options.budget.changed if changed else options.budget.limit,
    }


def spec_of(
    track: str,
    target: Target,
    options: Options,
    settings: dict[str, Any],
    case: Case,
    seed: int,
    batch_size: int = 1,
) -> CellSpec:
    """The cell of a case, of the trained flow that ``settings`` and ``seed`` name: its weights'
    digest is empty when there are none."""
    path = options.weights or find_weights(
        str(settings["flow"]), target, str(settings["size"]), seed
    )
    return CellSpec(
        track=track,
        entry=target.name,
        **case.model_dump(),
        seed=seed,
        entry_digest=target.digest,
        weights_digest=""
        if path is None or _missing_file(target, path)
        else digest_of(path, target),
        dtype=options.dtype,
        device=options.device,
        batch_size=batch_size,
        settings={**settings, "photographs": len(EMBEDDED)}
        if case.dataset == "embedded"
        else settings,
        target=target.spec,
        weights=str(options.weights.resolve()) if options.weights else "",
    )


def loaded(spec: CellSpec, target: Target) -> ConditionalFlow:
    """The trained flow of a cell, on its device and in its dtype."""
    flow, size = str(spec.settings["flow"]), str(spec.settings["size"])
    return load_flow(flow, target, size, spec.weights or None, spec.seed).to(
        spec.device, parse_dtype(spec.dtype)
    )


def without_weights(spec: CellSpec, target: Target) -> Measured:
    """The outcome of a cell whose flow nobody has trained, or whose cure has no file, with the
    command that makes it."""
    flow, size = str(spec.settings["flow"]), str(spec.settings["size"])
    path = Path(spec.weights) if spec.weights else find_weights(flow, target, size, spec.seed)
    if path is not None and (file := _missing_file(target, path)) is not None:
        return Measured({}, "skipped", without_cure(flow, target, size, spec.seed, file))
    command = (
        f"invbench train {shlex.quote(flow)} --coupling {shlex.quote(target.design.spec)} "
        f"--size {size} --seed {spec.seed}"
    )
    return Measured({}, "skipped", f"no weights for this design; {command}")


def _missing_file(target: Target, weights: Path) -> Path | None:
    """The file of a target's cure that is not there."""
    file = target.cure.file(weights) if target.cure else None
    return file if file is not None and not file.is_file() else None


def measure_samples(
    spec: CellSpec,
    flow: ConditionalFlow,
    pairs: Sequence[Pair],
    conditions: Sequence[Tensor],
    quality: Callable[[Tensor, Pair], dict[str, float]],
) -> Measured:
    """K = ``settings["samples"]`` samples at τ = ``settings["temperature"]`` of each condition,
    ``spec.batch_size`` at a time.

    Per input ``inf``, ``error`` and ``max_abs_log10`` (``explosion``), what ``quality`` says of its
    samples (K, 3, H, W) in float32, and the round trip of the ground truth; over all inputs the
    numbers of samples that failed, by kind. With ``spec.precision`` the flow runs under
    torch.autocast to that dtype.
    """
    rows: dict[str, list[float]] = {}
    totals = dict.fromkeys(TOTALS, 0)
    for index, (pair, condition) in enumerate(zip(pairs, conditions, strict=True)):
        y = condition.to(next(flow.parameters()))[None]
        samples = samples_of(spec, flow, y, index)
        # before the round trip: a cure says how often it acted in the last decode
        said = quality(samples.float(), pair)
        with torch.no_grad(), _precision(spec):
            back = round_trip_error(flow, pair.high[None].to(y), y).item()
        found = explosion(samples)
        values = {
            "inf": int(found.inf),
            "error": int(found.error),
            "max_abs_log10": found.max_abs_log10,
        }
        for name, value in (values | said | {"round_trip": back}).items():
            rows.setdefault(name, []).append(value)
        for name, counted in TOTALS.items():
            totals[name] += getattr(found, counted)
    measures = {
        "inputs": len(pairs),
        "samples": _drawn(spec)[0],
        "names": [pair.name for pair in pairs],
        **totals,
        **rows,
    }
    return Measured(measures, "diverged" if any(rows["inf"]) else "ok")


def samples_of(spec: CellSpec, flow: ConditionalFlow, y: Tensor, index: int) -> Tensor:
    """The samples (K, 3, H, W) of input ``index`` with condition y (1, …), on the CPU and in the
    flow's own dtype: in float64 more is finite than in float32."""
    count, temperature = _drawn(spec)
    # one stream per (seed, input): a result does not depend on the other inputs
    generator = torch.Generator().manual_seed(stream_seed(spec.seed, index))
    with torch.no_grad(), _precision(spec):
        drawn = flow.sample_latents(count, y, temperature, generator)
        parts = [
            flow.decode(list(part), y.expand(len(part[0]), -1, -1, -1))
            for part in zip(*(z.split(spec.batch_size) for z in drawn), strict=True)
        ]
        return torch.cat(parts).cpu()


def _drawn(spec: CellSpec) -> tuple[int, float]:
    """(K, τ)."""
    return int(spec.settings["samples"] or 1), float(spec.settings["temperature"] or 0.0)


def _precision(spec: CellSpec) -> AbstractContextManager[object]:
    if not spec.precision:
        return nullcontext()
    return torch.autocast(spec.device.partition(":")[0], getattr(torch, spec.precision))

"""A failure as a folder: the smallest and the worst case, the weights, the environment, and a
script that shows it."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch.distributions.constraints import Constraint

from invbench.declaration import space_name
from invbench.errors import UsageError
from invbench.files import write_atomically
from invbench.laws.building import subject_of
from invbench.laws.cases.case import LawCase
from invbench.laws.cases.recipe import CONDITION_PATTERNS, PATTERNS, InputRecipe
from invbench.laws.cases.reduce import minimal
from invbench.laws.cases.snippet import snippet
from invbench.laws.dtypes import parse_dtype
from invbench.laws.judge import judge_case
from invbench.laws.law import LAWS, Law, Violation
from invbench.laws.report import Report
from invbench.laws.weights import WEIGHTS
from invbench.saved_case import (
    FORMAT,
    Counterexample,
    counterexample_record,
    not_written_here,
    of_another_version,
)
from invbench.targets import Target, replay_command, resolve, runs_new_code
from invbench.tensor_file import read_tensors

__all__ = ["read", "replay", "save_counterexample", "save_failures"]


def save_counterexample(
    folder: Path,
    target: Target,
    law: str,
    recipe: InputRecipe,
    dtype: str = "float32",
    device: str = "cpu",
) -> Path:
    """Reduce the case of ``recipe`` and write
    ``folder/counterexamples/<target>-<property>-<hash8>/``. Returns that path.

    The files: ``case.json``; ``tensors.safetensors`` (smallest x and cond; worst_x and worst_cond,
    the row of the first violation); ``weights.safetensors``; ``snippet.py``. Raises ``ValueError``
    when the recipe does not break the law.
    """
    case = LawCase.of(recipe, subject_of(target, parse_dtype(dtype), device))
    worst = max(
        judge_case(LAWS[law], case),
        key=lambda v: (v.kind != "ill-conditioned", v.value),
        default=None,
    )
    if worst is None:
        raise ValueError(f"{target.name} does not break {law} on this recipe")
    small, violation = minimal(LAWS[law], case, worst.kind)
    record = Counterexample(
        format=FORMAT,
        target=target.spec,
        target_kind=target.kind,
        digest=target.digest,
        property=law,
        kind=violation.kind,
        value=repr(violation.value),
        bound=repr(violation.bound),
        message=violation.message[:2000],
        dtype=dtype,
        device=device,
        recipe=asdict(recipe),
        declared=_plain(target.declared),
        latent=violation.latent,
        environment={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "machine": platform.platform(),
        },
    )
    rows = (
        slice(worst.row, worst.row + 1)
        if worst.row is not None
        else slice(0, min(64, case.x.shape[0]))
    )
    tensors = {"x": small.x, "worst_x": case.x[rows]}
    if small.z is not small.x:
        tensors |= {"z": small.z, "worst_z": case.z[rows]}
    if small.cond is not None and case.cond is not None:
        tensors |= {"cond": small.cond, "worst_cond": case.cond[rows]}
    files = {
        "tensors.safetensors": save(
            {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        ),
        "weights.safetensors": save(_state(case.subject.module)),
        "snippet.py": snippet(target, law, violation, small).encode(),
        # last: a folder with case.json is complete
        "case.json": json.dumps(record.model_dump(), indent=1, ensure_ascii=False).encode(),
    }
    hashed = hashlib.sha256(
        files["tensors.safetensors"] + files["weights.safetensors"] + law.encode()
    ).hexdigest()[:8]
    path = (
        folder
        / "counterexamples"
        / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', target.name)}-{law}-{hashed}"
    )
    for name, data in files.items():
        write_atomically(path / name, data)
    return path


def _plain(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Declarations as JSON has them: spaces by name."""
    return {
        k: space_name(v) if isinstance(v, Constraint) else v
        for k, v in declared.items()
        if v is not None
    }


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {
        k: v.detach().cpu().contiguous().clone()
        for k, v in module.state_dict().items()
        if v.numel()
    }


def read(folder: Path) -> tuple[Counterexample, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(record, tensors, weights). Raises ``UsageError`` that names a file that is missing, too
    large or malformed."""
    record = counterexample_record(folder)
    if record.property not in LAWS or not _is_recipe(record.recipe):
        raise of_another_version(folder, record.format)
    try:
        return (
            record,
            read_tensors(folder / "tensors.safetensors"),
            read_tensors(folder / "weights.safetensors"),
        )
    except SafetensorError as error:
        raise not_written_here(folder, error) from None


def _is_recipe(recipe: dict[str, str | int]) -> bool:
    """Whether these are the fields of an ``InputRecipe``: right types, known names, numbers that
    can be drawn."""
    own = asdict(InputRecipe())
    if recipe.keys() != own.keys() or any(
        type(recipe[name]) is not type(own[name]) for name in own
    ):
        return False
    words: dict[str, Any] = {
        "weights": WEIGHTS,
        "pattern": PATTERNS,
        "cond_pattern": CONDITION_PATTERNS,
    }
    return all(
        value in words[name]
        if isinstance(value, str)
        else abs(value) < 1024  # a power of two that is a float64
        if "log2" in name
        else 0 <= value < 2**63
        for name, value in recipe.items()
    )


def save_failures(results: Path, target: Target, report: Report) -> tuple[list[Path], list[str]]:
    """A counterexample of every violation of soundness in the report: (the folders, why others
    could not be saved)."""
    folders: list[Path] = []
    problems: list[str] = []
    for f in report.failures:
        if f.breaks_soundness and f.recipe:
            options = report.measures["dtype"], report.measures["device"]
            try:
                folders.append(
                    save_counterexample(
                        results, target, f.property, InputRecipe(**f.recipe), *options
                    )
                )
            except ValueError as error:
                problems.append(f"{f.property}: not saved, {error}")
    return folders, problems


def replay(
    folder: Path, target: str | None = None
) -> tuple[Counterexample, Target, list[Violation]]:
    """Run a saved case again: (its record, the target, the violations now). There are none once the
    code is repaired.

    A target that is not a registered or library name is somebody's code, and runs only when it is
    given as ``target``. Raises ``UsageError`` without it, and when the weights do not fit.
    """
    record, tensors, weights = read(folder)
    if target is None and runs_new_code(record.target):
        raise UsageError(
            f"the case is about {record.target!r}, a file or module; say so: "
            f"{replay_command(folder, record.target)}"
        )
    resolved = resolve(target or record.target, (record.target_kind,), record.declared)
    subject = subject_of(resolved, parse_dtype(record.dtype), record.device)
    if "x" not in tensors or tuple(tensors["x"].shape[1:]) != tuple(subject.event_shape):
        raise UsageError(
            f"{folder}: its x does not have the event shape {subject.event_shape} of "
            f"{resolved.name}"
        )
    try:
        missing, unexpected = subject.module.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UsageError(
            f"{folder}: the weights do not fit {resolved.name}: {str(error).splitlines()[0]}"
        ) from None
    # empty ones are not saved
    lost = [name for name in missing if subject.module.state_dict()[name].numel()]
    if lost or unexpected:
        raise UsageError(
            f"{folder}: the weights do not fit {resolved.name}: "
            f"{', '.join([*lost, *unexpected][:3])} missing or unknown"
        )
    cond = None if "cond" not in tensors else tensors["cond"].to(subject.device)
    recipe: dict[str, Any] = dict(record.recipe)
    z = None if "z" not in tensors else tensors["z"].to(subject.device)
    case = LawCase(subject, InputRecipe(**recipe), tensors["x"].to(subject.device), cond, z)
    law: Law = LAWS[record.property]
    return record, resolved, judge_case(law, case) if law.applies(subject) else []

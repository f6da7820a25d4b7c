"""What an attack found, as a folder: the inputs, a picture, and all that a replay needs."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save

from invbench.attacks.case_picture import case_picture
from invbench.attacks.judge import LEVELS, AttackVerdict, judge
from invbench.attacks.result import AttackResult
from invbench.attacks.threat_model import Inputs
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.saved_case import (
    FORMAT,
    KIND,
    AttackCase,
    attack_record,
    not_written_here,
)
from invbench.targets import Target, replay_command, resolve, runs_new_code
from invbench.tensor_file import read_tensors
from invbench.training.weights import digest_of, find_weights, load_flow

__all__ = ["Model", "case_files", "read_case", "replay_case"]

LATENT = "latent{:02d}"


@dataclass(frozen=True)
class Model:
    """A trained flow by name: the arguments of ``load_flow``."""

    flow: str
    coupling: Target
    size: str = "mini"
    seed: int = 0
    weights: Path | None = None

    def load(self) -> ConditionalFlow:
        return load_flow(self.flow, self.coupling, self.size, self.weights, self.seed)

    @property
    def digest(self) -> str:
        """Digest of the weights, and of the file of a cure; empty where there are none."""
        path = self.weights or find_weights(self.flow, self.coupling, self.size, self.seed)
        return digest_of(path, self.coupling) if path else ""


def case_files(
    model: Model,
    found: AttackResult,
    row: int,
    clean: Inputs,
    flow: ConditionalFlow,
    temperature: float,
    source: str,
    scale: int | None = 4,
) -> tuple[str, dict[str, bytes]]:
    """(name of a folder, its files by name) for row ``row`` of an attack on the inputs ``clean``.

    The files are ``tensors.safetensors`` (y, clean_y, and the latents or x), ``sheet.png`` and
    ``case.json``. ``flow``: the flow that was attacked, in its own dtype; ``source``: where the
    picture comes from, in words.
    """
    at = torch.tensor([row], device=found.inputs.y.device)
    one, before, verdict = found.inputs.rows(at), clean.rows(at), found.verdicts[row]
    record = AttackCase(
        kind=KIND,
        format=FORMAT,
        flow=model.flow,
        coupling=model.coupling.spec,
        coupling_digest=model.coupling.digest,
        size=model.size,
        seed=model.seed,
        weights_digest=model.digest,
        attack=found.attack,
        eps=found.eps,
        temperature=temperature,
        scale=scale,
        source=source[:300],
        dtype=str(one.y.dtype).removeprefix("torch."),
        device=one.y.device.type,
        levels=verdict.levels,
        log10_x=verdict.log10_x,
        round_trip=verdict.round_trip,
        lr_psnr=verdict.lr_psnr,
        environment={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "machine": platform.platform(),
        },
    )
    tensors = {"y": one.y, "clean_y": before.y}
    tensors |= (
        {"x": one.x}
        if one.x is not None
        else {LATENT.format(i): z for i, z in enumerate(one.latents)}
    )
    title = f"{model.flow}, {model.coupling.name}: attack {found.attack}"
    title += f", ε = {round(255 * found.eps, 1):g}/255" if found.eps else ""
    files = {
        "tensors.safetensors": save(
            {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        ),
        "sheet.png": case_picture(flow, one, before, verdict, title),
        # written last: a folder that has case.json is complete
        "case.json": (record.model_dump_json(indent=1) + "\n").encode(),
    }
    hashed = hashlib.sha256(files["tensors.safetensors"] + model.digest.encode()).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{model.flow}-{model.coupling.name}-{found.attack}")
    return f"{name}-{hashed}", files


def read_case(folder: Path) -> tuple[AttackCase, dict[str, torch.Tensor]]:
    """(record, tensors by name) of a case's folder. Raises ``UsageError``, which names the folder,
    when a file is missing, too large or not well formed."""
    record = attack_record(folder)
    try:
        tensors = read_tensors(folder / "tensors.safetensors")
    except SafetensorError as error:
        raise not_written_here(folder, error) from None
    if set(record.levels) != set(LEVELS):
        raise UsageError(
            f"{folder}: written by another version of invbench (format {record.format})"
        )
    latents = sorted(name for name in tensors if name.startswith("latent"))
    if not {"y", "clean_y"} <= set(tensors) or not (latents or "x" in tensors):
        raise UsageError(f"{folder}: tensors.safetensors lacks y, clean_y, or what is decoded")
    return record, tensors


def replay_case(
    folder: Path,
    coupling: str | None = None,
    weights: Path | None = None,
    flow_name: str | None = None,
) -> tuple[AttackCase, AttackVerdict, Sequence[str]]:
    """Decode a saved case again: (its record, the verdict now, what has changed since, in words).

    A coupling or flow that is a file or module runs only when it is given as ``coupling`` or
    ``flow_name``. Raises ``UsageError`` when it is not given, when there are no weights, and when
    the tensors do not fit the flow.
    """
    record, tensors = read_case(folder)
    if flow_name is None and runs_new_code(record.flow):
        raise UsageError(
            f"the case is about the flow {record.flow!r}, a file or module; say so: "
            f"{replay_command(folder, record.coupling, record.flow)}"
        )
    if coupling is None and runs_new_code(record.coupling):
        raise UsageError(
            f"the case is about {record.coupling!r}, a file or module; say so: "
            f"{replay_command(folder, record.coupling, record.flow)}"
        )
    model = Model(
        flow_name or record.flow,
        resolve(coupling or record.coupling),
        record.size,
        record.seed,
        weights,
    )
    flow = model.load().to(getattr(torch, record.dtype))
    latents = [tensors[name] for name in sorted(tensors) if name.startswith("latent")]
    notes = []
    if model.digest != record.weights_digest:
        notes.append("the weights have changed since the case was saved")
    if model.coupling.digest != record.coupling_digest:
        notes.append("the coupling's source has changed since the case was saved")
    try:
        inputs = Inputs(tensors["y"], latents, tensors.get("x"))
        (verdict,) = judge(
            flow, inputs, tensors["clean_y"] if record.scale else None, record.scale or 1
        )
    except (RuntimeError, ValueError, IndexError, UsageError) as error:
        raise UsageError(
            f"{folder}: its tensors do not fit {record.flow} ({record.size}): "
            f"{str(error).splitlines()[0]}"
        ) from None
    return record, verdict, notes

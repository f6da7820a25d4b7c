"""Trained weights and their cards: where they are, how they are read and written."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from invbench.errors import UsageError
from invbench.files import LARGEST_TEXT, cache_dir, parse_json, read_limited, write_atomically
from invbench.flows import ConditionalFlow
from invbench.registry import FLOWS, Registered
from invbench.targets import Target, resolve
from invbench.training.safe_unpickle import LARGEST_WEIGHTS, bytes_of
from invbench.training.state_file import Account, read_state

__all__ = [
    "digest_file",
    "digest_of",
    "find_weights",
    "is_shipped",
    "load_flow",
    "load_weights",
    "save_weights",
    "shipped_cards",
    "shipped_couplings",
    "weights_name",
    "without_cure",
]

Convert = Callable[[Mapping[str, Tensor], ConditionalFlow], dict[str, Tensor]]

# bytes of weights beyond which they are stored in half precision, of the sizes that ship
LARGEST_SINGLE = {"mini": 2_000_000, "mini-8x": 0}


def weights_name(
    coupling: str, size: str, seed: int, options: Mapping[str, Any] | None = None
) -> str:
    """The name of a weights file; other characters than letters, digits, - and _ become -.
    ``options``: those of the flow."""
    said = [coupling, *(f"{name}-{value}" for name, value in (options or {}).items())]
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in "-".join(said))
    return f"{size}-{safe}-seed{seed}.safetensors"


def find_weights(flow: str, coupling: Target, size: str, seed: int) -> Path | None:
    """The user's own weights in the cache, else the shipped ones, else None. ``flow``: a target.
    With a cure, those of the design.

    The user's weights count only if they were trained with the present source of the coupling.
    Shipped ones count for built-in couplings; they are trained again when the source changes the
    numbers.
    """
    asked, coupling = resolve(flow, ("flow",)), coupling.design
    name = weights_name(coupling.name, size, seed, asked.options)
    own = cache_dir() / "weights" / asked.entry.name / name
    if own.is_file() and read_card(own).get("coupling_digest") == coupling.digest:
        return own
    shipped = _shipped(asked.entry)
    builtin = getattr(coupling.entry.obj, "__module__", "").startswith("invbench.")
    return shipped / name if shipped and builtin and (shipped / name).is_file() else None


def _shipped(flow: Registered[Any]) -> Path | None:
    """The folder of the weights that ship with the flow, if any do."""
    folder = flow.metadata.get("weights")
    return Path(folder) if folder else None


def is_shipped(path: Path) -> bool:
    """Whether a weights file is one that ships with a flow."""
    return any(folder in path.parents for flow in FLOWS.values() if (folder := _shipped(flow)))


def shipped_couplings(flow: str, size: str) -> list[str]:
    """The couplings whose weights of seed 0 ship with the flow, a target."""
    asked = resolve(flow, ("flow",))
    folder = _shipped(asked.entry)
    cards = map(read_card, sorted(folder.glob(f"{size}-*-seed0.json")) if folder else [])
    return [str(card["coupling"]) for card in cards if card.get("flow") == asked.name]


def shipped_cards() -> list[dict[str, Any]]:
    """The cards of all weights that ship with registered flows, in order of the flow's name."""
    folders = [folder for name in sorted(FLOWS) if (folder := _shipped(FLOWS[name]))]
    return [read_card(card) for folder in folders for card in sorted(folder.glob("*.json"))]


def read_card(weights: Path) -> dict[str, Any]:
    """The card beside a weights file; empty when there is none, or it is unreadable."""
    try:
        card = parse_json(read_limited(weights.with_suffix(".json"), LARGEST_TEXT))
    except (UsageError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def digest_file(path: Path) -> str:
    """Sixteen hex digits of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def save_weights(flow: ConditionalFlow, card: dict[str, Any], path: Path) -> None:
    """Write the weights as safetensors, then the card as JSON beside them; each whole or not at
    all.

    What ships is small: the weights of a mini of more than 2 MB, and those of any ``mini-8x``, are
    rounded to float16, if all stay finite; ``stored`` in the card says so. Results are about the
    model as it is read again.
    """
    state = {k: v.cpu().contiguous() for k, v in flow.state_dict().items()}
    largest = LARGEST_SINGLE.get(str(card.get("size")), math.inf)
    if sum(v.nbytes for v in state.values()) > largest:
        half = {k: v.half() if v.dtype == torch.float32 else v for k, v in state.items()}
        if all(v.isfinite().all() for v in half.values()):
            state = half
    kinds = {str(v.dtype).removeprefix("torch.") for v in state.values() if v.is_floating_point()}
    write_atomically(path, save(state))
    text = json.dumps({**card, "stored": ", ".join(sorted(kinds))}, indent=2)
    write_atomically(path.with_suffix(".json"), (text + "\n").encode())


def load_weights(
    flow: ConditionalFlow, path: Path, convert: Convert | None = None
) -> ConditionalFlow:
    """Load a safetensors or .pth file into ``flow``, and set it to evaluation mode.

    ``convert``: turns a state dict in the authors' layout into one of the flow, and leaves any
    other as it is. Raises ``UsageError``, in one line, when the file is cut off, holds code, or is
    of another model.
    """
    state = read_state(path, max(LARGEST_WEIGHTS, 2 * bytes_of(flow)))
    try:
        state = convert(state, flow) if convert else state
    except UsageError as error:
        raise UsageError(f"weights {path}: {error}") from None
    own = flow.state_dict()
    found = Account(
        tuple(name for name in own if name not in state),
        tuple(name for name in state if name not in own),
        tuple(name for name in own if name in state and state[name].shape != own[name].shape),
    )
    if not found.complete:
        raise UsageError(f"weights {path} are of another model: {found}")
    flow.load_state_dict(state)
    return flow.eval()


def _fit(path: Path, flow: str, coupling: str, size: str) -> None:
    """Raise ``UsageError`` when the card beside the file names another flow, coupling or size. The
    shapes alone do not tell, since couplings may differ in a formula only."""
    asked = {"flow": flow, "coupling": coupling, "size": size}
    wrong = {
        part: card[part]
        for card in [read_card(path)]
        for part in asked
        if part in card and card[part] != asked[part]
    }
    if wrong:
        said = ", ".join(f"{part} {value}" for part, value in wrong.items())
        meant = ", ".join(f"{part} {asked[part]}" for part in wrong)
        raise UsageError(
            f"weights {path} are of {said}, as the card beside them says, not of {meant}; give "
            f"others"
        )


def load_flow(
    name: str = "srflow",
    coupling: str | Target = "affine",
    size: str = "mini",
    weights: str | Path | None = None,
    seed: int = 0,
) -> ConditionalFlow:
    """A trained flow in evaluation mode.

    ``name``: a flow's target, with options as in ``srflow(conv1x1=orthogonal)``. ``coupling``: a
    target; one with a cure, as in ``affine+guard``, gives the cured flow. ``weights``: a
    safetensors or .pth file, or None for the user's own or the shipped ones of ``seed``. A
    published size (``paper``, ``paper-8x``) takes the authors' checkpoint: ``load_flow("srflow",
    "affine", "paper", "SRFlow_DF2K_4X.pth")``. Raises ``UsageError`` when there are no weights, or
    a cure has no file, with the command that makes them, and when they do not fit.
    """
    target = coupling if isinstance(coupling, Target) else resolve(coupling)
    factory = resolve(name, ("flow",))
    sizes = factory.entry.metadata.get("sizes", ())
    if size not in sizes:
        raise UsageError(f"flow {name!r} has no size {size!r}; sizes: {', '.join(sizes)}")
    path = Path(weights) if weights is not None else find_weights(name, target, size, seed)
    if path is None:
        published = size in factory.entry.metadata.get("published", ())
        advice = (
            "give the authors' checkpoint as weights FILE.pth, or train them: " if published else ""
        )
        raise UsageError(
            f"no weights of {factory.name} ({size}, seed {seed}) with coupling "
            f"{target.design.name!r}; "
            f"{advice}invbench train {shlex.quote(name)} --coupling "
            f"{shlex.quote(target.design.spec)} "
            f"--size {size} --seed {seed}"
        )
    _fit(path, factory.name, target.design.name, size)
    with torch.random.fork_rng(devices=[]):
        flow: ConditionalFlow = factory.make(target.make, size, seed)
    load_weights(flow, path, _convert(factory))
    if target.cure is None:
        return flow
    if (file := target.cure.file(path)) is not None and not file.is_file():
        raise UsageError(without_cure(name, target, size, seed, file))
    cured: ConditionalFlow = target.cure.apply(flow, path).eval()
    return cured


def without_cure(flow: str, target: Target, size: str, seed: int, file: Path) -> str:
    """What to say where the file of a cure is not there: the command that makes it."""
    assert target.cure is not None
    command = target.cure.entry.obj.made_by.replace("FLOW", shlex.quote(flow)).replace(
        "DESIGN", shlex.quote(target.design.spec)
    )
    return (
        f"{target.name} has no {target.cure.entry.name} for these weights; {command} "
        f"--size {size} --seed {seed} -o {shlex.quote(str(file))}"
    )


def digest_of(path: Path, target: Target) -> str:
    """``digest_file`` of the weights; with a cure that has a file, of both."""
    file = target.cure.file(path) if target.cure else None
    if file is None:
        return digest_file(path)
    return hashlib.sha256((digest_file(path) + digest_file(file)).encode()).hexdigest()[:16]


def _convert(flow: Target) -> Convert | None:
    """The function that the flow's ``convert="module:function"`` names."""
    module, _, name = flow.entry.metadata.get("convert", "").partition(":")
    return getattr(importlib.import_module(module), name) if module else None

"""What cells need besides invbench when they are measured on another machine: the files of their
entries, and weights that do not ship."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from invbench.errors import UsageError
from invbench.files import write_atomically
from invbench.registry import FLOWS
from invbench.store.cell import CellSpec
from invbench.targets import file_of, resolve
from invbench.training.weights import find_weights, is_shipped

__all__ = ["Luggage", "pack", "package_digest"]

LARGEST = 2 * 2**30  # bytes, of all files of a run


@dataclass(frozen=True)
class Luggage:
    """``files``: path below a folder → content. ``targets`` and ``weights``: what a cell's target
    and weights are called in that folder, by the name that they have here, and by digest."""

    files: dict[str, bytes] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)

    def unpack(self, folder: Path) -> None:
        for name, content in self.files.items():
            write_atomically(folder / name, content)

    def there(self, spec: CellSpec, folder: Path) -> CellSpec:
        """The same cell for a process on the machine where ``folder`` is. Its digests are checked
        there before it is measured."""
        moved = {}
        if spec.target in self.targets:
            moved["target"] = str(folder / self.targets[spec.target])
        if spec.weights_digest in self.weights:
            moved["weights"] = str(folder / self.weights[spec.weights_digest])
        return spec.model_copy(update=moved)


def pack(specs: Sequence[CellSpec]) -> Luggage:
    """The luggage of these cells: of an entry from a ``file.py`` that file and those beside it that
    enter its digest; weights from the user's cache or that the user has named. Modules and
    libraries must be installed on both sides. Raises ``UsageError`` above 2 GiB."""
    luggage = Luggage()
    for spec in {spec.target: spec for spec in specs}.values():
        _add_entry(luggage, spec)
    for spec in {spec.weights_digest: spec for spec in specs if spec.weights_digest}.values():
        _add_weights(luggage, spec)
    size = sum(map(len, luggage.files.values()))
    if size > LARGEST:
        raise UsageError(
            f"the cells need {size / 2**30:.1f} GiB of files that other machines lack; at most "
            f"2 are sent"
        )
    return luggage


def _add_entry(luggage: Luggage, spec: CellSpec) -> None:
    found = file_of(spec.target)
    if found is None:
        return
    path, rest = found
    folder = spec.entry_digest
    for source in resolve(spec.target).sources:
        if source.parent == path.resolve().parent:
            luggage.files[f"{folder}/{source.name}"] = source.read_bytes()
    luggage.targets[spec.target] = f"{folder}/{path.resolve().name}{rest}"


def _add_weights(luggage: Luggage, spec: CellSpec) -> None:
    flow, size = str(spec.settings["flow"]), str(spec.settings["size"])
    target = resolve(spec.target)
    path = Path(spec.weights) if spec.weights else find_weights(flow, target, size, spec.seed)
    if path is None or is_shipped(path):
        return
    luggage.weights[spec.weights_digest] = f"{spec.weights_digest}/{path.name}"
    own = target.cure.file(path) if target.cure else None  # it lies beside them
    for file in (path, own):
        if file is not None:
            luggage.files[f"{spec.weights_digest}/{file.name}"] = file.read_bytes()


COPIED = "suites"  # in a wheel below the package, in a checkout beside it


@cache
def package_digest() -> str:
    """Hash of the source of invbench and of the packages whose flows are entry points: the same on
    two machines when they measure by the same code, from a wheel or a checkout."""
    digest = hashlib.sha256()
    points = entry_points(group=FLOWS.group or "")
    for package in sorted({"invbench", *(point.module.partition(".")[0] for point in points)}):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            if path.relative_to(root).parts[0] == COPIED:
                continue
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]

"""A clone that is not installed, made to look so: entry points tell invbench of its flows and
pytest of its plugin, and nothing of it needs to be built."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ROOT", "environment", "write_metadata"]

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = (ROOT, ROOT / "reference_models")


def environment(work: Path) -> dict[str, str]:
    """What the parts' processes need besides ours: the clone on their path, one thread, a cache
    that lasts as long as the run where the user has named none."""
    folders = [ROOT / "benchmarks", *PROJECTS]
    if not {point.name for point in entry_points(group="invbench.flows")} >= {"srflow", "llflow"}:
        folders.append(write_metadata(work / "site", PROJECTS))
    given = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([*map(str, folders), *filter(None, [given])])
    cache = os.environ.get("INVBENCH_CACHE") or str(work / "cache")
    own = {"PYTHONPATH": path, "INVBENCH_CACHE": cache, "PYTHONUNBUFFERED": "1"}
    return own | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "NO_COLOR": "1"}


def write_metadata(folder: Path, projects: tuple[Path, ...]) -> Path:
    """A ``dist-info`` for each project below ``folder``, which is returned: name, version and entry
    points."""
    for root in projects:
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
        name = project["name"].replace("-", "_")
        info = folder / f"{name}-0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n"
        )
        (info / "entry_points.txt").write_text(_points(project))
    return folder


def _points(project: dict[str, Any]) -> str:
    groups: dict[str, dict[str, str]] = dict(project.get("entry-points", {}))
    groups |= {"console_scripts": project["scripts"]} if "scripts" in project else {}
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
    ]
    return "\n".join(lines) + "\n"

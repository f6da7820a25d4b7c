"""Execute the notebooks of docs/notebooks in an empty folder; the first error ends it with code 1.

    python docs/run_notebooks.py [--write]

With --write the outputs go into the notebooks, as the site shows them. Needs the extra [docs].
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import nbformat
import typer
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "notebooks"
SECONDS = 300  # of a cell
KEPT = ("text/plain", "image/png")  # kinds of output that a page shows


def execute(path: Path, write: bool) -> None:
    """Raises ``CellExecutionError`` where a cell does."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "results").symlink_to(ROOT / "results")
        NotebookClient(
            notebook, timeout=SECONDS, resources={"metadata": {"path": folder}}
        ).execute()
    if not write:
        return
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()  # no times
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = {kind: output.data[kind] for kind in KEPT if kind in output.data}
    nbformat.write(notebook, path)


def main(
    write: Annotated[bool, typer.Option("--write", help="Keep the outputs.")] = False,
) -> None:
    for path in sorted(FOLDER.glob("*.ipynb")):
        began = time.monotonic()
        execute(path, write)
        print(f"{time.monotonic() - began:6.1f} s  {path.name}", flush=True)


if __name__ == "__main__":
    typer.run(main)

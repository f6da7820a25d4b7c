"""Is the results folder still the one that the run began with?"""

from __future__ import annotations

from pathlib import Path

from invbench.errors import HarnessError
from invbench.store.cell import CellSpec

__all__ = ["Anchor"]


class Anchor:
    """A results folder, made when it is not there. A network folder that goes away in the middle
    leaves its name behind, below which everything can be written as before, onto another disk."""

    def __init__(self, root: Path) -> None:
        # the cell finished last; before the first, the folder itself
        self._root, self._last = root, root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(
                f"cannot make {root}: {error.strerror}; choose another folder with --results"
            ) from error
        self._identity = self._looked_up()

    def check(self, finished: CellSpec) -> None:
        """Called when a cell is finished. Raises ``HarnessError`` when neither the folder nor the
        cell before is where it was: a folder that was mounted anew under another number still has
        its cells."""
        if self._looked_up() != self._identity and not self._last.exists():
            raise HarnessError(
                f"{self._root} was moved, removed or unmounted during the run; finished cells "
                f"are wherever it is now. Bring it back and run the same "
                f"command: it goes on from there (what was written below {self._root} since "
                f"then comes in with invbench merge)"
            )
        self._last = self._root / finished.path

    def _looked_up(self) -> tuple[int, int] | None:
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

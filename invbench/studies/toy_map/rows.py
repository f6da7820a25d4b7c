"""Rows that were measured, in a csv file that is written whole after every addition."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from invbench.files import write_atomically

__all__ = ["Rows"]

Row = dict[Any, Any]


class Rows:
    """Those of the file, if it is there; none when ``again``. ``digests``: design → digest of its
    source; rows of another source are left out. Numbers have six digits, as in the file, so that a
    resumed search has the parents that it would have had."""

    def __init__(self, path: Path, digests: dict[str, str], again: bool = False) -> None:
        self.path = path
        stored = (
            pd.read_csv(path, keep_default_na=False, na_values=["nan", ""])
            if (path.exists() and not again)
            else pd.DataFrame()
        )
        self.rows: list[Row] = [
            row for row in stored.to_dict("records") if digests.get(row["design"]) == row["digest"]
        ]

    def add(self, rows: Iterable[Row]) -> None:
        self.rows += [
            {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
            for row in rows
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, self.table.to_csv(index=False, na_rep="nan").encode())

    def where(self, **values: Any) -> list[Row]:
        """Rows with these values."""
        return [r for r in self.rows if all(r[name] == value for name, value in values.items())]

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

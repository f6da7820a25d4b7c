"""What the cells below a results folder say, remembered between commands, so that only new and
changed files are read again."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invbench.errors import HarnessError
from invbench.store.cell import Cell, CellSpec
from invbench.store.index_file import checksum, digest, index_path, removed
from invbench.store.record import Layout, Measures, StoredCell, pack
from invbench.store.store import PACKED, Entry, Store, Unreadable, replaces

__all__ = ["Index"]

SMALL, SMALL_BYTES = 1000, 10**6  # what is read faster than it pays to remember it
BATCH = 2000  # files read between two transactions: what is read is kept when it is interrupted
MEMOS, BODIES = 20_000, 20_000  # remembered results, and measures in memory at a time
FRESH = 2 * 10**9  # ns: a file as young as this may change again without a change of its time

# place: of a cell, its file, or FILE:LINE where the file has many; kind: what cells share of a spec
TABLES = """
PRAGMA cache_size = -32000;
CREATE TABLE IF NOT EXISTS files(
  path TEXT PRIMARY KEY, size INT, mtime INT, old INT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged(place TEXT PRIMARY KEY, file TEXT, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(
  place TEXT PRIMARY KEY, file TEXT, track TEXT, entry TEXT, seed INT, entry_digest TEXT,
  weights_digest TEXT, kind INT, key TEXT, status TEXT, reason TEXT, finished TEXT, seconds TEXT,
  machine INT, mark TEXT, crc INT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bodies(
  place TEXT PRIMARY KEY, file TEXT, layout INT, data BLOB, rest TEXT, crc INT);
CREATE TABLE IF NOT EXISTS texts(id INTEGER PRIMARY KEY, text TEXT UNIQUE, crc INT);
CREATE TABLE IF NOT EXISTS memos(slot TEXT PRIMARY KEY, of_ TEXT, value TEXT, crc INT);
CREATE INDEX IF NOT EXISTS by_track ON heads(track);
CREATE INDEX IF NOT EXISTS heads_by_file ON heads(file);
CREATE INDEX IF NOT EXISTS bodies_by_file ON bodies(file);
"""
OWN = ("track", "entry", "seed", "entry_digest", "weights_digest")  # of a spec, in columns


class Index:
    """The cells below ``root``: their heads at once, their measures when asked for.

    It lies in the user's cache, never among the results, and says nothing that the files do not: a
    file counts as unchanged when its name, size and time of change are. Deleted or damaged it is
    built again; where the cache cannot be written, in a temporary file. ``unreadable``: files that
    are no cell; ``migrated``: cells of an older schema; ``counts``: cells per track. Raises
    ``HarnessError`` when the results cannot be listed.
    """

    def __init__(self, root: str | Path) -> None:
        self.store = Store(Path(root))
        entries = self.store.entries()
        self._entries = [entry for entry in entries if entry.path.isprintable()]
        odd = [
            e.path.encode("unicode_escape").decode() for e in entries if not e.path.isprintable()
        ]
        self._odd = [
            Unreadable(self.store.root / path, "its name is no text; rename or delete it")
            for path in odd
        ]
        large = len(entries) > SMALL or sum(entry.size for entry in entries) > SMALL_BYTES
        self._path = index_path(self.store.root) if large else None
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._rebuild(error)

    def cells(self, track: str) -> list[StoredCell]:
        """The cells of a track, each once, in order of place."""
        rows = self._ask("SELECT * FROM heads WHERE track = ?", track)
        if any(crc != checksum(head) for *head, crc in rows):
            self._rebuild()
            rows = self._ask("SELECT * FROM heads WHERE track = ?", track)
        ordered = sorted(rows, key=lambda row: (PACKED not in row[0], row[0].split("/")))
        cells: dict[str, StoredCell] = {}
        for cell in map(self._cell, ordered):
            if replaces(cell, cells.get(cell.key)):
                cells[cell.key] = cell
        return list(cells.values())

    def renew(self) -> bool:
        """Read every file again, changed or not; whether what was remembered differs from it, as
        after a change that kept size and time."""
        statement = "SELECT place, key, mark FROM heads ORDER BY place"
        before = self._ask(statement), self.unreadable
        self._rebuild()
        return before != (self._ask(statement), self.unreadable)

    def fingerprint(self, track: str) -> str:
        """Of all that the cells of a track say."""
        return digest(
            json.dumps(self._ask("SELECT mark FROM heads WHERE track = ? ORDER BY place", track))
        )

    def recall(self, slot: str, of: str) -> Any:
        """What was remembered in ``slot``, or None when that was of something else than ``of``."""
        for text, crc in self._ask(
            "SELECT value, crc FROM memos WHERE slot = ? AND of_ = ?", slot, digest(of)
        ):
            if crc == checksum([text]):
                return json.loads(text)
        return None

    def remember(self, found: dict[str, tuple[str, Any]]) -> None:
        """Remember slot → (of what, value) for later commands, one value per slot. A value must be
        JSON but may hold infinities."""
        if self._path is None or not found:
            return
        rows = [
            (slot, digest(of), text := json.dumps(value), checksum([text]))
            for slot, (of, value) in found.items()
        ]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO memos VALUES(?,?,?,?)", rows)
        except sqlite3.Error:
            pass  # full, or held by another process: the next command finds it out again

    def _open(self) -> None:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from error
        # "" is a temporary file, gone with the process
        self._db = sqlite3.connect(self._path or "", timeout=30)
        self._db.executescript(TABLES)
        self._bodies: dict[str, Measures] = {}
        self._layouts: dict[int, Layout] = {}
        self._shared: dict[int, Any] = {}
        self._refresh()
        texts = self._db.execute("SELECT id, text, crc FROM texts").fetchall()
        if any(crc != checksum([text]) for _, text, crc in texts):
            raise sqlite3.DatabaseError("damaged texts")
        self._texts: dict[int, str] = {number: text for number, text, _ in texts}
        damaged = self._db.execute("SELECT place, reason FROM damaged").fetchall()
        self.unreadable = self._odd + [Unreadable(self.store.root / p, r) for p, r in damaged]
        self.unreadable.sort(key=lambda one: one.path.parts)
        (self.migrated,) = self._db.execute("SELECT COALESCE(SUM(old), 0) FROM files").fetchone()
        self.counts = dict(
            self._db.execute(
                "SELECT track, COUNT(DISTINCT key) FROM heads GROUP BY track ORDER BY track"
            )
        )

    def _rebuild(self, error: sqlite3.DatabaseError | None = None) -> None:
        """From nothing: in its place when that is damaged, else, when it cannot be written, in a
        temporary file."""
        if hasattr(self, "_db"):
            self._db.close()
        if (
            isinstance(error, sqlite3.OperationalError)
            or self._path is None
            or not removed(self._path)
        ):
            self._path = None
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._path = None
            self._open()

    def _ask(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._rebuild(error)
            return self._db.execute(statement, values).fetchall()

    def _refresh(self) -> None:
        """Read the files that are new or not as they were, and forget those that are gone."""
        known = {
            path: (size, mtime)
            for path, size, mtime in self._db.execute("SELECT path, size, mtime FROM files")
        }
        changed = [e for e in self._entries if known.get(e.path) != (e.size, e.mtime_ns)]
        gone = [(path,) for path in known.keys() - {e.path for e in self._entries}]
        if gone:
            with self._db:
                self._forget(gone)
        for start in range(0, len(changed), BATCH):
            now, batch = time.time_ns(), changed[start : start + BATCH]
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._forget([(e.path,) for e in batch])
                numbers: dict[str, int] = {}
                for entry in batch:
                    self._take(entry, now, numbers)

    def _forget(self, paths: Sequence[tuple[str]]) -> None:
        for table in ("bodies", "heads", "damaged"):
            self._db.executemany(f"DELETE FROM {table} WHERE file = ?", paths)
        self._db.executemany("DELETE FROM files WHERE path = ?", paths)

    def _take(self, entry: Entry, now: int, numbers: dict[str, int]) -> None:
        """Read a file and remember what it holds; one so young that it may change again is read
        again by the next command."""
        trusted = entry.size >= 0 and abs(now - entry.mtime_ns) > FRESH
        mtime = entry.mtime_ns if trusted else -2
        before = self.store.migrated
        packed = entry.path.endswith(PACKED)
        found = self.store.read_packed(entry.path) if packed else [self.store.read(entry.path)]
        for number, one in enumerate(found, 1):
            place = f"{entry.path}:{number:07d}" if packed else entry.path
            if isinstance(one, Cell):
                self._insert(place, entry.path, one, numbers)
            else:
                at = one.path.name if packed else entry.path
                self._db.execute(
                    "INSERT OR REPLACE INTO damaged VALUES(?,?,?)", (at, entry.path, one.reason)
                )
        row = entry.path, entry.size, mtime, self.store.migrated - before
        self._db.execute("INSERT INTO files VALUES(?,?,?,?)", row)

    def _insert(self, place: str, file: str, cell: Cell, numbers: dict[str, int]) -> None:
        body, machine = pack(cell.measures), dict(cell.provenance)
        machine.pop("finished", None)
        seconds = json.dumps(machine.pop("seconds", None))
        about = json.dumps(machine, sort_keys=True)
        row = [place, file, self._number(body.layout, numbers), body.data, body.rest]
        self._db.execute("INSERT OR REPLACE INTO bodies VALUES(?,?,?,?,?,?)", (*row, checksum(row)))
        said = cell.status, cell.reason, cell.finished, seconds, about, body.layout, body.rest
        mark = digest(cell.key, *said, data=body.data)
        shared = cell.spec.model_dump(mode="json", exclude=set(OWN))
        head = [place, file, *(getattr(cell.spec, name) for name in OWN)]
        head += [self._number(json.dumps(shared), numbers), cell.key, cell.status, cell.reason]
        head += [cell.finished, seconds, self._number(about, numbers), mark]
        self._db.execute(
            f"INSERT INTO heads VALUES({','.join('?' * (len(head) + 1))})", (*head, checksum(head))
        )

    def _number(self, text: str, numbers: dict[str, int]) -> int:
        """A text that many cells share, as its place in the table of such texts."""
        if text not in numbers:
            self._db.execute(
                "INSERT OR IGNORE INTO texts(text, crc) VALUES(?,?)", (text, checksum([text]))
            )
            numbers[text] = self._db.execute(
                "SELECT id FROM texts WHERE text = ?", (text,)
            ).fetchone()[0]
        return numbers[text]

    def _parsed(self, number: int) -> Any:
        """A shared text as JSON; one object for all cells that share it."""
        if number not in self._shared:
            self._shared[number] = json.loads(self._texts[number])
        return self._shared[number]

    def _cell(self, row: Sequence[Any]) -> StoredCell:
        place, _, track, entry, seed, digest, weights, kind, key = row[:9]
        status, reason, finished, seconds, machine, mark, _ = row[9:]
        spec = CellSpec.model_construct(
            _SPEC,
            **self._parsed(kind),
            track=track,
            entry=sys.intern(entry),
            seed=seed,
            entry_digest=sys.intern(digest),
            weights_digest=sys.intern(weights),
        )
        about = self._parsed(machine)
        return StoredCell(
            spec, key, status, reason, finished, seconds, about, mark, place, self._fetch
        )

    def _fetch(self, cell: StoredCell) -> Measures:
        """The measures of a cell; from its own file when the index has lost them."""
        if (found := self._bodies.get(cell.place)) is not None:
            return found
        if len(self._bodies) >= BODIES:
            self._bodies.clear()
        for *row, crc in self._ask("SELECT * FROM bodies WHERE place = ?", cell.place):
            if crc == checksum(row):
                layout, data, rest = row[2:]
                if layout not in self._layouts:
                    self._layouts[layout] = Layout(self._texts[layout])
                found = Measures(self._layouts[layout], data, rest)
        if found is None:
            body = pack(self._whole(cell).measures)
            found = Measures(Layout(body.layout), body.data, body.rest)
        self._bodies[cell.place] = found
        return found

    def _whole(self, cell: StoredCell) -> Cell:
        """A cell as it lies in its file. Raises ``HarnessError`` when that has changed."""
        file, _, line = cell.place.rpartition(":")
        lines = self.store.read_packed(file) if line.isdigit() else [self.store.read(cell.place)]
        reason = "it is gone"
        for found in lines:
            if isinstance(found, Cell) and found.key == cell.key:
                return found
            reason = found.reason if isinstance(found, Unreadable) else reason
        raise HarnessError(
            f"{cell.place} changed while it was read: {reason}; run the command again"
        )


_SPEC = set(CellSpec.model_fields)

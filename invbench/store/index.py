"""What the cells below a results folder say, remembered between commands, so that only new and
changed files are read again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from invbench.errors import HarnessError
from invbench.files import cache_dir
from invbench.store.cell import Cell, CellSpec
from invbench.store.record import Layout, Measures, StoredCell, pack
from invbench.store.store import Entry, Store, Unreadable

__all__ = ["Index"]

FORMAT = f"2-{sys.byteorder}"
SMALL = 1000  # files that are read faster than it pays to remember them
# files read between two transactions: what is read is kept when the command is interrupted
BATCH = 2000
KEPT, MEMOS, BODIES = (
    20,
    20_000,
    20_000,
)  # indices of other folders, remembered results, and measures in memory at a time
FRESH = 2 * 10**9  # ns: a file as young as this may change again without a change of its time

TABLES = """
PRAGMA cache_size = -32000;
CREATE TABLE IF NOT EXISTS files(path TEXT PRIMARY KEY, size INT, mtime INT, unreadable TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(
  path TEXT PRIMARY KEY, track TEXT, entry TEXT, condition TEXT, seed INT, entry_digest TEXT, weights_digest TEXT, dtype TEXT, device TEXT,
  batch_size INT, settings INT, protocol INT, key TEXT, status TEXT, reason TEXT, finished TEXT, seconds TEXT, machine INT, mark TEXT,
  crc INT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bodies(key TEXT PRIMARY KEY, layout INT, data BLOB, rest TEXT, crc INT);
CREATE TABLE IF NOT EXISTS texts(id INTEGER PRIMARY KEY, text TEXT UNIQUE, crc INT);
CREATE TABLE IF NOT EXISTS memos(slot TEXT PRIMARY KEY, of_ TEXT, value TEXT, crc INT);
CREATE INDEX IF NOT EXISTS by_track ON heads(track);
"""


class Index:
    """The cells below ``root``: their heads at once, their measures when asked for.

    It lies in the user's cache, never among the results, and says nothing that the files do not: a
    file counts as unchanged when its name, size and time of change are. Deleted or damaged it is
    built again; where the cache cannot be written, in a temporary file. ``unreadable``: files that
    are no cell; ``counts``: cells per track. Raises ``HarnessError`` when the results cannot be
    listed.
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
        self._path = _place(self.store.root) if len(entries) > SMALL else None
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._rebuild(error)

    def cells(self, track: str) -> list[StoredCell]:
        """The cells of a track, in order of path."""
        rows = self._ask("SELECT * FROM heads WHERE track = ?", track)
        if any(crc != _crc(head) for *head, crc in rows):
            self._rebuild()
            rows = self._ask("SELECT * FROM heads WHERE track = ?", track)
        return [self._cell(row) for row in sorted(rows, key=lambda row: row[0].split("/"))]

    def renew(self) -> bool:
        """Read every file again, changed or not; whether what was remembered differs from it, as
        after a change that kept size and time."""
        statement = "SELECT path, key, mark FROM heads ORDER BY path"
        before = self._ask(statement), self.unreadable
        self._rebuild()
        return before != (self._ask(statement), self.unreadable)

    def fingerprint(self, track: str) -> str:
        """Of all that the cells of a track say."""
        return _digest(
            json.dumps(self._ask("SELECT mark FROM heads WHERE track = ? ORDER BY path", track))
        )

    def recall(self, slot: str, of: str) -> Any:
        """What was remembered in ``slot``, or None when that was of something else than ``of``."""
        for text, crc in self._ask(
            "SELECT value, crc FROM memos WHERE slot = ? AND of_ = ?", slot, _digest(of)
        ):
            if crc == _crc([text]):
                return json.loads(text)
        return None

    def remember(self, found: dict[str, tuple[str, Any]]) -> None:
        """Remember slot → (of what, value) for later commands, one value per slot. A value must be
        JSON but may hold infinities."""
        if self._path is None or not found:
            return
        rows = [
            (slot, _digest(of), text := json.dumps(value), _crc([text]))
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
        if any(crc != _crc([text]) for _, text, crc in texts):
            raise sqlite3.DatabaseError("damaged texts")
        self._texts: dict[int, str] = {number: text for number, text, _ in texts}
        damaged = self._db.execute(
            "SELECT path, unreadable FROM files WHERE unreadable != ''"
        ).fetchall()
        self.unreadable = self._odd + [
            Unreadable(self.store.root / path, reason) for path, reason in damaged
        ]
        self.unreadable.sort(key=lambda one: one.path.parts)
        self.counts = dict(
            self._db.execute("SELECT track, COUNT(*) FROM heads GROUP BY track ORDER BY track")
        )

    def _rebuild(self, error: sqlite3.DatabaseError | None = None) -> None:
        """From nothing: in its place when that is damaged, else, when it cannot be written, in a
        temporary file."""
        if hasattr(self, "_db"):
            self._db.close()
        if (
            isinstance(error, sqlite3.OperationalError)
            or self._path is None
            or not _removed(self._path)
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
            read = [(e, self.store.read(e.path)) for e in batch]
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._forget([(e.path,) for e in batch])
                self._take(read, now)

    def _forget(self, paths: Sequence[tuple[str]]) -> None:
        self._db.executemany(
            "DELETE FROM bodies WHERE key = (SELECT key FROM heads WHERE path = ?)", paths
        )
        self._db.executemany("DELETE FROM heads WHERE path = ?", paths)
        self._db.executemany("DELETE FROM files WHERE path = ?", paths)

    def _take(self, read: Sequence[tuple[Entry, Cell | Unreadable]], now: int) -> None:
        numbers: dict[str, int] = {}
        for entry, found in read:
            trusted = entry.size >= 0 and abs(now - entry.mtime_ns) > FRESH
            reason = found.reason if isinstance(found, Unreadable) else ""
            self._db.execute(
                "INSERT INTO files VALUES(?,?,?,?)",
                (entry.path, entry.size, entry.mtime_ns if trusted else -2, reason),
            )
            if isinstance(found, Cell):
                self._insert(entry.path, found, numbers)

    def _insert(self, path: str, cell: Cell, numbers: dict[str, int]) -> None:
        spec, body, machine = cell.spec, pack(cell.measures), dict(cell.provenance)
        machine.pop("finished", None)
        seconds, about = (
            json.dumps(machine.pop("seconds", None)),
            json.dumps(machine, sort_keys=True),
        )
        row = [cell.key, self._number(body.layout, numbers), body.data, body.rest]
        self._db.execute("INSERT OR REPLACE INTO bodies VALUES(?,?,?,?,?)", (*row, _crc(row)))
        said = cell.status, cell.reason, cell.finished, seconds, about, body.layout, body.rest
        mark = _digest(cell.key, *said, data=body.data)
        head = [
            path,
            spec.track,
            spec.entry,
            spec.case,
            spec.seed,
            spec.entry_digest,
            spec.weights_digest,
            spec.dtype,
            spec.device,
        ]
        head += [
            spec.batch_size,
            self._number(json.dumps(spec.settings), numbers),
            spec.protocol,
            cell.key,
            cell.status,
        ]
        head += [cell.reason, cell.finished, seconds, self._number(about, numbers), mark]
        self._db.execute(
            f"INSERT INTO heads VALUES({','.join('?' * (len(head) + 1))})", (*head, _crc(head))
        )

    def _number(self, text: str, numbers: dict[str, int]) -> int:
        """A text that many cells share, as its place in the table of such texts."""
        if text not in numbers:
            self._db.execute(
                "INSERT OR IGNORE INTO texts(text, crc) VALUES(?,?)", (text, _crc([text]))
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
        (
            _,
            track,
            entry,
            case,
            seed,
            digest,
            weights,
            dtype,
            device,
            batch,
            settings,
            protocol,
            key,
        ) = row[:13]
        status, reason, finished, seconds, machine, mark, _ = row[13:]
        intern = sys.intern
        spec = CellSpec.model_construct(
            _SPEC,
            track=track,
            entry=intern(entry),
            case=intern(case),
            seed=seed,
            entry_digest=intern(digest),
            weights_digest=intern(weights),
            dtype=intern(dtype),
            device=intern(device),
            batch_size=batch,
            settings=self._parsed(settings),
            protocol=protocol,
        )
        return StoredCell(
            spec, key, status, reason, finished, seconds, self._parsed(machine), mark, self._fetch
        )

    def _fetch(self, cell: StoredCell) -> Measures:
        """The measures of a cell; from its own file when the index has lost them."""
        if (found := self._bodies.get(cell.key)) is not None:
            return found
        if len(self._bodies) >= BODIES:
            self._bodies.clear()
        for *row, crc in self._ask(
            "SELECT key, layout, data, rest, crc FROM bodies WHERE key = ?", cell.key
        ):
            if crc == _crc(row):
                if row[1] not in self._layouts:
                    self._layouts[row[1]] = Layout(self._texts[row[1]])
                found = Measures(self._layouts[row[1]], row[2], row[3])
        if found is None:
            whole = self.store.read(cell.spec.path)
            if not isinstance(whole, Cell):
                raise HarnessError(
                    f"{whole.path} changed while it was read: {whole.reason}; run the command again"
                )
            layout, data, rest = pack(whole.measures)
            found = Measures(Layout(layout), data, rest)
        self._bodies[cell.key] = found
        return found


_SPEC = set(CellSpec.model_fields)


def _place(root: Path) -> Path:
    """The file of this folder's index; those of the folders read longest ago are deleted."""
    folder = cache_dir() / "index"
    path = folder / f"{_digest(str(root.resolve()))}-{FORMAT}.sqlite"
    try:
        others = sorted(
            (p for p in folder.glob("*.sqlite") if p != path), key=lambda p: -p.stat().st_mtime_ns
        )
    except OSError:
        return path
    for other in others[KEPT:]:
        _removed(other)
    return path


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
        Path(f"{path}-journal").unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _digest(*texts: str, data: bytes = b"") -> str:
    return hashlib.blake2b(
        "\0".join(texts).encode("utf-8", "surrogatepass") + data, digest_size=12
    ).hexdigest()


def _crc(values: Iterable[Any]) -> int:
    """Of a row of the index, so that a damaged one is noticed."""
    found = 0
    for value in values:
        found = crc32(
            value if isinstance(value, bytes) else f"{value}\0".encode("utf-8", "surrogatepass"),
            found,
        )
    return found

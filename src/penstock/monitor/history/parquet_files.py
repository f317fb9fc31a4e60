"""The files of one table: one a window at first, one a day later on, and after a while none."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock.monitor.history.aside import ASIDE, write_aside

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FOLD_AT", "ParquetFiles"]

_log = logging.getLogger(__name__)

FOLD_AT: Final = 64
"""Files of one window each that a day has before they are put together."""

_FULL_BYTES: Final = 8 * 2**20
"""A file this large is not added to any more."""

_ONE: Final = re.compile(r"(\d{4}-\d\d-\d\d)T[\d.-]+-[0-9a-f]+\.parquet")
_DAY: Final = re.compile(r"(\d{4}-\d\d-\d\d)-[0-9a-f]+\.parquet")
_FOLDED: Final = b"penstock.folded"


class ParquetFiles:
    """A directory of Parquet files with the same columns.

    Parameters
    ----------
    directory : Path
    schema : pyarrow.Schema

    Notes
    -----
    ``2024-05-01T10-00-00.000000-ID.parquet`` has one window, by when it began; ``2024-05-01-ID.parquet`` has
    windows of a day. The latter names in its footer the files that it was made of, so that those go once it
    is there, however the process ended. Files of other names or columns are never touched. Memory is bounded
    by what a file of a day grows to: 8 MB and :data:`FOLD_AT` windows.
    """

    def __init__(self, directory: Path, schema: pa.Schema) -> None:
        self._directory, self._schema = directory, schema
        self._folded_to = ""
        self._told: set[str] = set()

    def write(self, table: pa.Table, begin_s: float, window_id: str) -> str:
        """Add a file of one window and return its name; raises OutputError."""
        name = f"{datetime.fromtimestamp(begin_s, UTC):%Y-%m-%dT%H-%M-%S.%f}-{window_id}.parquet"
        self._write(name, table, [])
        return name

    def remove(self, names: Sequence[str]) -> None:
        """Remove files as far as they can be removed."""
        for name in names:
            with contextlib.suppress(OSError):
                (self._directory / name).unlink()

    def days(self) -> list[str]:
        """Return the days that there are windows of, newest first."""
        return sorted(set(self._names().values()), reverse=True)

    def read(self, day: str, columns: Sequence[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """Yield the paths of the files of a day with some of their columns, all by default.

        Files that cannot be read are logged and left out.
        """
        for name in self._of(day):
            if (table := self._read(name, columns)) is not None:
                yield str(self._directory / name), table

    def skip(self, path: str, reason: object) -> None:
        """Log, once, that a file is left out."""
        if path not in self._told:
            self._told.add(path)
            _log.warning("%s: left out of the history: %s", path, str(reason).removeprefix(f"{path}: "))

    def tidy(self) -> None:
        """Remove what a process that was killed left behind."""
        with contextlib.suppress(OSError):
            for path in self._directory.glob(f".*{ASIDE}"):
                path.unlink(missing_ok=True)
        for name in self._names():
            if _DAY.fullmatch(name):
                self.remove(self._sources(name))

    def fold(self, newest: str) -> None:
        """Put the files of days before this one together, and of this one when they are many.

        Raises
        ------
        OutputError
            When the new file cannot be written; all others are still there.
        """
        ones = Counter(day for name, day in self._names().items() if _ONE.fullmatch(name))
        for day, count in ones.items():
            if count >= FOLD_AT or self._folded_to <= day < newest:
                self._fold_day(day)
        self._folded_to = max(self._folded_to, newest)

    def prune(self, before_s: float) -> None:
        """Remove the files of days that had ended before a moment, in seconds since the epoch."""
        oldest = datetime.fromtimestamp(max(before_s, 0.0), UTC).date().isoformat()
        self.remove([name for name, day in self._names().items() if day < oldest])

    def _fold_day(self, day: str) -> None:
        import pyarrow as pa

        small = [name for name in self._of(day) if 0 < self._size(name) < _FULL_BYTES]
        if len(small) < 2:
            return
        tables = {name: table for name in small if (table := self._read(name)) is not None}
        if len(tables) > 1:
            self._write(
                f"{day}-{secrets.token_hex(6)}.parquet", pa.concat_tables(tables.values()), list(tables)
            )
            self.remove(list(tables))

    def _names(self) -> dict[str, str]:
        """Return the days of the files of ours, by their names, in the order of both."""
        try:
            names = sorted(path.name for path in self._directory.iterdir())
        except OSError:
            return {}
        found = ((name, _ONE.fullmatch(name) or _DAY.fullmatch(name)) for name in names)
        return {name: match[1] for name, match in found if match is not None and _is_day(match[1])}

    def _of(self, day: str) -> list[str]:
        return [name for name, other in self._names().items() if other == day]

    def _size(self, name: str) -> int:
        try:
            return (self._directory / name).stat().st_size
        except OSError:
            return 0

    def _read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._directory / name
        try:
            with pq.ParquetFile(path) as file:
                if not file.schema_arrow.equals(self._schema):
                    self.skip(str(path), "its columns are others")
                    return None
                table = file.read(None if columns is None else list(columns), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            self.skip(str(path), error)
            return None
        return table.replace_schema_metadata()

    def _sources(self, name: str) -> list[str]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            metadata = pq.read_metadata(self._directory / name).metadata or {}
            sources = json.loads(metadata.get(_FOLDED, b"[]"))
        except (OSError, ValueError, pa.ArrowException):
            return []
        return [source for source in sources if source != name and source in self._names()]

    def _write(self, name: str, table: pa.Table, sources: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = table.replace_schema_metadata({_FOLDED: json.dumps(list(sources))} if sources else None)
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        write_aside(self._directory / name, memoryview(buffer.getvalue()), flush=True)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

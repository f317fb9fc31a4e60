"""Parquet files of the log, one at a time for each layout."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from penstock.monitor.log.folder import Draft, LogFolder

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LogWriter"]

_MOST_OPEN: Final = 4
_REPEATING: Final = ("row", "model", "version", "time")


@dataclass
class _File:
    draft: Draft
    writer: Any
    schema: Any
    first_us: int
    rows: int = 0


class LogWriter:
    """Writes tables to files that are closed at ``file_rows`` rows, or when :meth:`close` is called.

    Parameters
    ----------
    folder : LogFolder
    file_rows : int
    keep_bytes : int
        Of the folder; a file is closed at a quarter of it.

    Attributes
    ----------
    written_rows : int
        In files that can be read.
    lost_rows : int
        In files that could not be finished.
    files, size_bytes : int
        In the folder.
    """

    def __init__(self, folder: LogFolder, file_rows: int, keep_bytes: int) -> None:
        self._folder = folder
        self._file_rows = file_rows
        self._keep_bytes = keep_bytes
        self._open: list[_File] = []
        self._cleaned = False
        self.written_rows = self.lost_rows = self.files = self.size_bytes = 0

    @property
    def open_rows(self) -> int:
        """Rows in files that are not finished."""
        return sum(file.rows for file in self._open)

    def write(self, table: pa.Table, first_us: int) -> None:
        """Add rows to the file of their layout.

        Raises
        ------
        OSError
            The rows were not written, and those in the file are lost.
        """
        self._clean()
        file = next((file for file in self._open if file.schema.equals(table.schema)), None)
        if file is None:
            if len(self._open) == _MOST_OPEN:
                self._finish(self._open[0])
            file = self._begin(table.schema, first_us)
        try:
            file.writer.write_table(table, row_group_size=max(1, len(table)))
            size_bytes = file.draft.size_bytes
        except BaseException:
            self._abandon(file)
            raise
        file.rows += len(table)
        if file.rows >= self._file_rows or size_bytes >= self._keep_bytes // 4:
            self._finish(file)

    def close(self) -> None:
        """Finish all files.

        Raises
        ------
        OSError
            The rows of one are lost; the others can be finished by another call.
        """
        while self._open:
            self._finish(self._open[0])

    def abandon(self) -> None:
        """Forget all files, and count their rows as lost."""
        for file in list(self._open):
            self._abandon(file)

    def _clean(self) -> None:
        if not self._cleaned:
            self._folder.clean()
            self.files, self.size_bytes = self._folder.prune(self._keep_bytes)
            self._cleaned = True

    def _begin(self, schema: pa.Schema, first_us: int) -> _File:
        import pyarrow as pa
        import pyarrow.parquet as pq

        draft = self._folder.draft()
        coded = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "id"]
        try:
            writer = pq.ParquetWriter(
                draft.path,
                schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=[*coded, *_REPEATING],
                filesystem=pa.fs.LocalFileSystem(),
            )
        except BaseException:
            draft.discard()
            raise
        file = _File(draft, writer, schema, first_us)
        self._open.append(file)
        return file

    def _finish(self, file: _File) -> None:
        try:
            file.writer.close()
            self._folder.publish(file.draft, file.first_us)
        except BaseException:
            self._abandon(file)
            raise
        self._open.remove(file)
        self.written_rows += file.rows
        self.files, self.size_bytes = self._folder.prune(self._keep_bytes)

    def _abandon(self, file: _File) -> None:
        self._open.remove(file)
        self.lost_rows += file.rows
        # Closing writes what a full disk has no room for.
        with contextlib.suppress(Exception):
            file.writer.close()
        file.writer.is_open = False
        file.draft.discard()

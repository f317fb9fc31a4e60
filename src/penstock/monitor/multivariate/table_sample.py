"""A uniform sample of the rows of Arrow tables, as they are, while a reference goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableSample"]


class TableSample:
    """Holds rows drawn from all tables that came, each row as likely as any other.

    Parameters
    ----------
    rows : int
        To hold.
    seed : int, default 0

    Notes
    -----
    Every row gets a random number, and those with the smallest are held: some nanoseconds a row. Tables of
    another schema than the first that had rows are left out, and counted in :attr:`skipped`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> sample = TableSample(rows=2)
    >>> sample.add(pa.table({"x": [1, 2, 3, 4]}))
    >>> sample.table().num_rows, sample.seen
    (2, 4)
    """

    def __init__(self, rows: int, seed: int = 0) -> None:
        if rows < 1:
            raise ConfigError(f"rows: expected at least 1, got {rows}")
        self.seen = 0
        self.skipped = 0
        self._rows = rows
        self._random = np.random.default_rng(seed)
        self._held: pa.Table | None = None
        self._keys = np.empty(0)

    def add(self, data: Any) -> None:
        """Draw from a table or record batch."""
        import pyarrow as pa

        table = data if isinstance(data, pa.Table) else pa.Table.from_batches([data])
        if not table.num_rows:
            return
        if self._held is not None and not self._held.schema.equals(table.schema):
            self.skipped += table.num_rows
            return
        self.seen += table.num_rows
        keys = self._random.random(table.num_rows)
        full = len(self._keys) == self._rows
        chosen = np.flatnonzero(keys < self._keys.max()) if full else np.arange(len(keys))
        if len(chosen) > self._rows:
            chosen = np.sort(chosen[np.argpartition(keys[chosen], self._rows)[: self._rows]])
        if not len(chosen):
            return
        drawn = table.take(chosen)
        self._held = drawn if self._held is None else pa.concat_tables([self._held, drawn])
        self._keys = np.concatenate([self._keys, keys[chosen]])
        if len(self._keys) > self._rows:
            kept = np.sort(np.argpartition(self._keys, self._rows)[: self._rows])
            self._held, self._keys = self._held.take(kept), self._keys[kept]

    def table(self) -> pa.Table:
        """Return the rows that are held.

        Raises
        ------
        ConfigError
            Where no row came.
        """
        if self._held is None:
            raise ConfigError("reference: expected at least one row, got none")
        return self._held.combine_chunks()

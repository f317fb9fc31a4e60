from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

_ArrowTexts: TypeAlias = tuple[npt.NDArray[np.int32], bytes, bytes | None, int]

class _Slot(Protocol):
    @property
    def tensor(self) -> str: ...
    @property
    def output(self) -> bool: ...
    @property
    def dtype(self) -> np.dtype[Any] | None: ...
    @property
    def items(self) -> int: ...
    @property
    def column(self) -> int: ...

@final
class Chunk:
    """Rows of one layout, copied column by column: csrc/monitor/log/chunk.h.

    Parameters
    ----------
    slots : sequence of Slot
        Where each column is: :class:`penstock.monitor.log.layout.Slot`.
    tensor_counts : (int, int), optional
        Inputs and outputs that a batch of this layout has, those that are not kept among them.

    Attributes
    ----------
    slots : tuple of Slot
    tensor_counts : (int, int) or None
    requests : int
        Entries: requests, or runs of rows of one.
    size_bytes : int
    refused : int
        Rows that the last :meth:`append` had no room for.

    Notes
    -----
    One thread at a time; callers lock. Nothing lets the GIL go but what reads texts out.
    """

    slots: tuple[Any, ...]
    tensor_counts: tuple[int, int] | None
    refused: int
    def __init__(self, slots: Sequence[_Slot], tensor_counts: tuple[int, int] | None = None) -> None: ...
    def __len__(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def requests(self) -> int: ...
    def append(
        self,
        version: int,
        time_us: int,
        columns: dict[str, Any],
        outputs: dict[str, Any],
        ids: list[str] | None,
        counts: Sequence[int],
        rows: int,
        *,
        share: int = ...,
        doubtful: npt.NDArray[np.uint8] | None = None,
        doubtful_share: int = 0,
        number: int = 0,
        named: bool = False,
        room: int = ...,
    ) -> int:
        """Copy the rows of one batch that are chosen.

        Parameters
        ----------
        version : int
        time_us : int
            Of the answer, since the epoch.
        columns, outputs : dict of str to ndarray or PrefixedText
        ids : list of str, optional
            Of the requests; empty where a client gave none. One that is too long is shortened.
        counts : sequence of int
            Rows of each request; ``rows`` together.
        rows : int
        share : int
            A request is chosen when XXH64 of its id is at most this; by default all are.
        doubtful : ndarray of uint8, shape (rows,), optional
            Of requests that were not chosen, rows that may be, alone.
        doubtful_share : int
            As ``share``, by another hash, for those.
        number : int
            Names the first request where it has no id, and so on.
        named : bool
            Choose no request without an id.
        room : int
            Rows that may be chosen; where there are more none is, and :attr:`refused` says how many.

        Returns
        -------
        int
            Rows that were copied; -1 where a column is missing or not of this layout. Nothing is copied then,
            nor where anything is raised.

        Raises
        ------
        ConfigError
            Where ids, counts and rows do not fit each other.
        """
    def clear(self) -> None: ...
    def values(self, slot: int) -> npt.NDArray[Any]:
        """The numbers of a column, (rows,) or (rows, items), valid until the next change."""
    def texts(self, slot: int) -> _ArrowTexts:
        """A column of texts: offsets, bytes of UTF-8, validity, how many are missing."""
    def row_ids(self, prefix: str) -> _ArrowTexts:
        """The id of each row: ``id`` of a request of one row, else ``id/0``, ``id/1`` and so on."""
    def rows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Of each row: the time in microseconds, the version, and the row within its request."""
    def index(self) -> Index:
        """Return an index of the ids, which does not need this chunk."""

class Intake:
    """What a buffer does for nearly every batch: see :class:`penstock.monitor.log.buffer.RowBuffer`."""

    current: Chunk | None
    rows: int
    dropped_rows: int
    full_bytes: int
    number: int
    @property
    def lock(self) -> Lock: ...
    def __init__(
        self,
        lock: Lock,
        *,
        most_rows: int,
        most_bytes: int,
        chunk_rows: int,
        chunk_bytes: int,
        share: int,
        doubtful_share: int,
        named: bool,
    ) -> None: ...
    def put(
        self,
        version: int,
        time_s: float,
        columns: dict[str, Any],
        outputs: dict[str, Any],
        rows: int,
        ids: tuple[Sequence[str], Sequence[int]] | None,
        doubtful: npt.NDArray[np.uint8] | None,
    ) -> bool | None:
        """Copy a batch to the current chunk, with the lock held.

        Returns
        -------
        bool or None
            Whether the chunk is full; None where the batch is of another layout, or there is no chunk.
        """
    def take(
        self,
        version: int,
        time_s: float,
        columns: Any,
        outputs: Any,
        rows: int,
        ids: tuple[Sequence[str], Sequence[int]] | None,
        doubtful: npt.NDArray[np.uint8] | None,
    ) -> bool:
        """Take the lock and copy a batch to the current chunk; return whether it is done with.

        A chunk that is full is handed to the method ``fill`` of the subclass.
        """

@final
class Index:
    """Ids of answered requests, and which rows are theirs: csrc/monitor/log/index.h. Any thread may look."""

    @staticmethod
    def merged(older: Index, newer: Index) -> Index:
        """Both, the rows of the newer after those of the older."""
    @staticmethod
    def of_rows(
        offsets: npt.NDArray[np.int32],
        data: Any,
        times_us: npt.NDArray[np.int64],
        versions: npt.NDArray[np.int32],
    ) -> Index:
        """An index of rows that each have an id of their own."""
    def __len__(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    def find(
        self,
        offsets: npt.NDArray[np.int32],
        data: Any,
        entries: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
    ) -> None:
        """Look up ids of rows, as Arrow lays texts.

        Parameters
        ----------
        offsets, data : ndarray of int32, buffer
        entries, rows : ndarray of int64
            Written where an id is found; ids whose row is not negative are passed over.
        """
    def times_us(self) -> npt.NDArray[np.int64]: ...
    def versions(self) -> npt.NDArray[np.int32]: ...
    def hashes(self) -> npt.NDArray[np.uint64]: ...

def request_hashes(
    offsets: npt.NDArray[np.int32], data: Any
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Hashes of ids as :class:`Index` has them: of the whole, and of what stands before a row's number."""

"""The data files that a command names, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.score.location import Location

__all__ = ["BATCH_ROWS", "read_batches"]

BATCH_ROWS = 65_536


def read_batches(places: Sequence[Location], choose: Callable[[Any], Sequence[str]]) -> Iterator[Any]:
    """Yield the record batches of files, one file after the other.

    Parameters
    ----------
    places : sequence of Location
    choose : callable
        Returns the columns to read, given the schema of the first file.

    Raises
    ------
    SignatureError
        Naming the file that lacks a column or cannot be read.
    """
    import pyarrow as pa

    from penstock.errors import SignatureError
    from penstock.score.source import opened, recognise

    columns: Sequence[str] = ()
    types: dict[str, Any] = {}
    for place in places:
        try:
            with opened(place, recognise(place), types) as reader:
                columns = columns or choose(reader.schema)
                for name in columns:
                    if name not in reader.schema.names:
                        have = ", ".join(reader.schema.names)
                        raise SignatureError(f'missing column "{name}"; the file has: {have}')
                # What the first file's columns are, those of a later CSV file are too.
                types = types or {name: reader.schema.field(name).type for name in columns}
                yield from reader.batches(None, columns, BATCH_ROWS)
        except SignatureError as error:
            raise SignatureError(f"{place.name}: {error}") from None
        except (pa.ArrowException, OSError) as error:
            raise SignatureError(f"{place.name}: cannot be read: {error}") from None

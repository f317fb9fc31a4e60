from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

@final
class PrefixedText:
    """Texts as a BYTES tensor lays them: each its length as a little-endian uint32, then its bytes.

    Parameters
    ----------
    buffer : ndarray of uint8, bytes or another contiguous buffer
        The texts end to end; not copied, and to be left unchanged while they are in use.
    rows : int
        How many. Checked against the buffer when it is bound.
    """

    buffer: Any
    rows: int
    def __init__(self, buffer: Any, rows: int) -> None: ...
    def __len__(self) -> int: ...

@final
class Columns:
    """The columns of one batch, bound: views of memory that this object keeps alive.

    Attributes
    ----------
    rows : int
    extra : int
        Columns that came and that the transform does not read.
    key : bytes
        The type of each column, see :func:`types_of`.
    types : tuple of str
        What each column is to the program: the type that the transform wants, or where it wants any number,
        the type that came. Half precision counts as float32, a column without a value as float64.
    """

    rows: int
    extra: int
    key: bytes
    @property
    def types(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def value(self, column: int, row: int) -> Any:
        """Return one value as a str, bool, int or float; None where it is missing."""

@final
class Binder:
    """Binds data to the columns of one transform.

    Parameters
    ----------
    names, types : sequence of str
        Of the columns; types are those of :data:`penstock.transform.spec.TYPES`.
    tensors : bool, default False
        Take int32 days for a date32, and int64 units for a timestamp.

    Notes
    -----
    Nothing is copied but: text as Python objects is referred to object by object; lists, numbers as
    Python objects, fixed-width text of numpy, foreign byte order and coarser times are converted.
    A type fits when it is the same, when every value of it is one of the wanted type (int16 is
    float32; int64 is float64 where the values are exact), when it is a coarser unit of time, or when
    it is no type at all (an Arrow column of nulls). Places of Arrow columns are looked up anew only when
    a schema has other names than the one before.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    def __init__(self, names: Sequence[str], types: Sequence[str], *, tensors: bool = False) -> None: ...
    def bind(self, data: Any) -> list[Columns]:
        """Bind a dict, data frame, Arrow batch, table or stream, or matrix.

        Returns
        -------
        list of Columns
            One for each chunk, at least one; empty data give one of 0 rows.

        Raises
        ------
        SignatureError
            Naming the column, what was expected and what came, and the row where there is one.
        """
    def bind_mapping(self, data: dict[str, Any]) -> Columns:
        """Bind a dict of columns of one length."""
    def tensor(
        self, columns: Columns, i: int, dtype: np.dtype[Any], missing: bytes | None = None
    ) -> npt.NDArray[Any]:
        """Return column ``i`` as the array that its tensor holds, a copy.

        Parameters
        ----------
        columns : Columns
            Bound by this.
        i : int
        dtype : dtype
            Of the tensor: object for texts, which come as UTF-8 bytes; int32 for dates, int64 for timestamps.
        missing : bytes, optional
            Stands for a missing text.

        Raises
        ------
        SignatureError
            Naming the column and the row, where a missing value or a date has no place in the tensor.
        """

def types_of(key: bytes) -> tuple[str, ...]:
    """Spell out :attr:`Columns.key`.

    >>> types_of(Binder(["x"], ["number"]).bind({"x": [1, 2]})[0].key)
    ('int64',)
    """

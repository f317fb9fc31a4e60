"""Instructions of a compiled transform, as Python writes them down.

What each does, and in which order its numbers and integers stand:
csrc/transform/program.h. They run in ``_program.Program``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "DATE_PARTS",
    "ELEMENTS",
    "KINDS",
    "NO_CODE",
    "OPS",
    "REFUSE",
    "TIME_UNITS",
    "UNARIES",
    "Instruction",
    "Table",
]

NO_CODE = -1
"""The code that stands for none of the categories."""

REFUSE = -2
"""As a table's code: a row with such a value is refused."""

KINDS = ("float", "double", "int", "text", "code")
"""What a register holds; in the order of ``Kind``."""

ELEMENTS = ("float32", "float64", "int32", "int64")
"""What an output holds; in the order of ``Element``."""

OPS = (
    "load",
    "lookup",
    "constant",
    "cast",
    "find_text",
    "find_number",
    "add",
    "subtract",
    "multiply",
    "divide",
    "fill_missing",
    "fill_equal",
    "fill_text",
    "is_missing",
    "is_equal",
    "clip",
    "unary",
    "box_cox",
    "yeo_johnson",
    "quantile",
    "bin",
    "gather",
    "equals_code",
    "cyclic_sin",
    "cyclic_cos",
    "date_part",
    "multiply_by",
    "normalize",
    "project",
    "hash",
    "hash_sign",
    "expression",
    "store",
    "store_one_hot",
)
"""Names of the operations, in the order of ``Op``."""

UNARIES = (
    "log",
    "log1p",
    "log2",
    "log10",
    "exp",
    "expm1",
    "sqrt",
    "cbrt",
    "abs",
    "sign",
    "square",
    "reciprocal",
    "negative",
    "floor",
    "ceil",
    "rint",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "deg2rad",
    "rad2deg",
    "identity",
)
"""Functions of ``unary``, in the order of ``Unary``: the index is the instruction's integer."""

DATE_PARTS = (
    "year",
    "quarter",
    "month",
    "day",
    "day_of_week",
    "day_of_year",
    "week",
    "hour",
    "minute",
    "second",
    "is_weekend",
    "epoch_seconds",
    "epoch_days",
)
"""Parts of ``date_part``, in the order of ``DatePart``: the index is its first integer."""

TIME_UNITS = ("D", "s", "ms", "us", "ns")
"""Units of ``date_part``, in the order of ``TimeUnit``: the index is its second integer."""


class Instruction(NamedTuple):
    """One instruction.

    Attributes
    ----------
    op : str
        One of :data:`OPS`.
    dst : int
        Register, or the first of several; -1 for stores.
    src : sequence of int
        Registers.
    numbers, integers
        Parameters.
    table : int
        Index of a table, or -1.
    wide : bool
        Compute in double and round once.
    """

    op: str
    dst: int = -1
    src: Sequence[int] = ()
    numbers: Sequence[float] | npt.NDArray[np.float64] = ()
    integers: Sequence[int] = ()
    table: int = -1
    wide: bool = False


class Table(NamedTuple):
    """Categories and the code of each.

    Attributes
    ----------
    categories : sequence of str, or ndarray of float64
        Each once.
    codes : ndarray of int32
        Of each category: 0 and up, :data:`NO_CODE` or :data:`REFUSE`.
    missing, unknown : int
        Code of a missing value and of any other; :data:`NO_CODE` and :data:`REFUSE` among them.
    """

    categories: Sequence[str] | npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    missing: int = REFUSE
    unknown: int = REFUSE

"""Types of values, and the type that an operation computes in: scikit-learn's.

Read next: operations/.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

__all__ = ["NUMBERS", "TIMES", "TypeClass", "matrix_type", "register_kind", "time_unit", "type_class"]

TypeClass = Literal["number", "text", "time"]
"""What operations ask of an input: something to compute with, a text, or a point in time."""

NUMBERS = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
"""Types of numbers, by NumPy's names."""

TIMES = {
    "date32": "D",
    "timestamp[s]": "s",
    "timestamp[ms]": "ms",
    "timestamp[us]": "us",
    "timestamp[ns]": "ns",
}
"""Types of points in time, and their units."""


def type_class(name: str) -> TypeClass:
    """Class of a type of :data:`penstock.transform.spec.TYPES`; an open ``number`` is a number.

    >>> type_class("uint8"), type_class("string"), type_class("date32")
    ('number', 'text', 'time')
    """
    if name == "string":
        return "text"
    return "time" if name in TIMES else "number"


def time_unit(name: str) -> str:
    """Unit of a type of :data:`TIMES`, by NumPy's name."""
    return TIMES[name]


def matrix_type(types: Iterable[str]) -> str:
    """Type in which scikit-learn computes on columns of these types together.

    Its transformers see one matrix: NumPy's common type of all columns, if that is a floating one, else
    float64. Half precision counts as float32.

    >>> matrix_type(["float32", "int8"]), matrix_type(["float32", "int32"]), matrix_type(["bool"])
    ('float32', 'float64', 'float64')
    """
    common = np.result_type(*(np.dtype(name) for name in set(types)))
    return "float32" if common in (np.dtype(np.float16), np.dtype(np.float32)) else "float64"


def register_kind(name: str) -> Literal["float", "double"]:
    """Register that holds a computed value of a numeric type; whole numbers are exact to 2**53."""
    return "float" if name in ("float32", "float16") else "double"

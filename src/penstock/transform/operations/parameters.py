"""Parameters that several operations have, and the tests of their values.

Read next: numeric.py.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import numpy.typing as npt

from penstock.transform.operations.definition import Case, Parameter
from penstock.transform.types import NUMBERS

__all__ = ["DTYPE", "check_range", "choice", "each_input", "flag", "integers", "is_number", "is_whole", "one"]

DTYPES = tuple(name for name in NUMBERS if name != "float16")


def is_whole(value: object) -> bool:
    """Whether it is a whole number of JSON."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a finite number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def choice(name: str, *known: str, optional: bool = False) -> Parameter:
    """A parameter that is one of these texts."""
    words = " or ".join(f'"{one}"' for one in known)
    return Parameter(name, words, lambda value: value in known, optional=optional)


def flag(name: str) -> Parameter:
    """A parameter that is true or false, false when it is not there."""
    return Parameter(name, "true or false", lambda value: isinstance(value, bool), optional=True)


DTYPE = Parameter("dtype", "one of " + ", ".join(DTYPES), lambda value: value in DTYPES, optional=True)
"""Type of the outputs; what it is by default, the definition says."""


def each_input(case: Case) -> int:
    """As many as inputs."""
    return case.inputs


def one(case: Case) -> int:
    """One."""
    return 1


def integers(case: Case, name: str) -> list[int]:
    """An array of whole numbers that is there."""
    return cast("list[int]", case.numbers(name).tolist())


def check_range(case: Case, name: str, values: npt.NDArray[np.int32], low: int, high: int) -> None:
    """Refuse an array with values outside of a range."""
    if len(values) and (values.min() < low or values.max() > high):
        raise case.refuse(
            f'array "{name}": expected values from {low} to {high}, got {values.min()} to {values.max()}'
        )

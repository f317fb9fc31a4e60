"""What maps values to codes: categories, bins, buckets.

T is the type of the inputs as one matrix (:func:`penstock.transform.types.matrix_type`),
k their number. Read next: combination.py.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa

from penstock.transform.operations.definition import FLOATS, TEXTS, Array, Case, Definition, Parameter
from penstock.transform.operations.parameters import (
    DTYPE,
    check_range,
    choice,
    each_input,
    flag,
    integers,
    is_whole,
)

__all__ = ["CATEGORICAL"]

MISSING = Parameter("missing", "null or a text", lambda x: x is None or isinstance(x, str), optional=True)


def _code_or_error(name: str) -> Parameter:
    return Parameter(
        name,
        '"error" or a whole number from -1 (none of them) up',
        lambda x: x == "error" or (is_whole(x) and cast(int, x) >= -1),
        each=True,
    )


def _widths(case: Case) -> list[int]:
    return cast("list[int]", list(cast("list[int]", case.parameter("widths"))))


def _check_categories(case: Case, codes: str, rows: list[int]) -> None:
    """Categories of each input suit its type and stand there once, and codes are below ``rows``."""
    for i, got in enumerate(case.classes):
        name = f"categories{i}"
        categories = case.array(name)
        indices = case.array(f"{codes}{i}")
        assert categories is not None
        assert indices is not None
        expected = TEXTS if got == "text" else (pa.float64(),)
        if categories.type not in expected:
            raise case.refuse(f'array "{name}": expected {expected[0]}, as its input, got {categories.type}')
        if len(indices) != len(categories):
            raise case.refuse(
                f'array "{codes}{i}": expected {len(categories)} values, one for each category, '
                f"got {len(indices)}"
            )
        if got == "number" and np.isnan(categories.to_numpy()).any():
            raise case.refuse(f'array "{name}": NaN is no category, give its code as parameter "missing"')
        if len(set(categories.to_pylist())) != len(categories):
            raise case.refuse(f'array "{name}": expected every category once')
        check_range(case, f"{codes}{i}", indices.to_numpy(), -1, rows[i] - 1)
        for parameter in ("unknown", "missing"):
            code = cast("list[object]", case.parameter(parameter))[i]
            if isinstance(code, int) and code >= rows[i]:
                raise case.refuse(f'parameter "{parameter}[{i}]": expected less than {rows[i]}, got {code}')


def _check_one_hot(case: Case) -> None:
    _check_categories(case, "columns", _widths(case))


def _check_encode(case: Case) -> None:
    width = cast(int, case.parameter("width", 1))
    rows = []
    for i in range(case.inputs):
        length = case.length(f"values{i}")
        if length % width:
            raise case.refuse(
                f'array "values{i}": expected a multiple of the width {width}, got {length} values'
            )
        rows.append(length // width)
    _check_categories(case, "codes", rows)


def _check_edges(case: Case) -> None:
    counts = integers(case, "counts")
    edges = case.array("edges")
    assert edges is not None
    if any(count < 2 for count in counts):
        raise case.refuse(f'array "counts": expected at least 2 edges of each input, got {counts}')
    if sum(counts) != len(edges):
        raise case.refuse(
            f'array "edges": expected {sum(counts)} values, the sum of "counts", got {len(edges)}'
        )
    values = edges.to_numpy()
    for i, end in enumerate(np.cumsum(counts)):
        own = values[end - counts[i] : end]
        if not (own[:-1] <= own[1:]).all():
            raise case.refuse(f'array "edges": expected the edges of input {i} in ascending order')


def _bins(case: Case) -> int:
    return sum(integers(case, "counts")) - case.inputs


def _hashed(case: Case) -> int:
    return 1 if case.parameter("output", "index") == "index" else cast(int, case.parameter("buckets"))


CATEGORICAL = (
    Definition(
        "impute_text",
        """Fills missing texts: the text ``fill[i]`` where x is missing, else x.

        With a text as ``missing`` it stands where x equals that instead, and what is missing stays so.

        As scikit-learn's SimpleImputer.""",
        ("text",),
        each_input,
        "string",
        (MISSING,),
        (Array("fill", TEXTS, each_input),),
    ),
    Definition(
        "one_hot",
        """``widths[i]`` columns for input i: 1 in the column of x's category, 0 in the others.

        Category c of ``categories{i}`` has column ``columns{i}[c]``; several may share one, and -1 is none.
        What is missing and what is no category get the column ``missing[i]`` and ``unknown[i]``: -1 is
        none, ``error`` refuses the row. ``warn`` asks for a warning when a batch has unknown values. As
        scikit-learn's OneHotEncoder in all its modes.""",
        ("number", "text"),
        lambda case: sum(_widths(case)),
        "dtype",
        (
            DTYPE,
            Parameter(
                "widths", "a whole number from 0 up", lambda x: is_whole(x) and cast(int, x) >= 0, each=True
            ),
            _code_or_error("unknown"),
            _code_or_error("missing"),
            flag("warn"),
        ),
        (Array("categories{}", (*TEXTS, pa.float64())), Array("columns{}", (pa.int32(),))),
        also=_check_one_hot,
    ),
    Definition(
        "encode",
        """``width`` numbers for x's category: row ``codes{i}[c]`` of ``values{i}`` for category c.

        What is missing and what is no category get row ``missing[i]`` and ``unknown[i]``; row -1 is NaN,
        ``error`` refuses. ``kind`` says what the numbers are: a position, a mean target, a frequency.""",
        ("number", "text"),
        lambda case: case.inputs * cast(int, case.parameter("width", 1)),
        "dtype",
        (
            DTYPE,
            Parameter("kind", "a text", lambda value: isinstance(value, str)),
            Parameter(
                "width", "a whole number from 1 up", lambda x: is_whole(x) and cast(int, x) > 0, optional=True
            ),
            _code_or_error("unknown"),
            _code_or_error("missing"),
        ),
        (
            Array("categories{}", (*TEXTS, pa.float64())),
            Array("codes{}", (pa.int32(),)),
            Array("values{}", (pa.float64(),)),
        ),
        also=_check_encode,
    ),
    Definition(
        "bin",
        """The bin that x lies in: the number of inner edges that are at most x. Ends are open; NaN stays NaN.

        Input i has ``counts[i]`` of the ``edges``, its first and last among them. x is rounded to ``dtype``
        before, if that is given. As scikit-learn's KBinsDiscretizer with ``encode="ordinal"``.""",
        ("number",),
        each_input,
        "dtype or matrix",
        (DTYPE,),
        (Array("counts", (pa.int32(),), each_input), Array("edges", FLOATS)),
        also=_check_edges,
    ),
    Definition(
        "bin_one_hot",
        """A column for each bin (see ``bin``): 1 in the one that x lies in, else 0; NaN lies in none.""",
        ("number",),
        _bins,
        "dtype or matrix",
        (DTYPE,),
        (Array("counts", (pa.int32(),), each_input), Array("edges", FLOATS)),
        also=_check_edges,
    ),
    Definition(
        "hash",
        """The bucket of one value, or of several values crossed: ``hash(x_1 … x_k, seed) mod buckets``.

        ``index`` gives the bucket; ``one_hot`` a column for each bucket, 1 in that of the row; ``signed``
        likewise with 1 or -1, by another bit of the hash. The function: csrc/transform/hash.h.""",
        ("number", "text", "time"),
        _hashed,
        "dtype",
        (
            DTYPE,
            Parameter(
                "buckets",
                "a whole number from 1 to 2147483647",
                lambda x: is_whole(x) and 0 < cast(int, x) < 2**31,
            ),
            Parameter(
                "seed",
                "a whole number from 0 to 2**63 - 1",
                lambda x: is_whole(x) and 0 <= cast(int, x) < 2**63,
                optional=True,
            ),
            choice("output", "index", "one_hot", "signed", optional=True),
        ),
    ),
)

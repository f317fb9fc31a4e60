"""What computes with several columns of a row.

T is the type of the inputs as one matrix (:func:`penstock.transform.types.matrix_type`),
k their number. Read next: registry.py.
"""

from __future__ import annotations

from typing import cast

import pyarrow as pa

from penstock.transform.operations.definition import FLOATS, Array, Case, Definition, Parameter
from penstock.transform.operations.parameters import check_range, choice, each_input, integers, one

__all__ = ["COMBINATION"]


def _check_terms(case: Case) -> None:
    terms, counts = case.array("terms"), integers(case, "counts")
    assert terms is not None
    if any(count < 0 for count in counts) or sum(counts) != len(terms):
        raise case.refuse(
            f'array "terms": expected {sum(counts)} values, the sum of "counts", got {len(terms)}'
        )
    check_range(case, "terms", terms.to_numpy(), 0, case.inputs - 1)


def _check_expression(case: Case) -> None:
    names = case.parameter("names", case.operation.inputs)
    if len(set(cast("list[str]", names))) != case.inputs:
        raise case.refuse('parameter "names": expected every name once')


COMBINATION = (
    Definition(
        "normalize",
        """Divides each row by its norm: ``x / norm(x_1 … x_k)``, by 1 where the norm is 0.

        ``l1``: sum of magnitudes; ``l2``: root of the sum of squares; ``max``: largest magnitude.""",
        ("number",),
        each_input,
        "matrix",
        (choice("norm", "l1", "l2", "max"),),
    ),
    Definition(
        "polynomial",
        """Products of inputs: output j is the product of its ``counts[j]`` factors, from left to right.

        ``terms`` holds the factors of all outputs as positions of inputs. No factors: 1.""",
        ("number",),
        lambda case: case.length("counts"),
        "matrix",
        (),
        (Array("terms", (pa.int32(),)), Array("counts", (pa.int32(),))),
        also=_check_terms,
    ),
    Definition(
        "project",
        """A linear projection: ``(sum_j matrix[i * k + j] x_j - subtract[i]) / divide[i]``.

        Summed in double, j ascending. Principal components are one.""",
        ("number",),
        lambda case: case.length("matrix") // case.inputs,
        "projection",
        (),
        (
            Array("matrix", FLOATS, lambda case: case.outputs * case.inputs),
            Array("subtract", FLOATS, lambda case: case.outputs, optional=True),
            Array("divide", FLOATS, lambda case: case.outputs, optional=True),
        ),
    ),
    Definition(
        "expression",
        """A formula over the inputs, in double: ``text``.

        It calls the inputs by ``names``, or by their own names. Grammar: penstock.transform.expression.""",
        ("number",),
        one,
        "float64",
        (
            Parameter("text", "a text", lambda value: isinstance(value, str)),
            Parameter("names", "a text", lambda value: isinstance(value, str), each=True, optional=True),
        ),
        also=_check_expression,
    ),
)

"""Lowering of what computes with several columns of a row.

What each operation means: operations/. Read next: outputs.py.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from penstock.errors import TransformError
from penstock.transform.lower.graph import Ref
from penstock.transform.lower.step import Step
from penstock.transform.lower.value import Value
from penstock.transform.types import register_kind

__all__ = ["expression", "normalize", "polynomial", "project"]

NORMS = {"l1": 1, "l2": 2, "max": 0}


def normalize(step: Step) -> list[Value]:
    """Lower ``normalize``."""
    k = len(step.inputs)
    first = step.graph.add(
        "normalize", step.kind, step.registers(), integers=(NORMS[step.parameter("norm")],), width=k
    )
    return step.computed(Ref(first.node, part) for part in range(k))


def polynomial(step: Step) -> list[Value]:
    """Lower ``polynomial``; products of the same first factors are computed once."""
    counts = cast("list[int]", step.array("counts").to_pylist())
    factors = np.split(step.array("terms").to_numpy(), np.cumsum(counts)[:-1]) if counts else []
    inputs = step.registers()

    def product(term: list[int]) -> Ref:
        if not term:
            return step.graph.add("constant", step.kind, (), [1.0])
        ref = inputs[term[0]]
        for factor in term[1:]:
            ref = step.graph.add("multiply_by", step.kind, (ref, inputs[factor]))
        return ref

    return step.computed(product(term.tolist()) for term in factors)


def project(step: Step) -> list[Value]:
    """Lower ``project``."""
    m = len(step.operation.outputs)
    kind = register_kind(step.result)
    subtract = step.numbers("subtract") if step.has("subtract") else np.zeros(m)
    divide = step.numbers("divide") if step.has("divide") else np.ones(m)
    # The matrix is what it is; only the inputs are of the type of the matrix rule.
    src = [ref if ref.kind == kind else step.graph.add("cast", kind, (ref,)) for ref in step.registers()]
    numbers = np.concatenate([step.numbers("matrix"), subtract, divide])
    first = step.graph.add("project", kind, src, numbers, (m,), width=m)
    return step.computed(Ref(first.node, part) for part in range(m))


def expression(step: Step) -> list[Value]:
    """Lower ``expression``: compiled now, and held by the program."""
    from penstock.transform.expression import compile_expression  # Numba comes only where there is one

    compiled = compile_expression(step.parameter("text"))
    names = step.parameter("names", step.operation.inputs)
    by_name = dict(zip(names, step.inputs, strict=True))
    for name in compiled.inputs:
        if name not in by_name:
            raise TransformError(
                f'expression "{step.parameter("text")}": unknown name "{name}"; inputs: {", ".join(names)}'
            )
    for name in names:
        # A name of a constant would hide the column.
        if name not in compiled.inputs:
            raise TransformError(f'expression "{step.parameter("text")}": does not read its input "{name}"')
    src = [by_name[name].number("double") for name in compiled.inputs]
    step.graph.holds.append(compiled)
    return step.computed([step.graph.add("expression", "double", src, integers=(compiled.address,))])

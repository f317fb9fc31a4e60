"""From a tree to the source of a function that Numba compiles: one statement an operation.

Nothing of the text reaches the source: columns are ``c0``, ``c1``, ..., numbers their ``repr``, operations
what stands in the tables here. An operation that appears twice is computed once. Read next: compile.py.
"""

from __future__ import annotations

import math

from penstock.transform.expression.grammar import Column, Node, Number, columns_of

__all__ = ["FUNCTION", "source_of"]

FUNCTION = "expression"
"""What the function in the source is called."""

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//", "remainder": "%",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip

_COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}

_NUMPY = {
    **{
        name: name
        for name in (
            "log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "cbrt", "sign", "floor", "ceil", "sin",
            "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "hypot", "sinh", "cosh", "tanh", "power",
        )
    },
    "abs": "fabs",
    "round": "rint",
    "min": "minimum",
    "max": "maximum",
}  # fmt: skip


def source_of(tree: Node) -> str:
    """Return the source of a function over ``(columns, out, n)`` that computes a tree for each row.

    ``columns[j]`` are the values of the j-th of :func:`~penstock.transform.expression.grammar.columns_of`.

    Examples
    --------
    >>> from penstock.transform.expression.grammar import parse
    >>> print(source_of(parse("(a + 1) * (a + 1)")))
    def expression(columns, out, n):
        c0 = columns[0]
        for i in range(n):
            t0 = c0[i]
            t1 = t0 + 1.0
            t2 = t1 * t1
            out[i] = t2
    """
    columns = columns_of(tree)
    writer = _Writer({name: j for j, name in enumerate(columns)})
    result = writer.value(tree)
    lines = [f"def {FUNCTION}(columns, out, n):"]
    lines += [f"    c{j} = columns[{j}]" for j in range(len(columns))]
    lines += ["    for i in range(n):"]
    lines += [f"        {line}" for line in writer.lines]
    lines += [f"        out[i] = {result}"]
    return "\n".join(lines)


class _Writer:
    """Statements so far, and the variable that holds each expression that was written."""

    def __init__(self, columns: dict[str, int]) -> None:
        self.lines: list[str] = []
        self._columns = columns
        self._variables: dict[str, str] = {}

    def value(self, node: Node) -> str:
        """Return a variable or literal that holds a node's value, once what it needs is written."""
        if isinstance(node, Number):
            return _literal(node.value)
        if isinstance(node, Column):
            return self._assign(f"c{self._columns[node.name]}[i]")
        return self._assign(_expression(node.operation, [self.value(operand) for operand in node.operands]))

    def _assign(self, expression: str) -> str:
        if expression not in self._variables:
            variable = f"t{len(self._variables)}"
            self.lines.append(f"{variable} = {expression}")
            self._variables[expression] = variable
        return self._variables[expression]


def _literal(value: float) -> str:
    if math.isnan(value):
        return "np.nan"
    return repr(value) if math.isfinite(value) else "np.inf"


def _expression(operation: str, values: list[str]) -> str:
    match operation, values:
        case "negative", [x]:
            return f"-{x}"
        case "not", [x]:
            return f"1.0 if {x} == 0.0 else 0.0"
        case "and" | "or", _:
            test = f" {operation} ".join(f"{x} != 0.0" for x in values)
            return f"1.0 if {test} else 0.0"
        case "isnan", [x]:
            return f"1.0 if {x} != {x} else 0.0"
        case "fillna", [x, y]:
            return f"{y} if {x} != {x} else {x}"
        case "where", [condition, x, y]:
            return f"{x} if {condition} != 0.0 else {y}"
        case "clip", [x, low, high]:
            return f"np.minimum(np.maximum({x}, {low}), {high})"
        case name, [x, y] if name in _COMPARISONS:
            return f"1.0 if {x} {_INFIX[name]} {y} else 0.0"
        case name, [x, y] if name in _INFIX:
            return f"{x} {_INFIX[name]} {y}"
    return f"np.{_NUMPY[operation]}({', '.join(values)})"

"""What an expression means, written down again with NumPy."""

from __future__ import annotations

import numpy as np

from penstock.transform.expression.grammar import Apply, Column, Node, Number

UNARY = {
    "negative": np.negative, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10,
    "exp": np.exp, "expm1": np.expm1, "sqrt": np.sqrt, "cbrt": np.cbrt, "abs": np.abs, "sign": np.sign,
    "floor": np.floor, "ceil": np.ceil, "round": np.rint, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "isnan": np.isnan, "not": np.logical_not,
}  # fmt: skip

BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "power": np.power,
    "floor_divide": np.floor_divide, "remainder": np.remainder, "less": np.less, "less_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal, "equal": np.equal, "not_equal": np.not_equal,
    "arctan2": np.arctan2, "hypot": np.hypot, "min": np.minimum, "max": np.maximum,
}  # fmt: skip

EXACT = {
    "negative", "abs", "sign", "floor", "ceil", "round", "isnan", "not", "sqrt", "add", "subtract",
    "multiply", "divide", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "min",
    "max", "and", "or", "where", "clip", "fillna", "floor_divide", "remainder",
}  # fmt: skip
"""Operations that IEEE 754 or plain selection leave one result for."""


def evaluate(node: Node, columns: dict[str, np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(_evaluate(node, columns), dtype=np.float64)


def _evaluate(node: Node, columns: dict[str, np.ndarray]) -> np.ndarray:
    if isinstance(node, Number):
        return np.full(len(next(iter(columns.values()))), node.value)
    if isinstance(node, Column):
        return columns[node.name]
    values = [np.asarray(_evaluate(operand, columns), dtype=np.float64) for operand in node.operands]
    name = node.operation
    if name in UNARY:
        return UNARY[name](*values)
    if name in BINARY:
        return BINARY[name](*values)
    if name in ("and", "or"):
        reduce = np.logical_and.reduce if name == "and" else np.logical_or.reduce
        return reduce([value != 0 for value in values])
    if name == "where":
        return np.where(values[0] != 0, values[1], values[2])
    if name == "fillna":
        return np.where(np.isnan(values[0]), values[1], values[0])
    assert name == "clip"
    return np.minimum(np.maximum(values[0], values[1]), values[2])


def operations(node: Node) -> set[str]:
    if not isinstance(node, Apply):
        return set()
    return {node.operation}.union(*(operations(operand) for operand in node.operands))

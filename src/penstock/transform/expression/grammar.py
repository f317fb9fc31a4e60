"""The closed grammar of expressions: text in, a tree of numbers, columns and known operations out.

Python's own parser reads the text; nothing of it is ever evaluated. Everything is a double: comparisons
and ``and``, ``or``, ``not`` give 1 or 0, and any value but 0 (NaN too) is true. Read next: source.py.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.errors import TransformError

__all__ = ["CONSTANTS", "FUNCTIONS", "LONGEST", "Apply", "Column", "Node", "Number", "columns_of", "parse"]

LONGEST = 10_000
"""Characters of one expression."""

DEEPEST = 200
"""Operations inside one another, and operands of ``and``, ``or`` or comparisons in a row."""

CONSTANTS = {"pi": math.pi, "e": math.e, "nan": math.nan, "inf": math.inf}

FUNCTIONS = {
    **dict.fromkeys(
        (
            "log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "cbrt", "abs", "sign", "floor", "ceil",
            "round", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "isnan",
        ),
        1,
    ),
    **dict.fromkeys(("arctan2", "hypot", "min", "max", "fillna"), 2),
    **dict.fromkeys(("where", "clip"), 3),
}  # fmt: skip
"""What can be called, and with how many arguments. ``round`` goes to the nearest, halves to even;
``min`` and ``max`` are NaN where either is; ``fillna(x, y)`` is y where x is NaN."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal or a constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on what its operands give: a name of :data:`FUNCTIONS` or of an operator."""

    operation: str
    operands: tuple[Node, ...]


Node = Number | Column | Apply

_BINARY = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
}

_COMPARISONS = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}

_HINTS = {
    ast.BitAnd: "; use and",
    ast.BitOr: "; use or",
    ast.BitXor: "; use ** for a power",
    ast.Invert: "; use not",
    ast.IfExp: "; use where(condition, a, b)",
}

_WORDS = {
    ast.Attribute: "an attribute",
    ast.Subscript: "an index",
    ast.Lambda: "a lambda",
    ast.IfExp: "if ... else",
    ast.NamedExpr: "an assignment",
    ast.Starred: "a starred argument",
    ast.List: "a list",
    ast.Tuple: "a tuple",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "a formatted string",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.BitAnd: "operator &",
    ast.BitOr: "operator |",
    ast.BitXor: "operator ^",
    ast.Invert: "operator ~",
    ast.LShift: "operator <<",
    ast.RShift: "operator >>",
    ast.MatMult: "operator @",
    ast.In: "operator in",
    ast.NotIn: "operator not in",
    ast.Is: "operator is",
    ast.IsNot: "operator is not",
}


def parse(text: str) -> Node:
    """Read an expression.

    Parameters
    ----------
    text : str
        Numbers, columns by name (``col("any name")`` for those that are no identifiers, or are called like
        a constant), ``+ - * / // % **``, comparisons, ``and or not``, the functions of :data:`FUNCTIONS`
        and the constants of :data:`CONSTANTS`.

    Raises
    ------
    TransformError
        Where anything else stands in it; names what, the position (columns count from 1), and what is near.

    Examples
    --------
    >>> parse("amount + 1")
    Apply(operation='add', operands=(Column(name='amount'), Number(value=1.0)))
    >>> parse("logg(a)")
    Traceback (most recent call last):
    penstock.errors.TransformError: expression 'logg(a)', column 1: unknown function logg; did you mean log?
    """
    return _Parser(text).parse()


def columns_of(tree: Node) -> tuple[str, ...]:
    """Return the names of the columns in a tree, each once, in the order in which they appear."""
    return tuple(dict.fromkeys(node.name for node in _walk(tree) if isinstance(node, Column)))


def _walk(tree: Node) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Apply):
            waiting.extend(reversed(node.operands))


class _Parser:
    """Makes the tree of one text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def parse(self) -> Node:
        if len(self._text) > LONGEST:
            raise TransformError(f"expression of {len(self._text)} characters; at most {LONGEST} are allowed")
        # A leading space would be an indentation, and a line break would end the expression.
        indent = len(self._text) - len(self._text.lstrip())
        self._lines = f"({self._text[indent:]}\n)".splitlines()
        self._indent = indent - 1
        if not self._text.strip():
            raise TransformError("an expression is empty")
        try:
            body = ast.parse("\n".join(self._lines), mode="eval").body
        except SyntaxError as error:
            line, column = error.lineno or 1, error.offset or 1
            if line >= len(self._lines):  # the parenthesis behind the text
                line, column = len(self._lines) - 1, len(self._lines[-2]) + 1
            where = self._position(line, column - 1)
            raise TransformError(f"{where}: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError):
            raise TransformError(f"{self._name}: cannot be read; it is nested too deeply") from None
        if (body.lineno, body.col_offset) == (1, 0) and not isinstance(body, ast.Tuple | ast.GeneratorExp):
            raise TransformError(f"{self._name}: a parenthesis is closed that was not opened")
        tree = self._node(body, 1)
        if not columns_of(tree):
            raise TransformError(f"{self._name}: names no column")
        return tree

    @property
    def _name(self) -> str:
        shown = self._text if len(self._text) <= 80 else self._text[:77] + "..."
        return f"expression {shown!r}"

    def _position(self, line: int, column: int) -> str:
        column = max(column + 1 + (self._indent if line == 1 else 0), 1)
        return (
            f"{self._name}, " + (f"line {line}, " if "\n" in self._text.strip() else "") + f"column {column}"
        )

    def _refuse(self, node: ast.AST, reason: str) -> TransformError:
        line: int = getattr(node, "lineno", 1)
        text = self._lines[line - 1].encode()[: getattr(node, "col_offset", 0)].decode(errors="replace")
        return TransformError(f"{self._position(line, len(text))}: {reason}")

    def _unknown(self, node: ast.AST, what: ast.AST | None = None) -> TransformError:
        kind = type(what or node)
        word = _WORDS.get(kind, kind.__name__.lower())
        return self._refuse(node, f"{word} is not allowed{_HINTS.get(kind, '')}")

    def _node(self, node: ast.expr, depth: int) -> Node:
        if depth > DEEPEST:
            raise self._refuse(node, f"more than {DEEPEST} operations inside one another")
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name(id=name):
                return Number(CONSTANTS[name]) if name in CONSTANTS else Column(name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._node(operand, depth + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Apply("negative", (self._node(operand, depth + 1),))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Apply("not", (self._node(operand, depth + 1),))
            case ast.UnaryOp(op=operator):
                raise self._unknown(node, operator)
            case ast.BinOp(left=left, op=operator, right=right):
                if type(operator) not in _BINARY:
                    raise self._unknown(node, operator)
                operands = (self._node(left, depth + 1), self._node(right, depth + 1))
                return Apply(_BINARY[type(operator)], operands)
            case ast.BoolOp(op=operator, values=values):
                self._check_row(node, len(values))
                name = "and" if isinstance(operator, ast.And) else "or"
                return Apply(name, tuple(self._node(value, depth + 1) for value in values))
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call():
                return self._call(node, depth)
        raise self._unknown(node)

    def _check_row(self, node: ast.expr, operands: int) -> None:
        # The time that compiling takes grows with the square of their number.
        if operands > DEEPEST:
            raise self._refuse(node, f"expected at most {DEEPEST} operands in a row, got {operands}")

    def _number(self, node: ast.Constant) -> Number:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            shown = repr(node.value) if len(repr(node.value)) < 40 else f"a {type(node.value).__name__}"
            hint = '; a column is written col("name")' if isinstance(node.value, str) else ""
            raise self._refuse(node, f"{shown} is not a number{hint}")
        try:
            return Number(float(node.value))
        except OverflowError:
            raise self._refuse(node, "a number too large for a double") from None

    def _comparison(self, node: ast.Compare, depth: int) -> Node:
        self._check_row(node, len(node.comparators) + 1)
        for operator in node.ops:
            if type(operator) not in _COMPARISONS:
                raise self._unknown(node, operator)
        sides = [self._node(side, depth + 1) for side in (node.left, *node.comparators)]
        parts = tuple(
            Apply(_COMPARISONS[type(operator)], (sides[i], sides[i + 1]))
            for i, operator in enumerate(node.ops)
        )
        return parts[0] if len(parts) == 1 else Apply("and", parts)

    def _call(self, node: ast.Call, depth: int) -> Node:
        if not isinstance(node.func, ast.Name):
            raise (
                self._unknown(node.func)
                if isinstance(node.func, ast.Attribute)
                else self._refuse(node.func, "only a function by its name can be called")
            )
        name = node.func.id
        if name == "col":
            return self._column(node)
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, [*FUNCTIONS, "col"], n=1, cutoff=0.0)[0]
            raise self._refuse(node, f"unknown function {name}; did you mean {near}?")
        if node.keywords:
            raise self._refuse(node, f"{name}() takes no keywords")
        if len(node.args) != FUNCTIONS[name]:
            expected = FUNCTIONS[name]
            plural = "" if expected == 1 else "s"
            raise self._refuse(node, f"{name}() takes {expected} argument{plural}, got {len(node.args)}")
        return Apply(name, tuple(self._node(argument, depth + 1) for argument in node.args))

    def _column(self, node: ast.Call) -> Column:
        match node:
            case ast.Call(args=[ast.Constant(value=str(name))], keywords=[]):
                if any("\ud800" <= character <= "\udfff" for character in name):
                    raise self._refuse(node, "the name holds half of a character, a surrogate")
                return Column(name)
        raise self._refuse(node, 'col() takes one name in quotes, as in col("my column")')

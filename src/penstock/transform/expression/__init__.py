"""Arithmetic over columns, written as text: ``log1p(amount) / (days + 1)``.

What may be written: grammar.py. How it becomes machine code: source.py, then compile.py.
"""

from penstock.transform.expression.compile import Compiled, compile_expression
from penstock.transform.expression.grammar import parse

__all__ = ["Compiled", "compile_expression", "parse"]

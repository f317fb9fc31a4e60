from __future__ import annotations

import contextlib
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import TransformError
from penstock.transform.expression.grammar import (
    CONSTANTS,
    DEEPEST,
    FUNCTIONS,
    LONGEST,
    Apply,
    Column,
    Number,
    columns_of,
    parse,
)
from penstock.transform.expression.source import source_of


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", Column("a")),
        ("+a", Column("a")),
        ("-a", Apply("negative", (Column("a"),))),
        ("a ** 2", Apply("power", (Column("a"), Number(2.0)))),
        ("a - b - 1", Apply("subtract", (Apply("subtract", (Column("a"), Column("b"))), Number(1.0)))),
        ("not a", Apply("not", (Column("a"),))),
        ("a and b and 1", Apply("and", (Column("a"), Column("b"), Number(1.0)))),
        ("a * pi", Apply("multiply", (Column("a"), Number(math.pi)))),
        ('col("e")', Column("e")),
        ('col("my column")', Column("my column")),
        ("col('ä\\'b\\n')", Column("ä'b\n")),
        ("log", Column("log")),
        ("  a +\n  b", Apply("add", (Column("a"), Column("b")))),
        (
            "0 < a < 1",
            Apply(
                "and", (Apply("less", (Number(0.0), Column("a"))), Apply("less", (Column("a"), Number(1.0))))
            ),
        ),
    ],
)
def test_texts_become_trees(text: str, tree: object) -> None:
    assert parse(text) == tree


def test_every_function_and_constant_is_known() -> None:
    for name, count in FUNCTIONS.items():
        tree = parse(f"{name}({', '.join('abc'[:count])})")
        assert isinstance(tree, Apply)
        assert tree.operation == name
        assert "out[i]" in source_of(tree)
    for name, value in CONSTANTS.items():
        assert parse(f"a + {name}").operands[1] == pytest.approx(Number(value)) or math.isnan(value)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("logg(a)", 1, "unknown function logg; did you mean log?"),
        ("a + sqr(b)", 5, "unknown function sqr; did you mean sqrt?"),
        ("a.b", 1, "an attribute is not allowed"),
        ("a + b[0]", 5, "an index is not allowed"),
        ("a + 'x'", 5, "'x' is not a number; a column is written col(\"name\")"),
        ("a + True", 5, "True is not a number"),
        ("a + 1j", 5, "1j is not a number"),
        ("a if b else c", 1, "use where(condition, a, b)"),
        ("a & b", 1, "operator & is not allowed; use and"),
        ("a | b", 1, "use or"),
        ("~a", 1, "use not"),
        ("a @ b", 1, "operator @"),
        ("a in b", 1, "operator in"),
        ("a is b", 1, "operator is"),
        ("lambda: a", 1, "a lambda"),
        ("[a for a in b]", 1, "a comprehension"),
        ("(a := 1)", 2, "an assignment"),
        ("a, b", 1, "a tuple"),
        ("log(a, b)", 1, "log() takes 1 argument, got 2"),
        ("where(a)", 1, "where() takes 3 arguments, got 1"),
        ("log(x=a)", 1, "log() takes no keywords"),
        ("log(*a)", 5, "a starred argument"),
        ("(log)(a)(b)", 1, "only a function by its name"),
        ("a.log(b)", 1, "an attribute"),
        ("col(a)", 1, "col() takes one name in quotes"),
        ("a +", 4, "invalid syntax"),
        ("a b", 1, "syntax"),
        ("a + 1" + "0" * 400, 5, "a number too large"),
        ("ä + 'x'", 5, "'x' is not a number"),
    ],
)
def test_what_is_not_allowed_is_named_with_its_place(text: str, column: int, words: str) -> None:
    with pytest.raises(TransformError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert f", column {column}: " in str(caught.value)


def test_lines_are_told_where_there_are_several() -> None:
    with pytest.raises(TransformError, match="line 2, column 3: unknown function logg"):
        parse("a +\n  logg(b)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("1 + 2", "names no column"),
        ("a) + (b", "closed that was not opened"),
        ("a)(b", "closed that was not opened"),
        ("a) or (b", "closed that was not opened"),
        ("a" * (LONGEST + 1), "10001 characters"),
        ("-" * (DEEPEST + 10) + "a", "operations inside one another"),
        ("-" * 9_000 + "a", "inside one another|nested"),
        ("(" * 300 + "a" + ")" * 300, "too many nested|nested"),
        ("a\0", "nested|null|cannot be read"),
        ("a" + "+a" * (DEEPEST + 10), "operations inside one another"),
    ],
)
def test_limits(text: str, words: str) -> None:
    with pytest.raises(TransformError, match=words):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(TransformError):
        source_of(parse(text))


@given(st.text(min_size=1, max_size=30))
def test_names_never_reach_the_source(name: str) -> None:
    tree = parse(f"col({name!a}) + 1")
    assert columns_of(tree) == (name,)
    assert source_of(tree) == source_of(parse("a + 1"))


def test_columns_are_in_the_order_in_which_they_appear() -> None:
    assert columns_of(parse("where(b > 1, a, b) * c")) == ("b", "a", "c")


def test_what_appears_twice_is_computed_once() -> None:
    assert source_of(parse("log(a) + log(a)")).count("np.log") == 1


def test_the_grammar_needs_no_numba() -> None:
    program = """
import sys
from penstock.transform import Expression
Expression(text="a + 1")
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_numbers_reach_the_source_as_they_are() -> None:
    source = source_of(parse("a * 0.1 + 1e300 * nan - inf"))
    for literal in ("0.1", "1e+300", "np.nan", "np.inf"):
        assert literal in source
    assert repr(float(np.nextafter(1, 2))) in source_of(
        parse(f"a + {np.nextafter(1, 2)!r}".replace("np.float64", ""))
    )

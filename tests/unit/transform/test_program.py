"""Whole programs: stores, several registers, batches against their rows, what is refused."""

import ctypes
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from programs import BLOCK, KIND_OF, PIECE, Built, assert_same, assert_within
from sklearn.preprocessing import normalize

from penstock.errors import TransformError
from penstock.transform._columns import Binder
from penstock.transform._program import Program
from penstock.transform.instructions import (
    NO_CODE,
    OPS,
    UNARIES,
    Instruction,
    Table,
)


def over(x, instructions, registers_after, stored, dtype=None):
    """Load the columns of a matrix into the first registers, run, store some."""
    k = x.shape[1]
    kind = KIND_OF[str(x.dtype)]
    built = Built(
        [kind] * k + list(registers_after),
        [
            *[Instruction("load", dst=j, integers=[j]) for j in range(k)],
            *instructions,
            Instruction("store", src=stored, integers=[0, 0]),
        ],
        [str(x.dtype)] * k,
        [(dtype or str(x.dtype), len(stored))],
    )
    return built.run(*x.T)[0]


class TestRows:
    @pytest.mark.parametrize("norm", ["max", "l1", "l2"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 23, 128, 129, 300])
    @pytest.mark.parametrize("in_place", [True, False])
    def test_normalize(self, norm, dtype, k, in_place):
        rng = np.random.default_rng(k)
        x = (rng.normal(size=(50, k)) * 10.0 ** rng.integers(-9, 9, size=(50, 1))).astype(dtype)
        x[3] = 0
        x[4] = 1e-30
        src = list(range(k))
        dst = 0 if in_place else k
        got = over(
            x,
            [Instruction("normalize", dst=dst, src=src, integers=[("max", "l1", "l2").index(norm)])],
            [KIND_OF[dtype]] * k,
            list(range(dst, dst + k)),
        )
        expected = normalize(x, norm=norm)
        if norm == "l2":
            assert_within(got, expected, 2 + k)
        else:
            assert_same(got, expected)

    @pytest.mark.parametrize(
        "dtypes", [("float32", "float"), ("float64", "double"), ("float32", "double"), ("float64", "float")]
    )
    def test_project(self, dtypes):
        dtype, kind = dtypes
        rng = np.random.default_rng(0)
        x = rng.normal(size=(300, 6)).astype(dtype)
        matrix, subtract, divide = rng.normal(size=(4, 6)), rng.normal(size=4), rng.uniform(1, 2, 4)
        got = over(
            x,
            [
                Instruction(
                    "project",
                    dst=6,
                    src=list(range(6)),
                    integers=[4],
                    numbers=[*matrix.ravel(), *subtract, *divide],
                )
            ],
            [kind] * 4,
            [6, 7, 8, 9],
            "float64",
        )
        sums = np.zeros((300, 4))
        for j in range(6):
            sums += matrix[:, j] * x[:, [j]].astype(np.float64)
        expected = (sums - subtract) / divide
        assert_same(got, expected.astype(np.float32).astype(np.float64) if kind == "float" else expected)

    @pytest.mark.parametrize("k", [0, 1, 2, 40])
    def test_expression(self, k):
        seen = []

        @ctypes.CFUNCTYPE(
            None,
            ctypes.POINTER(ctypes.POINTER(ctypes.c_double)),
            ctypes.POINTER(ctypes.c_double),
            ctypes.c_int64,
        )
        def add_up(columns, out, n):
            seen.append(n)
            for i in range(n):
                out[i] = sum(columns[j][i] for j in range(k))

        x = np.arange(3.0 * max(k, 1)).reshape(3, -1)
        address = ctypes.cast(add_up, ctypes.c_void_p).value
        dst = x.shape[1]
        got = over(
            x, [Instruction("expression", dst=dst, src=list(range(k)), integers=[address])], ["double"], [dst]
        )
        assert got[:, 0].tolist() == (x.sum(axis=1) if k else np.zeros(3)).tolist()
        assert seen == [3]


class TestStore:
    @pytest.mark.parametrize("element", ["float32", "float64", "int32", "int64"])
    @pytest.mark.parametrize("width", [1, 3, 4, 7, 8, 9, 16, 17])
    @pytest.mark.parametrize("rows", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1])
    def test_every_kind_to_every_element(self, element, width, rows):
        rng = np.random.default_rng(width)
        x = rng.integers(-1, 100, size=(rows, width)).astype(np.float64)
        kinds = [("float", "double", "int", "code")[j % 4] for j in range(width)]
        built = Built(
            ["double", *kinds],
            [
                step
                for j in range(width)
                for step in (
                    Instruction("load", dst=0, integers=[j]),
                    Instruction("cast", dst=1 + j, src=[0]),
                )
            ]
            + [Instruction("store", src=list(range(1, width + 1)), integers=[0, 0])],
            ["float64"] * width,
            [(element, width)],
        )
        expected = x.copy()
        if element.startswith("float"):
            expected[:, 3::4][expected[:, 3::4] < 0] = np.nan
        assert_same(built.run(*x.T)[0], expected.astype(element))

    def test_what_does_not_fit_an_integer(self):
        x = np.array([np.nan, np.inf, -np.inf, 1e300, 2.0**31, -(2.0**31), 2.9, -2.9])
        for element, low in (("int32", -(2**31)), ("int64", -(2**63))):
            built = Built(
                ["double"],
                [Instruction("load", dst=0, integers=[0]), Instruction("store", src=[0], integers=[0, 0])],
                ["float64"],
                [(element, 1)],
            )
            edge = low if element == "int32" else 2**31
            assert built.run(x)[0][:, 0].tolist() == [low, low, low, low, edge, -(2**31), 2, -2]

    @pytest.mark.parametrize("element", ["float32", "float64", "int32", "int64"])
    @pytest.mark.parametrize("zeroed", [False, True])
    @pytest.mark.parametrize("widths", [(1,), (5, 3), (60, 2)])
    @pytest.mark.parametrize("off", [0, -1])
    def test_one_hot(self, element, zeroed, widths, off):
        rows = 2 * BLOCK + 3
        rng = np.random.default_rng(1)
        codes = [rng.integers(-1, width, rows) for width in widths]
        total = sum(widths) + 1
        instructions = [
            Instruction("load", dst=0, integers=[0]),
            Instruction("store", src=[0], integers=[0, widths[0]]),
        ]
        expected = np.full((rows, total), off)
        expected[:, widths[0]] = codes[0]
        first = 0
        for j, width in enumerate(widths):
            instructions += [
                Instruction("load", dst=0, integers=[j]),
                Instruction("cast", dst=1, src=[0]),
                Instruction("store_one_hot", src=[1], numbers=[3, off], integers=[0, first, width]),
            ]
            on = np.flatnonzero(codes[j] >= 0)
            expected[on, first + codes[j][on]] = 3
            first += width + 1
        built = Built(["double", "code"], instructions, ["int64"] * len(widths), [(element, total)])
        assert_same(built.run(*codes, zeroed=zeroed)[0], expected.astype(element))

    def test_into_part_of_a_wider_matrix(self):
        built = Built(
            ["float", "code"],
            [
                Instruction("load", dst=0, integers=[0]),
                Instruction("cast", dst=1, src=[0]),
                Instruction("store_one_hot", src=[1], numbers=[1, 0], integers=[0, 0, 3]),
                Instruction("store", src=[0], integers=[1, 0]),
            ],
            ["float32"],
            [("float32", 3), ("float64", 1)],
        )
        x = np.array([2, 0, 1], np.float32)
        whole = np.full((3, 10), 9, np.float32)
        bound = built.binder.bind({"c0": x})[0]
        second = np.empty((3, 1))
        assert built.program.run(bound, [whole[:, 4:7], second]) is None
        expected = np.full((3, 10), 9, np.float32)
        expected[:, 4:7] = np.eye(3)[[2, 0, 1]]
        assert_same(whole, expected)
        assert second[:, 0].tolist() == [2, 0, 1]

    @pytest.mark.parametrize(
        "output",
        [
            np.empty((3, 2)),
            np.empty((2, 1)),
            np.empty(3),
            np.empty((3, 1), np.float32),
            np.empty((3, 1), ">f8"),
            [[1.0]],
            np.broadcast_to(np.empty((1, 1)), (3, 1)),
        ],
    )
    def test_outputs_that_do_not_fit(self, output):
        built = Built(
            ["double"],
            [Instruction("load", dst=0, integers=[0]), Instruction("store", src=[0], integers=[0, 0])],
            ["float64"],
            [("float64", 1)],
        )
        bound = built.binder.bind({"c0": np.zeros(3)})[0]
        with pytest.raises(TransformError, match=r"output 0: expected a writeable float64 \(3, 1\)"):
            built.program.run(bound, [output])
        with pytest.raises(TransformError, match="expected 1 outputs, got 0"):
            built.program.run(bound, [])


def everything():
    """A program with every kind of instruction, and a maker of data for it."""
    registers = [
        "float",
        "float",
        "double",
        "double",
        "text",
        "code",
        "code",
        "code",
        "int",
        "double",
        "code",
        "float",
        "float",
        "double",
        "double",
    ]
    quantiles = np.linspace(-2, 2, 9)
    instructions = [
        Instruction("load", dst=0, integers=[0]),
        Instruction("fill_missing", dst=1, src=[0], numbers=[0.3]),
        Instruction("subtract", dst=1, src=[1], numbers=[0.1]),
        Instruction("divide", dst=1, src=[1], numbers=[0.7], wide=True),
        Instruction("load", dst=2, integers=[1]),
        Instruction("yeo_johnson", dst=3, src=[2], numbers=[0.4]),
        Instruction("quantile", dst=2, src=[2], numbers=[*quantiles, *np.linspace(0, 1, 9)], integers=[9, 1]),
        Instruction("load", dst=4, integers=[2]),
        Instruction("hash", dst=5, src=[4, 1], integers=[10, 3]),
        Instruction("lookup", dst=6, integers=[2], table=0),
        Instruction("bin", dst=7, src=[1], numbers=[-1, 0, 1]),
        Instruction("load", dst=8, integers=[3]),
        Instruction("date_part", dst=9, src=[8], integers=[6, 1]),
        Instruction("unary", dst=3, src=[3], integers=[UNARIES.index("tanh")]),
        Instruction("normalize", dst=11, src=[0, 1], integers=[2]),
        Instruction(
            "project", dst=13, src=[2, 3, 9], integers=[2], numbers=[1, 2, 3, 4, 5, 6, 0.1, 0.2, 3, 4]
        ),
        Instruction("store_one_hot", src=[5], numbers=[1, 0], integers=[0, 0, 10]),
        Instruction("store", src=[1, 2, 3, 6, 7, 9, 11, 12, 13, 14], integers=[0, 10]),
        Instruction("store_one_hot", src=[6], numbers=[1, 0], integers=[1, 0, 4]),
    ]
    built = Built(
        registers,
        instructions,
        ["float32", "float64", "string", "int64"],
        [("float32", 20), ("int32", 4)],
        tables=[Table([f"text {i}" for i in range(4)], np.arange(4, dtype=np.int32), NO_CODE, 2)],
    )

    def make(rows):
        rng = np.random.default_rng(rows)
        x, y = rng.normal(size=rows).astype(np.float32), rng.normal(size=rows)
        x[rng.random(rows) < 0.2] = np.nan
        texts = pa.array([f"text {i}" if i < 5 else None for i in rng.integers(0, 6, rows)], pa.string())
        return x, y, texts, rng.integers(-(10**9), 10**10, rows)

    return built, make


class TestBatches:
    @pytest.mark.parametrize(
        "rows", [1, 2, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7, PIECE + 1]
    )
    def test_a_batch_is_its_rows(self, rows):
        built, make = everything()
        data = make(rows)
        whole = built.run(*data)
        some = [*range(min(rows, 40)), *range(max(rows - 40, 0), rows)]
        for i in some:
            for got, expected in zip(built.run(*(c[i : i + 1] for c in data)), whole, strict=True):
                assert got.tobytes() == expected[i : i + 1].tobytes()

    @pytest.mark.parametrize("rows", [PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 17])
    @pytest.mark.parametrize("threads", [2, 4, 64])
    @pytest.mark.parametrize("zeroed", [False, True])
    def test_threads_change_nothing(self, rows, threads, zeroed):
        built, make = everything()
        data = make(rows)
        whole = built.run(*data)
        before = built.program.unknown_counts()
        for got, expected in zip(built.run(*data, threads=threads, zeroed=zeroed), whole, strict=True):
            assert got.tobytes() == expected.tobytes()
        assert built.program.unknown_counts() == [2 * count for count in before]

    def test_no_rows(self):
        built, make = everything()
        assert [output.shape for output in built.run(*make(0), threads=4)] == [(0, 20), (0, 4)]

    def test_one_program_in_several_threads(self):
        built, make = everything()
        sizes = [1, 100, 300, PIECE + 5] * 5
        expected = [built.run(*make(rows)) for rows in sizes]
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(lambda rows: built.run(*make(rows), threads=2), sizes))
        for left, right in zip(got, expected, strict=True):
            assert [o.tobytes() for o in left] == [o.tobytes() for o in right]


LOAD = Instruction("load", dst=0, integers=[0])


STORE = Instruction("store", src=[0], integers=[0, 0])


class TestRefusedPrograms:
    @pytest.mark.parametrize(
        ("instructions", "message"),
        [
            ([Instruction("lod", dst=0)], "instruction 0: expected one of load, .* got 'lod'"),
            ([Instruction("load", dst=0)], r"instruction 0 \(load\): expected 1 integers, got 0"),
            (
                [Instruction("load", dst=9, integers=[0])],
                r"\(load\): dst: expected a register below 6, got 9",
            ),
            ([Instruction("load", dst=0, integers=[1])], r"\(load\): column: expected 0 to 0, got 1"),
            ([Instruction("load", dst=4, integers=[0])], r"\(load\): not for code"),
            ([Instruction("load", dst=0, integers=[0], table=0)], "a table of missing texts is for text"),
            ([Instruction("load", dst=0, integers=[0], table=5)], "expected a table below 2, got 5"),
            ([Instruction("add", dst=0, src=[0], numbers=[1])], "register 0 is read before it is written"),
            ([LOAD, Instruction("add", dst=0, src=[0])], "expected 1 numbers, got 0"),
            ([LOAD, Instruction("add", dst=1, src=[0], numbers=[1])], "not for float to double"),
            ([LOAD, Instruction("add", dst=0, src=[-1], numbers=[1])], "expected a register below 6, got -1"),
            ([LOAD, Instruction("add", dst=0, src=[0], numbers=[1], table=0)], "takes no table"),
            ([LOAD, Instruction("clip", dst=0, src=[0], numbers=[2, 1])], "expected low <= high"),
            ([LOAD, Instruction("bin", dst=4, src=[0], numbers=[2, 1])], "edge 1 is not above"),
            ([LOAD, Instruction("bin", dst=4, src=[0], numbers=[math.nan])], "edge 0 is not above"),
            (
                [LOAD, Instruction("unary", dst=0, src=[0], integers=[99])],
                "function: expected 0 to 30, got 99",
            ),
            (
                [LOAD, Instruction("quantile", dst=0, src=[0], numbers=[1], integers=[3, 0])],
                "expected 6 numbers, got 1",
            ),
            ([LOAD, Instruction("find_number", dst=4, src=[0], table=0)], "expected a table of numbers"),
            ([LOAD, Instruction("find_number", dst=4, src=[0])], "expected a table below 2, got -1"),
            (
                [LOAD, Instruction("date_part", dst=0, src=[0], integers=[0, 0])],
                "expected an int, got a float",
            ),
            ([LOAD, Instruction("project", dst=0, src=[0], numbers=[1, 2, 3], integers=[1])], None),
            (
                [LOAD, Instruction("project", dst=0, src=[0], numbers=[1, 2], integers=[1])],
                "expected 3 numbers, got 2",
            ),
            ([LOAD, Instruction("project", dst=0, src=[0], integers=[0])], "expected 1 to 6 results, got 0"),
            (
                [LOAD, Instruction("project", dst=1, src=[0], numbers=range(6), integers=[2])],
                "of several kinds",
            ),
            ([LOAD, Instruction("hash", dst=4, src=[0], integers=[0, 0])], "buckets: expected 1 to"),
            (
                [LOAD, Instruction("expression", dst=1, src=[0], integers=[1])],
                "expected doubles, got a float",
            ),
            ([Instruction("expression", dst=1, integers=[0])], "expected the address of a function"),
            ([LOAD, Instruction("store", src=[0], integers=[1, 0])], "output: expected 0 to 0, got 1"),
            ([LOAD, Instruction("store", src=[0], integers=[0, 1])], "column: expected 0 to 0, got 1"),
            ([LOAD, STORE], r"instruction 3 \(store\): column 0 is stored already"),
            (
                [LOAD, Instruction("store_one_hot", src=[0], numbers=[1, 0], integers=[0, 0, 1])],
                "expected a code",
            ),
            ([Instruction("constant", dst=0)], "expected one number, or the integer of a text"),
            ([Instruction("constant", dst=2, integers=[7])], "text: expected 0 to 0, got 7"),
        ],
    )
    def test_instructions(self, instructions, message):
        def make():
            tables = [Table(["a"], np.zeros(1, np.int32)), Table(np.array([1.0]), np.zeros(1, np.int32))]
            Program(
                ["float", "double", "text", "int", "code", "code"],
                [*instructions, LOAD, STORE],
                tables,
                ["a"],
                1,
                [("float32", 1)],
            )

        if message is None:
            make()
            return
        with pytest.raises(TransformError, match=message):
            make()

    def test_a_column_that_nothing_stores(self):
        with pytest.raises(TransformError, match="output 0: column 1 is never stored"):
            Program(["float"], [LOAD, STORE], [], [], 1, [("float32", 2)])

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (Table(["a", "a"], np.zeros(2, np.int32)), 'table 0: category "a" repeats'),
            (Table(np.array([0.0, -0.0]), np.zeros(2, np.int32)), "table 0: category -0.0* repeats"),
            (Table(np.array([np.nan]), np.zeros(1, np.int32)), "table 0: a category is NaN"),
            (Table(["a"], np.zeros(2, np.int32)), "table 0: expected 1 codes, got 2"),
            (Table(["a"], np.array([-3], np.int32)), "table 0: codes: expected a code of -2 or more, got -3"),
            (Table(["a"], np.zeros(1, np.int32), missing=-9), "table 0: missing: expected a code"),
        ],
    )
    def test_tables(self, table, message):
        with pytest.raises(TransformError, match=message):
            Program([], [], [table], [], 0, [])

    def test_names(self):
        with pytest.raises(TransformError, match=r"register 0: expected one of float, .* got 'f'"):
            Program(["f"], [], [], [], 0, [])
        with pytest.raises(TransformError, match=r"output 0: expected one of float32, .* got 'float16'"):
            Program([], [], [], [], 0, [("float16", 1)])
        assert len(set(OPS)) == len(OPS) == 34

    def test_the_wrong_number_of_columns(self):
        built = Built(["float"], [LOAD, STORE], ["float32"], [("float32", 1)])
        bound = Binder(("a", "b"), ("float32", "float32")).bind({"a": [1.0], "b": [1.0]})[0]
        with pytest.raises(TransformError, match="expected 1 columns, got 2"):
            built.program.run(bound, [np.empty((1, 1), np.float32)])

"""Small programs to run over columns, and what columns hypothesis makes up."""

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.transform._columns import Binder
from penstock.transform._program import Program
from penstock.transform.instructions import Instruction

KIND_OF = {"float32": "float", "float64": "double", "int64": "int", "string": "text"}


BLOCK = 128


PIECE = 4096


class Built:
    """A program and the types of its columns."""

    def __init__(self, registers, instructions, types, outputs, *, tables=(), texts=()):
        self.program = Program(registers, instructions, tables, texts, len(types), outputs)
        self.binder = Binder(tuple(f"c{i}" for i in range(len(types))), tuple(types))
        self.outputs = outputs

    def run(self, *columns, threads=1, zeroed=False):
        """Return the outputs, or (row, instruction) of a refusal."""
        bound = self.binder.bind({f"c{i}": column for i, column in enumerate(columns)})[0]
        make = (
            np.zeros
            if zeroed
            else lambda shape, dtype: np.frombuffer(
                bytearray(b"\xab" * (shape[0] * shape[1] * np.dtype(dtype).itemsize)), dtype
            ).reshape(shape)
        )
        outputs = [make((bound.rows, width), dtype) for dtype, width in self.outputs]
        refusal = self.program.run(bound, outputs, threads, zeroed=zeroed)
        return outputs if refusal is None else refusal


def apply(op, x, *, dst=None, **parameters):
    """Run one instruction of one register over a column."""
    kind = KIND_OF[str(x.dtype)]
    dst = kind if dst is None else dst
    built = Built(
        [kind, dst],
        [
            Instruction("load", dst=0, integers=[0]),
            Instruction(op, dst=1, src=[0], **parameters),
            Instruction("store", src=[1], integers=[0, 0]),
        ],
        [str(x.dtype)],
        [({"float": "float32", "double": "float64", "int": "int64", "code": "int32"}[dst], 1)],
    )
    return built.run(x)[0][:, 0]


def assert_same(got, expected):
    """Equal bit for bit; any NaN is as good as another."""
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    if got.dtype.kind == "f":
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(got), nan)
        integer = f"i{got.dtype.itemsize}"
        got, expected = got[~nan].view(integer), expected[~nan].view(integer)
    np.testing.assert_array_equal(got, expected)


def assert_within(got, expected, ulps):
    """Equal but for a few units in the last place."""
    assert got.dtype == expected.dtype
    special = ~np.isfinite(expected)
    np.testing.assert_array_equal(got[special], expected[special])
    near = np.abs(got[~special] - expected[~special]) <= ulps * np.spacing(np.abs(expected[~special]))
    assert near.all(), (got[~special][~near], expected[~special][~near])


def _special(dtype):
    info = np.finfo(dtype)
    values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        math.inf,
        -math.inf,
        math.nan,
        info.max,
        info.min,
        info.tiny,
        info.smallest_subnormal,
        -info.smallest_subnormal,
        1e-7,
        2.5,
        3.5,
    ]
    return [float(v) for v in values]


@st.composite
def columns(draw, dtypes=("float32", "float64"), max_size=40):
    """A float column with everything that floats can be; sometimes strided, reversed or read-only."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    element = st.one_of(
        st.sampled_from(_special(dtype)),
        st.floats(width=8 * dtype.itemsize, allow_subnormal=True),
        st.floats(-10, 10, width=8 * dtype.itemsize),
    )
    x = draw(hnp.arrays(dtype, st.integers(0, max_size), elements=element))
    how = draw(st.sampled_from(("plain", "reversed", "every third", "read-only")))
    if how == "reversed":
        return x[::-1]
    if how == "every third":
        return np.repeat(x, 3)[::3]
    if how == "read-only":
        x.setflags(write=False)
    return x


def numbers(x):
    """Parameters, in double."""
    return st.one_of(st.sampled_from(_special(np.float64)), st.floats(), st.floats(-10, 10))


TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "ab", "\0", "\0\0", "a\0", "x" * 7, "x" * 8, "x" * 9, "x" * 15, "x" * 16, "x" * 17]
    ),
    st.text(max_size=12),
    st.text("ab", max_size=40),
)

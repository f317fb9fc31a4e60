"""Short words for specs of tests, and all ways to run one against each other."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import transform_interpreter

from penstock.transform._columns import Binder
from penstock.transform._program import Program
from penstock.transform.lower import lower
from penstock.transform.spec import Column, Operation, Output, Spec


def op(name, inputs, outputs, /, **given):
    """An operation whose arrays are what is an array among ``given``, and whose parameters are the rest."""
    split = [one.split() if isinstance(one, str) else list(one) for one in (inputs, outputs)]
    arrays = {key: one for key, one in given.items() if isinstance(one, np.ndarray | pa.Array)}
    parameters = {key: one for key, one in given.items() if key not in arrays}
    return name, *split, parameters, arrays


def spec(columns, operations, outputs, dtype="float64"):
    """A spec; ``columns`` maps names to types or to (type, texts that are missing); one output or several."""
    arrays, made = {}, []
    for i, (name, inputs, results, parameters, own) in enumerate(operations):
        stored = {key: f"{i}.{key}" for key in own}
        arrays.update(
            {stored[key]: pa.array(one) if isinstance(one, np.ndarray) else one for key, one in own.items()}
        )
        made.append(
            Operation(
                op=name, inputs=tuple(inputs), outputs=tuple(results), parameters=parameters, arrays=stored
            )
        )
    if not isinstance(outputs, dict):
        outputs = {"x": (outputs, dtype)}
    return Spec(
        columns=tuple(
            Column(name=name, type=kind)
            if isinstance(kind, str)
            else Column(name=name, type=kind[0], missing=tuple(kind[1]))
            for name, kind in columns.items()
        ),
        operations=tuple(made),
        outputs=tuple(
            Output(name=name, dtype=kind, values=tuple(values.split() if isinstance(values, str) else values))
            for name, (values, kind) in outputs.items()
        ),
        arrays=arrays,
    )


def types_of(columns):
    """Type of each Arrow array, in the words of a spec."""
    names = {"halffloat": "float16", "float": "float32", "double": "float64", "date32[day]": "date32"}
    return {name: names.get(str(array.type), str(array.type)) for name, array in columns.items()}


class Compiled:
    """A lowered spec, compiled."""

    def __init__(self, made, types):
        self.lowered = lower(made, types)
        one = self.lowered
        self.binder = Binder(
            [column.name for column in made.columns], [column.type for column in made.columns]
        )
        self.program = Program(
            one.registers, one.instructions, one.tables, one.texts, len(one.columns), one.outputs
        )

    def run(self, columns, threads=1):
        """Outputs, or the row and instruction of a refusal."""
        bound = self.binder.bind_mapping(columns)
        outputs = [np.full((bound.rows, width), -99, dtype) for dtype, width in self.lowered.outputs]
        refused = self.program.run(bound, outputs, threads)
        return outputs if refused is None else refused


def run(made, columns, ulps=0):
    """Outputs of a spec, after the interpreter, the program and the program row by row agreed on them."""
    compiled = Compiled(made, types_of(columns))
    outputs = compiled.run(columns)
    assert isinstance(outputs, list), f"refused: {outputs}"
    for one, expected in zip(outputs, transform_interpreter.run(compiled.lowered, columns), strict=True):
        assert_same(one, expected, ulps)
    rows = len(next(iter(columns.values())))
    for row in range(rows):
        single = compiled.run({name: array.slice(row, 1) for name, array in columns.items()})
        for one, whole in zip(single, outputs, strict=True):
            assert_same(one, whole[row : row + 1])
    return outputs


def assert_same(got, expected, ulps=0):
    """The same numbers: bit for bit (any NaN is as good as another), or within units in the last place."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    if got.dtype.kind != "f":
        assert np.array_equal(got, expected)
        return
    assert np.array_equal(np.isnan(got), np.isnan(expected)), (got, expected)
    there = ~np.isnan(got)
    if ulps:
        finite = there & np.isfinite(expected)
        assert np.array_equal(got[there & ~finite], expected[there & ~finite])
        np.testing.assert_array_max_ulp(got[finite], expected[finite], ulps)
    else:
        word = np.uint32 if got.dtype == np.float32 else np.uint64
        assert np.array_equal(got[there].view(word), expected[there].view(word)), (got, expected)


def names(prefix, count):
    """Names of so many values, with one space between."""
    return " ".join(f"{prefix}{i}" for i in range(count))


def frame(matrix):
    """Columns x0, x1, … of a matrix."""
    return {f"x{i}": pa.array(np.ascontiguousarray(column)) for i, column in enumerate(np.asarray(matrix).T)}


def numbers(count):
    """Columns x0, x1, … of open type."""
    return dict(zip(names("x", count).split(), itertools.repeat("number"), strict=False))

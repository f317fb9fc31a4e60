"""Lowering of what maps values to codes: categories, bins, buckets.

What each operation means: operations/. Read next: combination.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np

from penstock.transform.instructions import REFUSE
from penstock.transform.lower.coding import Coding
from penstock.transform.lower.graph import Ref
from penstock.transform.lower.step import Step
from penstock.transform.lower.value import Group, Raw, Text, Value
from penstock.transform.types import register_kind, type_class

__all__ = ["bin", "bin_one_hot", "encode", "hash", "impute_text", "one_hot"]


def impute_text(step: Step) -> list[Value]:
    """Lower ``impute_text``; lookups of what it gives read the raw column."""
    match = step.parameter("missing")
    fills = cast("list[str]", step.array("fill").to_pylist())
    return [
        Text(step.graph, name, cast(Text, value).source.filled(match, fill))
        for name, value, fill in zip(step.operation.outputs, step.inputs, fills, strict=True)
    ]


def one_hot(step: Step) -> list[Value]:
    """Lower ``one_hot``: a lookup and a store, unless single columns are computed on."""
    warns = bool(step.parameter("warn", False))

    def group(i: int, value: Value, width: int) -> Group:
        coding = _coding(step, i, "columns")
        return Group(
            width,
            lambda: value.lookup(coding, warns),
            lambda columns: value.lookup(coding.select(columns), warns),
        )

    widths = cast("list[int]", step.parameter("widths"))
    return step.hot(
        group(i, value, width) for i, (value, width) in enumerate(zip(step.inputs, widths, strict=True))
    )


def encode(step: Step) -> list[Value]:
    """Lower ``encode``: a lookup, and a number for each code."""
    width = step.parameter("width", 1)
    kind = register_kind(step.result)
    refs = []
    for i, value in enumerate(step.inputs):
        code = value.lookup(_coding(step, i, "codes"))
        rows = step.numbers(f"values{i}").reshape(-1, width)
        for column in range(width):
            numbers = rows[:, column] if len(rows) else np.array([math.nan])
            refs.append(step.graph.add("gather", kind, (code,), numbers))
    return step.computed(refs)


def bin(step: Step) -> list[Value]:
    """Lower ``bin``."""
    return step.computed(code for code, _ in _bins(step))


def bin_one_hot(step: Step) -> list[Value]:
    """Lower ``bin_one_hot``."""
    return step.hot(Group(width, partial(_same, code), None) for code, width in _bins(step))


def hash(step: Step) -> list[Value]:
    """Lower ``hash``. Numbers hash as whole numbers or in double, whatever their width."""
    buckets = step.parameter("buckets")
    integers = (buckets, step.parameter("seed", 0))
    src = [_hashable(value) for value in step.inputs]
    code = step.graph.add("hash", "code", src, integers=integers)
    output = step.parameter("output", "index")
    if output == "index":
        return step.computed([code])
    if output == "one_hot":
        return step.hot([Group(buckets, partial(_same, code), None)])
    kind = register_kind(step.result)
    sign = step.graph.add("hash_sign", kind, src, integers=integers)
    return step.computed(_signed(step, code, sign, kind, bucket) for bucket in range(buckets))


def _signed(step: Step, code: Ref, sign: Ref, kind: str, bucket: int) -> Ref:
    hot = step.graph.add("equals_code", kind, (code,), integers=(bucket,))
    product = step.graph.add("multiply_by", kind, (hot, sign))
    # 0 times -1 is -0; adding 0 makes it 0.
    return step.graph.add("add", kind, (product,), [0.0])


def _bins(step: Step) -> list[tuple[Ref, int]]:
    """Bin of each input, and how many bins it has."""
    dtype = step.parameter("dtype")
    kind = register_kind(dtype) if dtype else step.kind
    counts = cast("list[int]", step.array("counts").to_pylist())
    edges = np.split(step.numbers("edges"), np.cumsum(counts)[:-1])
    return [
        (step.graph.add("bin", "code", (value.number(kind),), own[1:-1]), len(own) - 1)
        for value, own in zip(step.inputs, edges, strict=True)
    ]


def _coding(step: Step, i: int, codes: str) -> Coding:
    """Coding of input i, whose codes stand in array ``codes{i}``."""
    missing, unknown = (
        REFUSE if (code := cast("Sequence[object]", step.parameter(name))[i]) == "error" else cast(int, code)
        for name in ("missing", "unknown")
    )
    return Coding(
        step.array(f"categories{i}").to_pylist(), step.array(f"{codes}{i}").to_pylist(), missing, unknown
    )


def _hashable(value: Value) -> Ref:
    if type_class(value.type) == "text":
        return value.text()
    whole = isinstance(value, Raw) and not value.type.startswith("float")
    return value.integer() if whole else value.number("double")


def _same(ref: Ref) -> Ref:
    return ref

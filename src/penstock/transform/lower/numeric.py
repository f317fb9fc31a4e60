"""Lowering of what is computed element by element.

What each operation means: operations/. Read next: categorical.py.
"""

from __future__ import annotations

import math

import numpy as np

from penstock.transform.instructions import DATE_PARTS, TIME_UNITS, UNARIES
from penstock.transform.lower.graph import Ref
from penstock.transform.lower.step import Step
from penstock.transform.lower.value import Value
from penstock.transform.types import register_kind, time_unit, type_class

__all__ = [
    "box_cox",
    "cast",
    "clip",
    "constant",
    "cyclic",
    "date_part",
    "function",
    "impute",
    "max_abs_scale",
    "min_max_scale",
    "missing_indicator",
    "quantile",
    "robust_scale",
    "standard_scale",
    "yeo_johnson",
]


def impute(step: Step) -> list[Value]:
    """Lower ``impute``; a lookup of what it gives reads the raw column."""
    missing = step.parameter("missing", "nan")
    match = None if missing == "nan" else step.rounded(missing)
    refs, sources = [], []
    for value, ref, fill in zip(step.inputs, step.registers(), step.numbers("fill"), strict=True):
        if match is None:
            refs.append(step.graph.add("fill_missing", step.kind, (ref,), [fill]))
        else:
            refs.append(step.graph.add("fill_equal", step.kind, (ref,), [match, fill]))
        source = value.source
        sources.append(None if source is None else source.filled(match, step.rounded(fill)))
    return step.computed(refs, sources)


def missing_indicator(step: Step) -> list[Value]:
    """Lower ``missing_indicator``."""
    missing = step.parameter("missing")
    kind = register_kind(step.result)

    def indicator(value: Value) -> Ref:
        if type_class(value.type) == "text":
            if missing is None:
                return step.graph.add("is_missing", kind, (value.text(),))
            return step.graph.add("is_equal", kind, (value.text(),), integers=[step.graph.text(missing)])
        ref = value.integer() if type_class(value.type) == "time" else value.number(step.kind)
        if missing in (None, "nan"):
            return step.graph.add("is_missing", kind, (ref,))
        return step.graph.add("is_equal", kind, (ref,), [missing])

    return step.computed(map(indicator, step.inputs))


def standard_scale(step: Step) -> list[Value]:
    """Lower ``standard_scale``: both parameters in the type of the matrix."""
    refs = _each(step, step.registers(), "subtract", "mean", wide=False)
    return step.computed(_each(step, refs, "divide", "scale", wide=False))


def min_max_scale(step: Step) -> list[Value]:
    """Lower ``min_max_scale``."""
    refs = _each(step, step.registers(), "multiply", "scale", wide=step.wide("scale"))
    refs = _each(step, refs, "add", "min", wide=step.wide("min"))
    if step.parameter("clip"):
        refs = [_clip(step, ref, step.parameter("low"), step.parameter("high")) for ref in refs]
    return step.computed(refs)


def max_abs_scale(step: Step) -> list[Value]:
    """Lower ``max_abs_scale``."""
    refs = _each(step, step.registers(), "divide", "scale", wide=step.wide("scale"))
    if step.parameter("clip"):
        refs = [_clip(step, ref, -1.0, 1.0) for ref in refs]
    return step.computed(refs)


def robust_scale(step: Step) -> list[Value]:
    """Lower ``robust_scale``."""
    refs = step.registers()
    for op, name in (("subtract", "center"), ("divide", "scale")):
        if step.has(name):
            refs = _each(step, refs, op, name, wide=step.wide(name))
    return step.computed(refs)


def function(step: Step) -> list[Value]:
    """Lower ``function``."""
    integers = (UNARIES.index(step.parameter("name")),)
    return step.computed(
        step.graph.add("unary", step.kind, (ref,), integers=integers) for ref in step.registers()
    )


def clip(step: Step) -> list[Value]:
    """Lower ``clip``."""
    bounds = zip(step.registers(), step.numbers("low"), step.numbers("high"), strict=True)
    return step.computed(_clip(step, ref, low, high) for ref, low, high in bounds)


def box_cox(step: Step) -> list[Value]:
    """Lower ``box_cox``."""
    return step.computed(_each(step, step.registers(), "box_cox", "lambdas", wide=step.wide("lambdas")))


def yeo_johnson(step: Step) -> list[Value]:
    """Lower ``yeo_johnson``."""
    return step.computed(_each(step, step.registers(), "yeo_johnson", "lambdas", wide=step.wide("lambdas")))


def quantile(step: Step) -> list[Value]:
    """Lower ``quantile``. It is always wide: NumPy interpolates in double, over quantiles as they are."""
    references = step.numbers("references")
    quantiles = step.numbers("quantiles").reshape(len(step.inputs), len(references))
    integers = (len(references), int(step.parameter("distribution") == "normal"))
    return step.computed(
        step.graph.add("quantile", step.kind, (ref,), np.concatenate([own, references]), integers, wide=True)
        for ref, own in zip(step.registers(), quantiles, strict=True)
    )


def date_part(step: Step) -> list[Value]:
    """Lower ``date_part``."""
    (value,) = step.inputs
    integers = (DATE_PARTS.index(step.parameter("part")), TIME_UNITS.index(time_unit(value.type)))
    kind = register_kind(step.result)
    return step.computed([step.graph.add("date_part", kind, (value.integer(),), integers=integers)])


def cyclic(step: Step) -> list[Value]:
    """Lower ``cyclic``."""
    (value,) = step.inputs
    numbers = (step.parameter("period"), step.parameter("origin", 0.0))
    ref = value.number("double")
    return step.computed(step.graph.add(op, "double", (ref,), numbers) for op in ("cyclic_sin", "cyclic_cos"))


def constant(step: Step) -> list[Value]:
    """Lower ``constant``."""
    number = step.parameter("value")
    numbers = (math.nan if number == "nan" else number,)
    return step.computed([step.graph.add("constant", register_kind(step.result), (), numbers)])


def cast(step: Step) -> list[Value]:
    """Lower ``cast``."""
    if step.result.startswith("float"):
        return step.computed(value.number(register_kind(step.result)) for value in step.inputs)
    return step.computed(value.integer() for value in step.inputs)


def _each(step: Step, refs: list[Ref], op: str, name: str, wide: bool) -> list[Ref]:
    """``op`` of each register with its own number of array ``name``, if there is one."""
    if not step.has(name):
        return refs
    return [
        step.graph.add(op, step.kind, (ref,), [number], wide=wide)
        for ref, number in zip(refs, step.numbers(name), strict=True)
    ]


def _clip(step: Step, ref: Ref, low: float, high: float) -> Ref:
    if low == -math.inf and high == math.inf:
        return ref
    return step.graph.add("clip", step.kind, (ref,), [low, high])

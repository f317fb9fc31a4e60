"""Steps that learn nothing: each becomes operations at once. Read next: learn.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from penstock.errors import TransformError
from penstock.transform.expression.grammar import columns_of, parse
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.steps import (
    Bin,
    Clip,
    Cross,
    Cyclic,
    DatePart,
    Expression,
    Function,
    Hash,
    Impute,
    Log,
    Normalize,
    Polynomial,
    Project,
    Select,
    Step,
)  # fmt: skip
from penstock.transform.types import TypeClass

__all__ = ["add_bins", "apply", "learns", "need"]


def learns(step: Step) -> bool:
    """Whether a step learns from data: not one that is given all it needs."""
    if isinstance(step, Bin):
        return step.edges is None
    if isinstance(step, Impute):
        return step.strategy != "constant" or step.indicator
    return step.fits


def apply(step: Step, values: list[Value], draft: Draft) -> list[Value]:
    """Append what a step that learns nothing does to these values; return what comes out.

    Raises
    ------
    TransformError
        Where a value is not of the kind that the step takes.
    """
    return _APPLIES[type(step)](step, values, draft)


def need(values: Sequence[Value], *kinds: TypeClass) -> None:
    """Raise TransformError unless every value is of one of these kinds."""
    words = {"number": "numbers", "text": "texts", "time": "dates or times"}
    for value in values:
        if value.kind not in kinds:
            hint = "; take date_part first" if value.kind == "time" else ""
            expected = " or ".join(words[kind] for kind in kinds)
            raise TransformError(f'"{value.label}": expected {expected}, got {words[value.kind]}{hint}')


def add_bins(draft: Draft, values: list[Value], edges: list[np.ndarray], output: str) -> list[Value]:
    """Append a binning of each value by its own edges."""
    arrays = {
        "edges": np.concatenate(edges).astype(np.float64),
        "counts": np.array([len(one) for one in edges], dtype=np.int32),
    }
    if output == "ordinal":
        return draft.add("bin", values, _labels(values), arrays=arrays)
    labels = [
        f"{value.label}_{i}" for value, own in zip(values, edges, strict=True) for i in range(len(own) - 1)
    ]
    return draft.add("bin_one_hot", values, labels, arrays=arrays)


def _labels(values: Sequence[Value]) -> list[str]:
    return [value.label for value in values]


def _impute(step: Impute, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "text" if isinstance(step.value, str) else "number")
    if isinstance(step.value, str):
        return impute_texts(draft, values, [step.value] * len(values))
    fills = np.full(len(values), step.value, dtype=np.float64)
    return impute_numbers(draft, values, fills, step.missing)


def impute_texts(draft: Draft, values: list[Value], fills: list[str]) -> list[Value]:
    """Append the filling of missing texts."""
    import pyarrow as pa

    made = draft.add(
        "impute_text",
        values,
        _labels(values),
        parameters={"missing": None},
        arrays={"fill": pa.array(fills, pa.string())},
        dtype="string",
    )
    return [
        Value(new.name, new.label, "string", old.text_of, old.fill if old.fill is not None else fill)
        for new, old, fill in zip(made, values, fills, strict=True)
    ]


def impute_numbers(draft: Draft, values: list[Value], fills: np.ndarray, missing: float) -> list[Value]:
    """Append the filling of missing numbers."""
    parameters = {"missing": missing_name(missing)}
    return draft.add("impute", values, _labels(values), parameters=parameters, arrays={"fill": fills})


def missing_name(missing: float) -> str | float:
    """Return a missing value as operations write it."""
    return "nan" if np.isnan(missing) else missing


def _normalize(step: Normalize, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    return draft.add("normalize", values, _labels(values), parameters={"norm": step.norm})


def _function(step: Function, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    return draft.add("function", values, _labels(values), parameters={"name": step.name})


def _log(step: Log, values: list[Value], draft: Draft) -> list[Value]:
    return _function(Function(name="log1p" if step.plus_one else "log"), values, draft)


def _clip(step: Clip, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    low = -np.inf if step.low is None else step.low
    high = np.inf if step.high is None else step.high
    arrays = {"low": np.full(len(values), low), "high": np.full(len(values), high)}
    return draft.add("clip", values, _labels(values), arrays=arrays)


def _bin(step: Bin, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    assert step.edges is not None
    return add_bins(draft, values, [np.array(step.edges, dtype=np.float64)] * len(values), step.output)


def _polynomial(step: Polynomial, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    choose = itertools.combinations if step.interaction_only else itertools.combinations_with_replacement
    degrees = range(0 if step.bias else 1, step.degree + 1)
    terms = [term for degree in degrees for term in choose(range(len(values)), degree)]
    arrays = {
        "terms": np.array([factor for term in terms for factor in term], dtype=np.int32),
        "counts": np.array([len(term) for term in terms], dtype=np.int32),
    }
    return draft.add("polynomial", values, [_product(term, values) for term in terms], arrays=arrays)


def _product(term: tuple[int, ...], values: list[Value]) -> str:
    powers = {factor: term.count(factor) for factor in term}
    words = [values[i].label + (f"^{power}" if power > 1 else "") for i, power in powers.items()]
    return " ".join(words) or "1"


def _hash(step: Hash, values: list[Value], draft: Draft) -> list[Value]:
    return [made for value in values for made in _buckets(step, [value], draft)]


def _cross(step: Cross, values: list[Value], draft: Draft) -> list[Value]:
    if len(values) < 2:
        raise TransformError(f'"{values[0].label}": a cross needs two values or more')
    return _buckets(step, values, draft)


def _buckets(step: Hash | Cross, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number", "text", "time")
    label = " x ".join(_labels(values))
    labels = [label] if step.output == "index" else [f"{label}_{i}" for i in range(step.buckets)]
    parameters = {"buckets": step.buckets, "seed": step.seed, "output": step.output, "dtype": "float64"}
    return draft.add("hash", values, labels, parameters=parameters, dtype="float64")


def _date_part(step: DatePart, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "time")
    return [
        made
        for value in values
        for part in step.parts
        for made in draft.add(
            "date_part",
            [value],
            [f"{value.label}_{part}"],
            parameters={"part": part, "dtype": "float64"},
            dtype="float64",
        )
    ]


def _cyclic(step: Cyclic, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    parameters = {"period": step.period, "origin": step.origin}
    return [
        made
        for value in values
        for made in draft.add(
            "cyclic",
            [value],
            [f"{value.label}_sin", f"{value.label}_cos"],
            parameters=parameters,
            dtype="float64",
        )
    ]


def _project(step: Project, values: list[Value], draft: Draft) -> list[Value]:
    need(values, "number")
    matrix = np.array(step.matrix, dtype=np.float64)
    if matrix.shape[1] != len(values):
        raise TransformError(f"project: expected rows of {len(values)} numbers, got {matrix.shape[1]}")
    arrays = {"matrix": matrix.ravel()}
    for name in ("subtract", "divide"):
        numbers = getattr(step, name)
        if numbers is not None:
            arrays[name] = np.array(numbers, dtype=np.float64)
    return draft.add(
        "project", values, [f"project{i}" for i in range(len(matrix))], arrays=arrays, dtype="float64"
    )


def _expression(step: Expression, values: list[Value], draft: Draft) -> list[Value]:
    known = {value.label: value for value in values}
    names = columns_of(parse(step.text))
    for name in names:
        if name not in known:
            raise TransformError(
                f"expression {step.text!r}: no value {name!r} here; there are: {', '.join(known)}"
            )
    inputs = [known[name] for name in names]
    need(inputs, "number")
    parameters = {"text": step.text, "names": list(names)}
    return draft.add("expression", inputs, [step.text], parameters=parameters, dtype="float64")


def _select(step: Select, values: list[Value], draft: Draft) -> list[Value]:
    if not step.columns:
        return values
    known = {value.label: value for value in values}
    for name in step.columns:
        if name not in known:
            raise TransformError(f"select: no value {name!r} here; there are: {', '.join(known)}")
    return [known[name] for name in step.columns]


_APPLIES: dict[type[Step], Callable[..., list[Value]]] = {
    Bin: _bin,
    Clip: _clip,
    Cross: _cross,
    Cyclic: _cyclic,
    DatePart: _date_part,
    Expression: _expression,
    Function: _function,
    Hash: _hash,
    Impute: _impute,
    Log: _log,
    Normalize: _normalize,
    Polynomial: _polynomial,
    Project: _project,
    Select: _select,
}

"""From a fitted transformer, and an example of its data, to a spec.

Read next: graph.py, then compose.py.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import FeatureUnion, Pipeline

from penstock.errors import TransformError
from penstock.transform.sklearn import bins, compose, encode, example, features, impute, power, scale
from penstock.transform.sklearn.graph import Graph, Matrix
from penstock.transform.spec import Output, Spec

__all__ = ["OUTPUT", "convert"]

OUTPUT = "features"
"""What the one output of a converted transform is called."""

RULES = {
    **compose.RULES,
    **impute.RULES,
    **scale.RULES,
    **encode.RULES,
    **bins.RULES,
    **power.RULES,
    **features.RULES,
}


def convert(fitted: Any, example: Any = None, dtype: str = "float32") -> Spec:
    """Make a spec that computes what a fitted scikit-learn transformer does.

    Nothing of the transformer is pickled or called: its fitted attributes are read. Results are those of
    ``fitted.transform`` to the bit, up to the functions and sums that docs/transforms.md lists.

    Parameters
    ----------
    fitted : transformer
        A ColumnTransformer, Pipeline, FeatureUnion or single transformer, fitted.
    example : frame, array, Arrow table or Arrow schema, optional
        Data as they will come; only their types are read, which then are what the transform takes. Without
        it, a column of numbers takes any numbers and is computed in the type that comes.
    dtype : {"float32", "float64"}, default="float32"
        Of the output. scikit-learn mostly gives float64, which models take as float32.

    Returns
    -------
    spec : Spec

    Raises
    ------
    TransformError
        Where a step cannot be converted exactly; names the step and says why.
    """
    if dtype not in ("float32", "float64"):
        raise TransformError(f'dtype: expected "float32" or "float64", got {dtype!r}')
    graph = Graph(_types(fitted, example), RULES, _fallback)
    given = graph.apply(fitted, graph.raw())
    for value in given.values:
        graph.number(value)
    if not given.values:
        raise TransformError("the transformer leaves no column over: there is nothing to compute")
    output = Output(
        name=OUTPUT,
        dtype=dtype,
        values=tuple(value.name for value in given.values),
        names=_names_out(fitted, len(given.values)),
    )
    return Spec(
        columns=graph.columns(_read(fitted, graph)),
        operations=tuple(graph.operations),
        outputs=(output,),
        arrays=graph.arrays,
    )


def _fallback(graph: Graph, transformer: Any, matrix: Matrix) -> Matrix:
    """Selections, which only need their mask; refuses the rest."""
    kind = type(transformer)
    if isinstance(transformer, SelectorMixin) and kind.transform is SelectorMixin.transform:
        return features.select(graph, transformer, matrix)
    known = next((base for base in kind.__mro__ if base in RULES), None)
    if known is not None:
        graph.refuse(
            f"{kind.__qualname__} is a subclass of {known.__name__} and may compute something else; "
            f"use {known.__name__} itself"
        )
    if not isinstance(transformer, BaseEstimator) and not hasattr(transformer, "transform"):
        graph.refuse(f"expected a fitted transformer, got {transformer!r}")
    if not hasattr(transformer, "transform"):
        graph.refuse(f"{kind.__name__} predicts and does not transform")
    if kind.__module__.partition(".")[0] == "sklearn":
        graph.refuse(f"{kind.__name__} does not convert; docs/transforms.md lists what does")
    return graph.refuse(
        f"{kind.__qualname__} of {kind.__module__} is not a transformer of scikit-learn: its code can be "
        "run but not read, so it does not convert"
    )


def _types(fitted: Any, given: Any) -> dict[str, str | None]:
    """The raw columns in order, with their types where an example tells them."""
    names = _attribute(fitted, "feature_names_in_")
    count = _attribute(fitted, "n_features_in_") if names is None else len(names)
    if given is None:
        if count is None:
            raise TransformError(
                "the transformer does not say how many columns it takes: give an example of the data"
            )
        return dict.fromkeys(_names(names, count))
    found = example.columns(given)
    if names is None or not example.has_names(given):
        if count not in (None, len(found)):
            raise TransformError(f"the transformer takes {count} columns; the example has {len(found)}")
        own = list(found) if names is None else _names(names, len(found))
        found = dict(zip(own, found.values(), strict=True))
    else:
        own = _names(names, len(names))
    used = _needed(fitted, len(own))
    return {
        name: example.type_of(name, found[name]) if index in used and name in found else None
        for index, name in enumerate(own)
    }


def _names(names: Any, count: int) -> list[str]:
    return [f"x{i}" for i in range(count)] if names is None else list(map(str, names))


def _read(fitted: Any, graph: Graph) -> list[str]:
    """The columns that the transform takes: of a frame, those that are not dropped at once."""
    every = list(graph.types)
    if _attribute(fitted, "feature_names_in_") is None:
        return every
    used = _needed(fitted, len(every))
    return [name for index, name in enumerate(every) if index in used]


def _needed(fitted: Any, count: int) -> set[int]:
    """The positions of the columns that scikit-learn asks for."""
    if isinstance(fitted, Pipeline):
        steps = [step for _, step in fitted.steps if step is not None and step != "passthrough"]
        return _needed(steps[0], count) if steps else set(range(count))
    if isinstance(fitted, FeatureUnion):
        parts = [part for _, part in fitted.transformer_list if part != "drop"]
        return set().union(*(_needed(part, count) for part in parts))
    if isinstance(fitted, ColumnTransformer) and hasattr(fitted, "transformers_"):
        indices = fitted._transformer_to_input_indices
        return {i for name, kind, _ in fitted.transformers_ if kind != "drop" for i in indices[name]}
    return set(range(count))


def _names_out(fitted: Any, width: int) -> tuple[str, ...]:
    try:
        names = tuple(map(str, fitted.get_feature_names_out()))
    except (AttributeError, ValueError, TypeError):
        names = ()
    return names if len(names) == width else tuple(f"x{i}" for i in range(width))


def _attribute(fitted: Any, name: str) -> Any:
    """An attribute that a fitted transformer may lack; those of a pipeline ask its first step."""
    if isinstance(fitted, Pipeline):
        parts = fitted.steps
    elif isinstance(fitted, FeatureUnion):
        parts = fitted.transformer_list
    else:
        return getattr(fitted, name, None)
    return next((found for _, part in parts if (found := _attribute(part, name)) is not None), None)

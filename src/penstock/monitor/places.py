"""Where the features of a layout are among the tensors of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from penstock.bundle.signature import Signature, TensorSpec
from penstock.monitor.profile import FeatureProfile

__all__ = ["Place", "column_names", "places", "tensor_columns"]

_MOST_COLUMNS: Final = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where one feature is.

    Attributes
    ----------
    side : {"input", "output"}
    tensor : str
    column : int
        Of a matrix (n_rows, n_columns); 0 of a tensor with one value a row.
    text : bool
    """

    side: Literal["input", "output"]
    tensor: str
    column: int
    text: bool


def tensor_columns(spec: TensorSpec) -> list[str]:
    """Return the names of the columns of a tensor: ``name``, or ``name[i]`` of a matrix; none of higher rank.

    Examples
    --------
    >>> tensor_columns(TensorSpec("p", "FP32", (-1, 2)))
    ['p[0]', 'p[1]']
    """
    if len(spec.shape) == 1 or (len(spec.shape) == 2 and spec.shape[1] == 1):
        return [spec.name]
    if len(spec.shape) == 2 and 1 < spec.shape[1] <= _MOST_COLUMNS:
        return [f"{spec.name}[{index}]" for index in range(spec.shape[1])]
    return []


def places(
    layout: Sequence[FeatureProfile], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> dict[str, Place]:
    """Return where each feature is; those that are nowhere are left out.

    Parameters
    ----------
    layout : sequence of FeatureProfile
        Features and outputs of a baseline; labels are left out.
    inputs, outputs : sequence of TensorSpec
        Of the signature.

    Notes
    -----
    A feature is the tensor, or the column of a tensor, of its name. Where the one input is a matrix whose
    columns have no names, they are the features in order, as they were when the baseline was made.
    """
    found = {
        name: Place("input", spec.name, index, spec.datatype == "BYTES")
        for spec in inputs
        for index, name in enumerate(tensor_columns(spec))
    }
    features = [feature for feature in layout if feature.role == "feature"]
    if len(inputs) == 1 and not any(feature.name in found for feature in features):
        unnamed = list(found.values())
        if len(unnamed) == len(features):
            found = {feature.name: place for feature, place in zip(features, unnamed, strict=True)}
    answers = {
        name: Place("output", spec.name, index, spec.datatype == "BYTES")
        for spec in outputs
        for index, name in enumerate(tensor_columns(spec))
    }
    placed = {}
    for feature in layout:
        place = {"feature": found, "output": answers}.get(feature.role, {}).get(feature.name)
        if place is not None and place.text == (feature.kind == "categorical"):
            placed[feature.name] = place
    return placed


def column_names(layout: Sequence[FeatureProfile], signature: Signature) -> dict[str, tuple[str, ...]]:
    """Return the features that the columns of each input are, in their order; of matrices that are all named.

    Examples
    --------
    >>> from penstock.monitor import Baseline
    >>> layout = Baseline.fit({"age": [1.0, 2.0], "height": [1.0, 2.0]}).profile.features
    >>> inputs, outputs = (TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1,)),)
    >>> column_names(layout, Signature(inputs, outputs, batched=True))
    {'x': ('age', 'height')}
    """
    found: dict[str, dict[int, str]] = {}
    for name, place in places(layout, signature.inputs, signature.outputs).items():
        if place.side == "input":
            found.setdefault(place.tensor, {})[place.column] = name
    return {
        spec.name: tuple(found[spec.name][index] for index in range(spec.shape[1]))
        for spec in signature.inputs
        if len(spec.shape) == 2 and len(found.get(spec.name, ())) == spec.shape[1] > 1
    }

"""How sure an answer is, where its outputs are probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["largest_probability"]


def largest_probability(
    outputs: Mapping[str, Any], prediction: str = ""
) -> np.ndarray[Any, np.dtype[Any]] | None:
    """Return the probability of the most likely class of each row; None where no output has it.

    Parameters
    ----------
    outputs : mapping of str to ndarray
    prediction : str
        The output to look at, ``p`` or ``p[1]``. By default the first matrix of floats with a column for each
        class, else the first column of floats, taken as the probability of one of two classes.

    Examples
    --------
    >>> largest_probability({"label": np.array([0, 1]), "p": np.array([[0.75, 0.25], [0.5, 0.5]])})
    array([0.75, 0.5 ])
    """
    tensor = prediction.partition("[")[0]
    chosen = [outputs[tensor]] if tensor in outputs else list(outputs.values())
    floats = [array for array in chosen if isinstance(array, np.ndarray) and array.dtype.kind == "f"]
    for array in floats:
        if array.ndim == 2 and array.shape[1] > 1:
            return np.asarray(array.max(axis=1))
    for array in floats:
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            flat = array.reshape(-1)
            return np.asarray(np.maximum(flat, 1 - flat))
    return None

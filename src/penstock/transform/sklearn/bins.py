"""KBinsDiscretizer and Binarizer."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import Binarizer, KBinsDiscretizer

from penstock.transform.sklearn.graph import Graph, Matrix

__all__ = ["RULES"]


def k_bins(graph: Graph, transformer: KBinsDiscretizer, matrix: Matrix) -> Matrix:
    """The bin of each value, as a number or one-hot."""
    inputs, dtype = graph.numbers(matrix)
    parameters = {}
    if transformer.dtype is not None:
        dtype = np.dtype(transformer.dtype)
        parameters["dtype"] = dtype.name
    edges = [np.asarray(edges, dtype=np.float64) for edges in transformer.bin_edges_]
    # Where no bin is wide enough, one edge is left and everything lies in bin 0.
    edges = [one if len(one) > 1 else np.array([-np.inf, np.inf]) for one in edges]
    arrays = {
        "edges": np.concatenate(edges),
        "counts": np.array([len(one) for one in edges], dtype=np.int32),
    }
    if transformer.encode == "ordinal":
        values = graph.emit("bin", inputs, dtype, parameters, arrays)
        return Matrix(values, values)
    count = int(np.sum(transformer.n_bins_))
    values = graph.emit("bin_one_hot", inputs, dtype, parameters, arrays, count=count)
    return Matrix(values, values, transformer.encode == "onehot")


def binarizer(graph: Graph, transformer: Binarizer, matrix: Matrix) -> Matrix:
    """One above the threshold, else zero."""
    inputs, dtype = graph.numbers(matrix)
    threshold = np.full(len(inputs), float(transformer.threshold))
    # x > threshold where x - threshold > 0; the subtraction rounds the threshold to the type of x, as
    # scikit-learn's comparison does, and never rounds a difference to zero.
    above = graph.emit("standard_scale", inputs, dtype, {}, {"mean": threshold})
    smallest = np.nextafter(0.0, 1.0)
    arrays = {
        "edges": np.tile([-np.inf, smallest, np.inf], len(inputs)),
        "counts": np.full(len(inputs), 3, dtype=np.int32),
    }
    values = graph.emit("bin", above, dtype, {}, arrays)
    return Matrix(values, values, matrix.sparse)


RULES = {KBinsDiscretizer: k_bins, Binarizer: binarizer}

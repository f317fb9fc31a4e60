"""Transformers that change the shape of a distribution: PowerTransformer and QuantileTransformer."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import PowerTransformer, QuantileTransformer

from penstock.transform.sklearn.graph import Graph, Matrix
from penstock.transform.sklearn.scale import as_floats, standard

__all__ = ["RULES"]


def power(graph: Graph, transformer: PowerTransformer, matrix: Matrix) -> Matrix:
    """Box-Cox or Yeo-Johnson, then standardised if so asked."""
    inputs, dtype = graph.numbers(matrix)
    op = transformer.method.replace("-", "_")
    values = graph.emit(op, inputs, dtype, {}, {"lambdas": as_floats(transformer.lambdas_)})
    given = Matrix(values, values)
    return standard(graph, transformer._scaler, given) if transformer.standardize else given


def quantile(graph: Graph, transformer: QuantileTransformer, matrix: Matrix) -> Matrix:
    """Interpolated between the quantiles of the fitted data."""
    if matrix.sparse:
        graph.refuse(
            "QuantileTransformer leaves the zeros of a sparse matrix as they are; make its input dense"
        )
    inputs, dtype = graph.numbers(matrix)
    arrays = {
        "quantiles": np.asarray(transformer.quantiles_, dtype=np.float64).T.ravel(),
        "references": np.asarray(transformer.references_, dtype=np.float64),
    }
    parameters = {"distribution": transformer.output_distribution}
    values = graph.emit("quantile", inputs, dtype, parameters, arrays)
    return Matrix(values, values)


RULES = {PowerTransformer: power, QuantileTransformer: quantile}

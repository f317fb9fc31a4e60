"""The demo's model: gradient-boosted trees, trained with LightGBM and exported to ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.demo.census import Year

__all__ = ["INPUT", "OUTPUT", "Classifier"]

INPUT = "input"
OUTPUT = "probabilities"
LEAVES = 31


class Classifier:
    """A trained model that knows its answers without a server.

    Parameters
    ----------
    years : sequence of Year
        What to train on.
    trees : int
    """

    def __init__(self, years: Sequence[Year], trees: int = 100) -> None:
        import lightgbm

        rows = np.concatenate([year.rows for year in years])
        labels = np.concatenate([year.labels for year in years])
        self.trained_rows = len(rows)
        # One thread: OpenMP teams crawl when a server and its clients want the same cores.
        parameters = {
            "objective": "binary", "num_leaves": LEAVES, "num_threads": 1, "seed": 7, "verbosity": -1
        }  # fmt: skip
        self._booster = lightgbm.train(parameters, lightgbm.Dataset(rows, labels), num_boost_round=trees)

    def predict(self, rows: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return the probability of being employed for each row, computed by LightGBM itself."""
        return np.asarray(self._booster.predict(rows), dtype=np.float32)

    def export(self, path: Path) -> None:
        """Write the model as ONNX: input ``input`` [-1,16], output ``probabilities`` [-1,2]."""
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        logging.getLogger("onnxmltools").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = convert_lightgbm(
                self._booster,
                initial_types=[(INPUT, FloatTensorType([None, self._booster.num_feature()]))],
                zipmap=False,
                target_opset=15,
            )
        path.write_bytes(graph.SerializeToString())

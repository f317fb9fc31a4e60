"""Scores and labels that NannyML and Penstock estimate the quality of. Needs numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CASES = ("overconfident", "calibrated", "rare", "frequent", "coarse", "separated")
CHUNKS = 4
CHUNK_ROWS = 1000
REFERENCE_ROWS = 6000


def case(name: str) -> tuple[Array, Array, Array]:
    """Scores and labels of a reference, and scores of live rows that have moved."""
    random = np.random.default_rng(CASES.index(name))
    logit = random.normal({"rare": -3.0, "frequent": 1.0}.get(name, 0.0), 1.5, REFERENCE_ROWS)
    moved = random.normal(0.3, 1.0, CHUNKS * CHUNK_ROWS) + {"rare": -2.5, "frequent": 1.0}.get(name, 0.0)
    truth = logit / 2 - 0.3 if name in ("overconfident", "rare", "coarse") else logit
    steep = 60 if name == "separated" else 1
    labels = random.random(REFERENCE_ROWS) < 1 / (1 + np.exp(-steep * truth))
    digits = 2 if name == "coarse" else 6
    scores, live = (np.round(1 / (1 + np.exp(-x)), digits) for x in (logit, moved))
    return scores, labels.astype(np.int64), live

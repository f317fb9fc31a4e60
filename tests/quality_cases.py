"""Labels and predictions whose laws are known, for tests of quality."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.monitor.quality import QualityCounts, Target

Array = np.ndarray[Any, Any]

BINARY = Target(task="binary", label="y", prediction=("p",), form="probability", classes=("0", "1"))
SHARES = tuple(f"p[{index}]" for index in range(4))
MULTICLASS = Target(
    task="multiclass", label="y", prediction=SHARES, form="probability", classes=("0", "1", "2", "3")
)
REGRESSION = Target(task="regression", label="y", prediction=("p",), form="number")

CASES = {
    "even": BINARY,
    "rare": BINARY,
    "sharp": BINARY,
    "overconfident": BINARY,
    "classes": MULTICLASS,
    "normal": REGRESSION,
    "heavy": REGRESSION,
    "skewed": REGRESSION,
}


def drawn(case: str, rows: int, random: np.random.Generator) -> tuple[Array, dict[str, Array]]:
    """Labels, and columns of predictions."""
    if CASES[case] is BINARY:
        if case == "overconfident":
            logit = 3 * random.normal(size=rows)
            score = 1 / (1 + np.exp(-3 * logit))
            return random.random(rows) < 1 / (1 + np.exp(-logit)), {"p": score}
        score = random.beta(*{"even": (2, 3), "rare": (0.5, 12), "sharp": (0.15, 0.15)}[case], rows)
        return random.random(rows) < score, {"p": score}
    if CASES[case] is MULTICLASS:
        shares = random.gamma(1.0, size=(rows, 4)) * [1, 1, 0.5, 0.1]
        shares /= shares.sum(axis=1, keepdims=True)
        label = (shares.cumsum(axis=1) < random.random(rows)[:, None]).sum(axis=1).clip(0, 3)
        return label, dict(zip(SHARES, shares.T, strict=True))
    guess = random.normal(size=rows)
    noise = {
        "normal": random.normal(size=rows),
        "heavy": random.standard_t(3, size=rows),
        "skewed": random.lognormal(0, 1.5, size=rows),
    }
    return guess + noise[case], {"p": guess}


def counted(case: str, rows: int, seed: int | np.random.Generator = 0) -> QualityCounts:
    """Counts of drawn rows."""
    random = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    return QualityCounts.of(CASES[case], *drawn(case, rows, random))

"""Data for the verdicts of other libraries: the same, to the last bit, wherever it is made."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["CASES", "case"]

CASES = {
    "few rows, nothing moved": (400, 300, 0.0, 1),
    "few rows, all moved": (400, 300, 0.5, 2),
    "few reference rows, many current": (900, 12_000, 0.05, 3),
    "many rows, nothing moved": (3000, 2500, 0.0, 4),
    "many rows, all moved": (3000, 2500, 0.4, 5),
    "many rows, moved a little": (12_000, 5000, 0.1, 6),
}
"""Reference rows, current rows, shift in standard deviations, seed."""


def case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return reference and current columns of a case: numpy arrays, and lists of str or None."""
    n, m, shift, seed = CASES[name]
    random = np.random.RandomState(seed)
    return _columns(random, n, 0.0), _columns(random, m, shift)


def _columns(random: Any, rows: int, shift: float) -> dict[str, Any]:
    normal = random.normal(shift, 1, rows)
    gaps = np.where(random.uniform(size=rows) < 0.1, np.nan, random.normal(0, 2, rows))
    uniform = random.uniform(size=rows)
    letters = np.array(["a", "b", "c", "d"])
    return {
        "normal": normal,
        "joined": normal * 0.8 + random.normal(0, 0.6, rows),
        "lognormal": np.exp(random.normal(shift, 1, rows)),
        "gaps": gaps,
        "few_numbers": np.floor(random.uniform(0, 4 + shift, rows)),
        "two_numbers": (uniform < 0.4 + shift / 3).astype(np.float64),
        "integers": random.poisson(20 + 4 * shift, rows).astype(np.int64),
        "few_integers": random.poisson(1 + shift, rows).clip(0, 6).astype(np.int64),
        "flag": random.uniform(size=rows) < 0.3 + shift / 3,
        "letter": [str(one) for one in letters[(random.uniform(size=rows) ** (1 + shift) * 4).astype(int)]],
        "gappy_letter": [
            None if u < 0.05 else ("x" if u < 0.6 + shift / 3 else "y") for u in random.uniform(size=rows)
        ],
        "many_letters": [f"level {one}" for one in random.poisson(30 + 5 * shift, rows)],
    }

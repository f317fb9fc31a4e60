"""Power of the checks of all features together; prints the table of docs/multivariate.md.

    python benchmarks/multivariate_power.py [--repeats 30]

Normal features, two of which hang together; current rows in which they do so less, while each by itself is
as before.
"""

from __future__ import annotations

import argparse

import numpy as np

from penstock.monitor import Baseline
from penstock.monitor.multivariate import Reservoir, joint_checks

REFERENCE_ROWS = 20_000
BEFORE = 0.8
LEVEL = 0.01


def columns(random: np.random.Generator, rows: int, features: int, together: float) -> dict[str, np.ndarray]:
    values = random.normal(size=(rows, features))
    values[:, 1] = together * values[:, 0] + np.sqrt(1 - together**2) * values[:, 1]
    return {f"x{place}": values[:, place] for place in range(features)}


def found(baseline: Baseline, rows: int, features: int, together: float, seed: int) -> list[bool]:
    """Return which check alarms at half the level, as each does beside the other."""
    assert baseline.multivariate is not None
    reservoir = Reservoir(baseline.profile, rows, seed)
    reservoir.update(columns(np.random.default_rng((seed, rows)), rows, features, together))
    checks = joint_checks(baseline.multivariate, reservoir.sample(), seed)
    return [check.p_value <= LEVEL / len(checks) for check in checks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    print("| features | rows | correlation 0.8 → | principal components | classifier |")
    print("|---|---|---|---|---|")
    for features in (5, 30):
        reference = columns(np.random.default_rng(0), REFERENCE_ROWS, features, BEFORE)
        baseline = Baseline.fit(reference, multivariate=True)
        for rows in (200, 500, 2000):
            for together in (BEFORE, 0.5, 0.0):
                alarms = [found(baseline, rows, features, together, seed) for seed in range(repeats)]
                pca, domain = np.mean(alarms, axis=0)
                print(f"| {features} | {rows:,} | {together} | {pca:.0%} | {domain:.0%} |", flush=True)


if __name__ == "__main__":
    main()

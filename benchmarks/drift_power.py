"""False alarms and power of `penstock.drift` beside fixed thresholds; prints the table of docs/monitoring.md.

    python benchmarks/drift_power.py [--repeats 200]

20 features, 20,000 reference rows. One feature moves, or none. PSI (deciles of the reference) and KS stand
with the thresholds that are in use, and with the ones that have the same chance of a false alarm, which only
a simulation like this one knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from penstock.monitor.baseline import Baseline
from penstock.monitor.drift import drift

REFERENCE_ROWS = 20_000
FEATURES = 20
LEVEL = 0.01
NAMES = np.array([f"c{index}" for index in range(10)])

Columns = dict[str, np.ndarray]


def columns(random: np.random.Generator, rows: int) -> Columns:
    """Draw 15 normal columns, one of them with missing values, and 5 of ten categories."""
    found: Columns = {f"number_{index:02}": random.normal(size=rows) for index in range(15)}
    found["number_14"][random.random(rows) < 0.02] = np.nan
    share = np.arange(1, 11) / 55
    found |= {f"category_{index}": NAMES[random.choice(10, rows, p=share)] for index in range(5)}
    return found


def shifted(by: float) -> Callable[[np.random.Generator, Columns], None]:
    def move(random: np.random.Generator, found: Columns) -> None:
        found["number_00"] = found["number_00"] + by

    return move


def recoded(random: np.random.Generator, found: Columns) -> None:
    found["category_0"] = np.where(found["category_0"] == "c2", "c1", found["category_0"])


def missing(random: np.random.Generator, found: Columns) -> None:
    lost = random.random(len(found["number_14"])) < 0.05
    found["number_14"] = np.where(lost, np.nan, found["number_14"])


MOVES: dict[str, tuple[str, Callable[[np.random.Generator, Columns], None]]] = {
    "shift of 0.1 σ": ("number_00", shifted(0.1)),
    "shift of 0.25 σ": ("number_00", shifted(0.25)),
    "shift of 0.5 σ": ("number_00", shifted(0.5)),
    "category of 5 % recoded": ("category_0", recoded),
    "missing 2 % → 7 %": ("number_14", missing),
}


class Fixed:
    """PSI on deciles or categories, with half a row for none, and KS on raw values, of every feature."""

    def __init__(self, reference: Columns) -> None:
        self._sorted = {
            name: np.sort(x[~np.isnan(x)]) for name, x in reference.items() if x.dtype.kind == "f"
        }
        self._edges = {name: np.quantile(x, np.arange(1, 10) / 10) for name, x in self._sorted.items()}
        self._shares = {name: self._counts(name, x) / len(x) for name, x in reference.items()}

    def _counts(self, name: str, values: np.ndarray) -> np.ndarray:
        if name in self._edges:
            places = np.searchsorted(self._edges[name], values[~np.isnan(values)], side="right")
            # Missing values have a bin of their own, as those who use PSI do it.
            return np.append(np.bincount(places, minlength=10), np.isnan(values).sum())
        return np.array([(values == category).sum() for category in NAMES])

    def scores(self, current: Columns) -> tuple[dict[str, float], dict[str, float]]:
        psi, ks = {}, {}
        for name, values in current.items():
            p = np.maximum(self._shares[name], 0.5 / REFERENCE_ROWS)
            q = np.maximum(self._counts(name, values), 0.5) / len(values)
            psi[name] = float(((q - p) * np.log(q / p)).sum())
            if name in self._sorted:
                before, after = self._sorted[name], np.sort(values[~np.isnan(values)])
                points = np.concatenate((before, after))
                f = np.searchsorted(before, points, side="right") / len(before)
                ks[name] = float(np.abs(f - np.searchsorted(after, points, side="right") / len(after)).max())
        return psi, ks


def run(rows: int, repeats: int) -> list[list[str]]:
    """Return the lines of the table for one number of current rows."""
    random = np.random.default_rng(rows)
    reference = columns(random, REFERENCE_ROWS)
    baseline, fixed = Baseline.fit(reference), Fixed(reference)
    nulls = [fixed.scores(columns(random, rows)) for _ in range(10 * repeats)]
    largest_psi = np.array([max(psi.values()) for psi, _ in nulls])
    largest_ks = np.array([max(ks.values()) for _, ks in nulls])
    same_psi, same_ks = (float(np.quantile(x, 1 - LEVEL)) for x in (largest_psi, largest_ks))
    ks_for_p = np.sqrt(-np.log(0.05 / 2) / 2 * (1 / rows + 1 / REFERENCE_ROWS))
    limits = {"psi": (0.1, 0.2, same_psi), "ks": (float(ks_for_p), same_ks)}
    quiet = sum(_any_alarm(random, rows) for _ in range(5 * repeats))
    lines = [
        _line(
            rows,
            "nothing (any alarm)",
            [quiet / (5 * repeats)]
            + [float((largest_psi >= limit).mean()) for limit in limits["psi"]]
            + [float((largest_ks >= limit).mean()) for limit in limits["ks"]],
        )
    ]
    for what, (name, move) in MOVES.items():
        hits = np.zeros(6)
        for _ in range(repeats):
            current = columns(random, rows)
            move(random, current)
            psi, ks = fixed.scores(current)
            hits += [
                drift(baseline, current)[name].alarm,
                *(psi[name] >= limit for limit in limits["psi"]),
                *(ks.get(name, 0.0) >= limit for limit in limits["ks"]),
            ]
        lines.append(_line(rows, what, list(hits / repeats)))
    return lines


def _any_alarm(random: np.random.Generator, rows: int) -> bool:
    """Compare two samples of one distribution; the reference is drawn anew as well, as the promise has it."""
    return bool(drift(Baseline.fit(columns(random, REFERENCE_ROWS)), columns(random, rows)).alarms)


def _line(rows: int, what: str, rates: list[float]) -> list[str]:
    return [
        f"{rows:,}",
        what,
        *(
            f"{rate:.1%}".replace("%", " %") if rate < 0.1 else f"{rate:.0%}".replace("%", " %")
            for rate in rates
        ),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    head = [
        "rows",
        "what moves",
        "penstock, 0.01",
        "PSI ≥ 0.1",
        "PSI ≥ 0.2",
        "PSI, same rate",
        "KS p ≤ 0.05",
        "KS, same rate",
    ]
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for rows in (100, 1000, 10_000):
        for line in run(rows, repeats):
            print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()

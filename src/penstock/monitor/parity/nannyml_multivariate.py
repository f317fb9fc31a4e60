"""NannyML 0.13.1's two checks of all features together, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.multivariate.boosted_trees import BoostedTrees
from penstock.monitor.multivariate.principal_components import PrincipalComponents
from penstock.monitor.multivariate.rank_test import rank_test
from penstock.monitor.parity.chunks import bounds_of, thresholds
from penstock.monitor.parity.column import Column, chosen, columns_of
from penstock.monitor.parity.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["domain_classifier", "pca_reconstruction"]

_VARIANCE: Final = 0.65
_LOWEST: Final = 0.45
_HIGHEST: Final = 0.65
_FOLDS: Final = 5
_NUMBERS: Final = ("float", "int", "unsigned")


def pca_reconstruction(
    reference: Any, current: Any, *, chunks: int = 10, columns: Sequence[str] | None = None
) -> tuple[Verdict, ...]:
    """Return the verdicts of NannyML's data reconstruction, one a chunk of the current data.

    Parameters
    ----------
    reference, current : Arrow table, data frame or dict
        In memory, in the order in which rows came.
    chunks : int, default 10
    columns : sequence of str, optional
        All of the current data by default.

    Returns
    -------
    tuple of Verdict
        The threshold is the upper one; a chunk alarms below the lower one too.

    Notes
    -----
    Means impute numbers, the most frequent texts categories, these are encoded by their frequency,
    everything standardised; components hold 0.65 of the variance of the whole reference. A chunk alarms
    outside mean ± 3 standard deviations of the reference's chunks. Values are within 1e-9 of NannyML's.
    """
    before, after, names = _read(reference, current, columns)
    points = _Points(before, names)
    fitted = points.of(before)
    components = PrincipalComponents.fit(fitted, _VARIANCE)

    def means(of: NDArray[Any]) -> list[float]:
        errors = components.errors(of)
        return [float(errors[begin:end].mean()) for begin, end in bounds_of(len(of), chunks)]

    lower, upper = thresholds(means(fitted), low=True)
    return tuple(
        Verdict(
            test="pca_reconstruction",
            score=value,
            threshold=upper,
            drift=bool(value >= upper or (lower > 0 and value <= lower)),
            chunk=index,
        )
        for index, value in enumerate(means(points.of(after)))
    )


def domain_classifier(
    reference: Any, current: Any, *, chunks: int = 10, columns: Sequence[str] | None = None, seed: int = 0
) -> tuple[Verdict, ...]:
    """Return the verdicts of NannyML's domain classifier, by a classifier of our own.

    Parameters
    ----------
    reference, current : Arrow table, data frame or dict
        In memory, in the order in which rows came.
    chunks : int, default 10
    columns : sequence of str, optional
        All of the current data by default.
    seed : int, default 0

    Returns
    -------
    tuple of Verdict
        The threshold is the upper one, 0.65; a chunk alarms below 0.45 too.

    Notes
    -----
    The AUC is of five folds in turn, each in the order of the rows, ranked together, as there. The trees are
    those of :class:`~penstock.monitor.multivariate.boosted_trees.BoostedTrees` in place of LightGBM's: the
    same thresholds of an AUC that is a few hundredths off.
    """
    before, after, names = _read(reference, current, columns)
    codes: dict[str, dict[Any, int]] = {name: {} for name in names if before[name].kind not in _NUMBERS}
    rows = _rows(before, names, codes), _rows(after, names, codes)
    categories = {names.index(name): len(known) for name, known in codes.items()}
    verdicts = []
    for index, (begin, end) in enumerate(bounds_of(len(rows[1]), chunks)):
        auc = _cross_validated(rows[0], rows[1][begin:end], categories, seed)
        verdicts.append(
            Verdict(
                test="domain_classifier",
                score=auc,
                threshold=_HIGHEST,
                drift=auc > _HIGHEST or auc < _LOWEST,
                chunk=index,
            )
        )
    return tuple(verdicts)


def _read(
    reference: Any, current: Any, columns: Sequence[str] | None
) -> tuple[Mapping[str, Column], Mapping[str, Column], list[str]]:
    before, after = columns_of(reference), columns_of(current)
    names = [name for name in chosen(before, after, columns) if before[name].kind != "other"]
    for name in names:
        if (before[name].kind in _NUMBERS) != (after[name].kind in _NUMBERS) and len(after[name].present):
            raise ConfigError(f'column "{name}": expected {before[name].kind}, got {after[name].kind}')
    if not names:
        raise ConfigError("expected columns of numbers or text, got none")
    return before, after, names


class _Points:
    """Rows as points, fitted on a reference."""

    def __init__(self, reference: Mapping[str, Column], names: Sequence[str]) -> None:
        self._names = names
        self._filled: dict[str, Any] = {}
        self._shares: dict[str, dict[Any, float]] = {}
        for name in names:
            column = reference[name]
            if column.kind in _NUMBERS:
                self._filled[name] = float(np.nanmean(column.values)) if len(column.present) else 0.0
                continue
            counts = column.count(column.present)
            # Of texts as frequent the first in order fills, and counts as if it were there.
            common = max(sorted(counts, key=str), key=counts.__getitem__)
            counts[common] += len(column) - len(column.present)
            self._filled[name] = common
            self._shares[name] = {text: count / len(column) for text, count in counts.items()}
        raw = self._raw(reference)
        self._mean, deviation = raw.mean(axis=0), raw.std(axis=0)
        self._scale = np.where(deviation > 10 * np.finfo(float).eps * np.abs(self._mean), deviation, 1.0)

    def of(self, columns: Mapping[str, Column]) -> NDArray[Any]:
        return np.asarray((self._raw(columns) - self._mean) / self._scale)

    def _raw(self, columns: Mapping[str, Column]) -> NDArray[Any]:
        return np.column_stack([self._column(name, columns[name]) for name in self._names])

    def _column(self, name: str, column: Column) -> NDArray[Any]:
        if name not in self._shares:
            values = column.values.astype(np.float64)
            return np.where(np.isnan(values), self._filled[name], values)
        shares = self._shares[name]
        if not column.names:  # booleans
            return np.array([shares.get(value, 0.0) for value in column.values.tolist()])
        by_code = [shares.get(text, 0.0) for text in column.names]
        return np.asarray(np.append(by_code, shares[self._filled[name]])[column.values])


def _rows(
    columns: Mapping[str, Column], names: Sequence[str], codes: dict[str, dict[Any, int]]
) -> NDArray[np.float32]:
    """Return rows as numbers; texts get the next number when they are new."""
    rows = np.empty((len(columns[names[0]]), len(names)), np.float32)
    for place, name in enumerate(names):
        column = columns[name]
        if name not in codes:
            rows[:, place] = column.values
            continue
        known = codes[name]
        texts = column.names or (False, True)
        numbers = [known.setdefault(text, len(known)) for text in texts]
        rows[:, place] = np.append(np.array(numbers, np.float32), np.nan)[column.values.astype(np.int64)]
    return rows


def _cross_validated(
    before: NDArray[np.float32], after: NDArray[np.float32], categories: Mapping[int, int], seed: int
) -> float:
    if min(len(before), len(after)) < _FOLDS:
        return 0.5
    scores = np.empty(len(before)), np.empty(len(after))
    folds = tuple(np.arange(len(rows)) * _FOLDS // len(rows) for rows in (before, after))
    for fold in range(_FOLDS):
        trees = BoostedTrees.fit(before[folds[0] != fold], after[folds[1] != fold], categories, seed)
        for side, rows, of in zip(scores, (before, after), folds, strict=True):
            side[of == fold] = trees.scores(rows[of == fold])
    return rank_test(*scores).auc

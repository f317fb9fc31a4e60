"""Checks of all features together: do rows hang together as in the reference, can they be told apart?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.calibration.check import Check
from penstock.monitor.calibration.hypergeometric import fisher_greater
from penstock.monitor.calibration.words import number, percent, printable
from penstock.monitor.multivariate.boosted_trees import BoostedTrees
from penstock.monitor.multivariate.rank_test import rank_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from penstock.monitor.multivariate.multivariate_baseline import MultivariateBaseline
    from penstock.monitor.multivariate.row_sample import RowSample

__all__ = ["LEAST_ROWS", "domain_check", "joint_checks", "pca_check"]

LEAST_ROWS: Final = 100
"""Rows on each side below which nothing is tested together."""

_TAIL: Final = 0.02
_NAMED: Final = 3
_LONGEST: Final = 40


def joint_checks(reference: MultivariateBaseline, current: RowSample, seed: int = 0) -> list[Check]:
    """Return both checks; none where a side has fewer than :data:`LEAST_ROWS` rows."""
    found = (pca_check(reference, current, seed), domain_check(reference, current, seed))
    return [check for check in found if check is not None]


def pca_check(reference: MultivariateBaseline, current: RowSample, seed: int = 0) -> Check | None:
    """Test whether rows still hang together: the errors of principal components.

    Parameters
    ----------
    reference : MultivariateBaseline
    current : RowSample
        Of the same features.
    seed : int, default 0
        Orders equal errors.

    Returns
    -------
    Check or None
        ``pca_reconstruction``: its value is the mean error; None with too few rows.

    Raises
    ------
    ConfigError
        Where the features differ.

    Notes
    -----
    Components are learned from one half of the reference sample, and the errors of current rows are compared
    with those of the other half: when nothing moved the two are exchangeable, so that the p-value is exact
    whatever the law of the features. It is twice the smaller of two: that of the rank-sum test, and that of
    Fisher's test of the largest fiftieth of all errors, which sees a few rows that fit nowhere.

    The effect is the least share of rows that must have changed for such ranks.
    """
    _check_names(reference, current)
    if min(len(reference.errors), len(current)) < LEAST_ROWS:
        return None
    points = reference.encoder.encode(current.values)
    before, after = reference.errors, reference.components.errors(points)
    ranks = rank_test(before, after, seed)
    largest = np.quantile(np.concatenate([before, after]), 1 - _TAIL)
    beyond = [int(np.count_nonzero(errors > largest)) for errors in (before, after)]
    tail = fisher_greater(beyond[0], len(before), beyond[1], len(after))
    shares = beyond[0] / len(before), beyond[1] / len(after)
    words = f"reconstruction error {number(float(before.mean()))} → {number(float(after.mean()))} on average"
    if tail < ranks.two_sided:
        words += f", {percent(shares[0])} → {percent(shares[1])} of rows far off"
    return Check(
        name="pca_reconstruction",
        value=float(after.mean()),
        p_value=min(1.0, 2 * min(ranks.two_sided, tail)),
        effect=max(ranks.moved, shares[1] - shares[0], 0.0),
        reason=f"{words}; most in {_named(reference.names, _grown(reference, points))}",
    )


def domain_check(reference: MultivariateBaseline, current: RowSample, seed: int = 0) -> Check | None:
    """Test whether rows can be told apart: a classifier of reference against current.

    Parameters
    ----------
    reference : MultivariateBaseline
    current : RowSample
        Of the same features.
    seed : int, default 0
        Cuts the current rows in halves.

    Returns
    -------
    Check or None
        ``domain_classifier``: its value is the area under the ROC curve, 0.5 by chance; None with too few
        rows.

    Raises
    ------
    ConfigError
        Where the features differ.

    Notes
    -----
    Trees learn from half of each sample and rank the rows of the other halves, then with the halves swapped.
    Rows that a classifier was not shown are exchangeable when nothing moved, so that each rank-sum test is
    exact; the p-value is twice the smaller. The effect is the least share of rows that must have changed for
    such an AUC.
    """
    _check_names(reference, current)
    if min(len(reference.sample), len(current)) < LEAST_ROWS:
        return None
    order = np.random.default_rng(seed).permutation(len(current))
    after = current.values[order[: len(order) // 2]], current.values[order[len(order) // 2 :]]
    before = reference.halves
    tests, gains = [], np.zeros(len(reference.names))
    for shown, held in ((0, 1), (1, 0)):
        trees = BoostedTrees.fit(before[shown], after[shown], reference.categories, seed)
        tests.append(rank_test(trees.scores(before[held]), trees.scores(after[held]), seed))
        gains += trees.gains
    auc = (tests[0].auc + tests[1].auc) / 2
    return Check(
        name="domain_classifier",
        value=auc,
        p_value=min(1.0, 2 * min(test.greater for test in tests)),
        effect=max(0.0, sum(test.moved for test in tests if test.auc > 0.5) / 2),
        reason=f"rows told from the reference with AUC {auc:.3f}; most by {_named(reference.names, gains)}",
    )


def _check_names(reference: MultivariateBaseline, current: RowSample) -> None:
    if reference.names != current.names:
        raise ConfigError(
            f"expected rows of the {len(reference.names)} features of the reference, in their order, "
            f"got {len(current.names)}: {', '.join(current.names[:8])}"
        )


def _grown(reference: MultivariateBaseline, points: NDArray[np.float64]) -> NDArray[Any]:
    """Return by feature how much the mean square of what the components leave changed."""
    held = reference.encoder.encode(reference.halves[1])
    before, after = (reference.components.residuals(rows) for rows in (held, points))
    return np.asarray(np.abs((after**2).mean(axis=0) - (before**2).mean(axis=0)))


def _named(names: Sequence[str], weights: NDArray[Any]) -> str:
    order = np.argsort(-weights, kind="stable")[:_NAMED]
    largest = weights[order[0]] if len(order) else 0.0
    kept = [place for place in order if weights[place] > 0.1 * largest]
    return ", ".join(printable(names[place], _LONGEST) for place in kept) or "no feature"

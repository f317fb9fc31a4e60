"""The checks of one feature: what can move in it, each with a p-value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.calibration import words
from penstock.monitor.calibration.beta import negative_binomial_tail
from penstock.monitor.calibration.bridge import square_weights
from penstock.monitor.calibration.cells import cells
from penstock.monitor.calibration.check import Check
from penstock.monitor.calibration.gamma import chi_square_tail
from penstock.monitor.calibration.hypergeometric import fisher, fisher_greater
from penstock.monitor.calibration.quadratic_form import quadratic_form_tails
from penstock.monitor.pool import helpers
from penstock.monitor.statistics.bins import paired
from penstock.monitor.statistics.chi_square import pearson
from penstock.monitor.statistics.cramer_von_mises import squared_gap
from penstock.monitor.statistics.kolmogorov_smirnov import largest_gap
from penstock.monitor.statistics.l_infinity import largest_change
from penstock.monitor.statistics.missing import missing, share_change
from penstock.monitor.statistics.out_of_range import out_of_range
from penstock.monitor.statistics.stack import Stack
from penstock.monitor.statistics.unseen import unseen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

    Pair = tuple[FeatureProfile, FeatureProfile]

__all__ = ["LEAST_ROWS", "begin_checks", "checks", "checks_of_each"]

LEAST_ROWS: Final = 20
"""Rows on each side below which nothing is tested, and so nothing alarms."""


_MANY: Final = 8
"""Features from which on a second thread pays."""


def checks(reference: FeatureProfile, current: FeatureProfile) -> list[Check]:
    """Return the checks of a feature; none where a side has fewer than :data:`LEAST_ROWS` rows.

    Notes
    -----
    Numeric: Cramér-von Mises (where values lie), chi-square on cells (how they are shaped), missing,
    infinite, out of range. Categorical: chi-square on cells, missing, unseen. A check that cannot fail
    whatever the sample, such as of missing values where neither side has one, is left out, and costs the
    others nothing.
    Rows are taken as independent of each other; features need not be.
    """
    return checks_of_each([(reference, current)])[0]


def checks_of_each(pairs: Sequence[Pair]) -> list[list[Check]]:
    """Return the checks of many features: what :func:`checks` does of each, all at once."""
    return begin_checks(pairs)()


def begin_checks(pairs: Sequence[Pair], *, threads: int = 1) -> Callable[[], list[list[Check]]]:
    """Return what returns the checks of many features.

    With more than one thread, a second one computes eigenvalues from now on: call it when all else is done.
    """
    filled = [i for i, pair in enumerate(pairs) if min(side.present for side in pair) >= LEAST_ROWS]
    numeric = [i for i in filled if pairs[i][0].kind == "numeric"]
    layers = _layers([pairs[i] for i in numeric], aside=threads > 1 and len(numeric) >= _MANY)

    def finish() -> list[list[Check]]:
        found = [_missing(*pair) for pair in pairs]
        for index, check in _shapes([pairs[i] for i in filled]):
            found[filled[index]].append(check)
        tails = [list(_tails(*pairs[i])) for i in filled]
        for index, check in _places([pairs[i] for i in numeric], layers):
            found[numeric[index]].append(check)
        for index, checks_of_tails in zip(filled, tails, strict=True):
            found[index] += checks_of_tails
        return found

    return finish


def _missing(reference: FeatureProfile, current: FeatureProfile) -> list[Check]:
    if min(reference.rows, current.rows) < LEAST_ROWS:
        return []
    if not 0 < reference.missing + current.missing < reference.rows + current.rows:
        return []
    change = missing(reference, current)
    return [
        Check(
            name="missing",
            value=change,
            p_value=fisher(reference.missing, reference.rows, current.missing, current.rows),
            effect=abs(change),
            reason=words.share("missing", reference.missing_share, current.missing_share),
        )
    ]


def _shapes(pairs: Sequence[Pair]) -> Iterator[tuple[int, Check]]:
    """Yield the chi-square check of each pair that has two cells, and the index of the pair."""
    found = [cells(*pair) for pair in pairs]
    where = [index for index, one in enumerate(found) if len(one) >= 2]
    stack = Stack([(found[index].before, found[index].after) for index in where])
    measured = stack.measure(pearson).tolist(), stack.measure(largest_change).tolist()
    for index, chi_square, change in zip(where, *measured, strict=True):
        rows = int(found[index].before.sum() + found[index].after.sum())
        # Given the sums over both samples, the mean of chi-square is (cells − 1) · N / (N − 1).
        value = chi_square * (rows - 1) / rows
        check = Check(
            name="chi2",
            value=value,
            p_value=chi_square_tail(value, len(found[index]) - 1),
            effect=change,
            reason=words.cell(*pairs[index], found[index]),
        )
        yield index, check


@dataclass(frozen=True, slots=True)
class _Layer:
    """Counts of pairs over as many bins, of which two are not empty."""

    where: list[int]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    weights: Callable[[], NDArray[np.float64]]
    """Returns, or waits for, the weights of the quadratic forms."""


def _layers(pairs: Sequence[Pair], *, aside: bool) -> list[_Layer]:
    counts = [paired(*pair) for pair in pairs]
    where = [i for i, (before, after) in enumerate(counts) if np.count_nonzero(before + after) >= 2]
    layers = []
    for places, before, after in Stack([counts[index] for index in where]):
        compute = partial(square_weights, before + after)
        weights = helpers().submit(compute).result if aside else compute
        layers.append(_Layer([where[place] for place in places], before, after, weights))
    return layers


def _places(pairs: Sequence[Pair], layers: Sequence[_Layer]) -> Iterator[tuple[int, Check]]:
    """Yield the Cramér-von Mises check of each pair that is in a layer, and its index."""
    for layer in layers:
        values = squared_gap(layer.before, layer.after).tolist()
        gaps = largest_gap(layer.before, layer.after).tolist()
        tails = quadratic_form_tails(layer.weights(), values)
        for index, value, tail, gap in zip(layer.where, values, tails, gaps, strict=True):
            check = Check(
                name="cramer_von_mises",
                value=value,
                p_value=tail,
                effect=gap,
                reason=words.mean(*pairs[index]),
            )
            yield index, check


def _tails(reference: FeatureProfile, current: FeatureProfile) -> Iterator[Check]:
    if reference.kind == "numeric":
        yield from _infinite(reference, current)
        yield _out_of_range(reference, current)
    elif not reference.unseen:
        yield _unseen(reference, current)


def _infinite(reference: FeatureProfile, current: FeatureProfile) -> Iterator[Check]:
    if not 0 < reference.infinite + current.infinite < reference.present + current.present:
        return
    change = share_change(reference.infinite, reference.present, current.infinite, current.present)
    yield Check(
        name="infinite",
        value=change,
        p_value=fisher(reference.infinite, reference.present, current.infinite, current.present),
        effect=abs(change),
        reason=words.share(
            "infinite", reference.infinite / reference.present, current.infinite / current.present
        ),
    )


def _out_of_range(reference: FeatureProfile, current: FeatureProfile) -> Check:
    """Test each side: under no drift the k largest of n + m values are all current with a known chance.

    That is Fisher's test with none of the reference beyond its own largest value.
    """
    n, m = reference.present, current.present
    # Infinities of the reference are beyond its finite range as well, on a side that is not known.
    beyond = reference.infinite
    p_value = min(
        fisher_greater(min(reference.below + beyond, n), n, current.below, m),
        fisher_greater(min(reference.above + beyond, n), n, current.above, m),
    )
    change = out_of_range(reference, current)
    return Check(
        name="out_of_range",
        value=change,
        p_value=min(1.0, 2 * p_value),
        effect=abs(change),
        reason=words.out_of_range(reference, current),
    )


def _unseen(reference: FeatureProfile, current: FeatureProfile) -> Check:
    """Test whether more is new than categories too rare for the reference explain.

    The share of rows in categories that a sample of n does not have is about f₁/n, with a variance of about
    (f₁ + 2 f₂)/n²; f₁ and f₂ are how many categories it has once and twice (Good; Esty). That share taken as
    a gamma variable makes the count of unseen rows negative binomial. With f₁ = 0 the chance of k unseen
    rows is (m / (n + m))ᵏ. Any of the categories that are about as rare could have been the one that the
    reference happens not to have: the p-value is multiplied by how many there are (Bonferroni).

    References
    ----------
    I. J. Good, "The population frequencies of species and the estimation of population parameters",
    Biometrika 40 (1953). W. W. Esty, "A normal limit law for a nonparametric estimator of the coverage of a
    random sample", Annals of Statistics 11 (1983).
    """
    n, m = reference.present, current.present
    once = int(np.count_nonzero(reference.counts == 1)) + 1  # one more, on the safe side
    twice = int(np.count_nonzero(reference.counts == 2))
    spread = (once + 2 * twice) / once
    as_rare = int(np.count_nonzero(reference.counts * m <= 2 * current.unseen * n))
    by_chance = negative_binomial_tail(current.unseen, once / spread, m * spread / (n + m * spread))
    change = unseen(reference, current)
    return Check(
        name="unseen",
        value=change,
        p_value=min(1.0, by_chance * (1 + as_rare)),
        effect=max(change, 0.0) if not math.isnan(change) else 0.0,
        reason=words.unseen(reference, current),
    )

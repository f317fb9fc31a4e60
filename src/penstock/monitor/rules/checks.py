"""What can go wrong with what comes to a model, each with a p-value. Read next: excess.py, rate.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.monitor.calibration import LEAST_ROWS, Check
from penstock.monitor.calibration.words import number, share
from penstock.monitor.rules.counts import DoorCounts, RuleCounts
from penstock.monitor.rules.excess import excess
from penstock.monitor.rules.rate import LEAST_WINDOWS, rate_shift

__all__ = ["DataCheck", "data_checks"]

_DAY_S: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class DataCheck(Check):
    """One question about what came.

    Attributes
    ----------
    subject : str
        A column, or ``requests`` or ``rows`` for all of them. The name of the check is ``refused``, or
        ``refused`` with a reason, ``rate``, or the key of a rule.
    """

    subject: str


def data_checks(
    before: Sequence[DoorCounts], after: DoorCounts, *, expected: RuleCounts | None = None
) -> list[DataCheck]:
    """Return the checks of one window.

    Parameters
    ----------
    before : sequence of DoorCounts
        Of earlier windows of the model, in whatever version: newest last.
    after : DoorCounts
    expected : RuleCounts, optional
        What the baseline breaks of the rules: :func:`~penstock.monitor.rules.expected.broken_in`. Columns
        that it does not count are compared with the earlier windows.

    Returns
    -------
    list of DataCheck
        Empty where there is nothing to compare with.

    Notes
    -----
    Of requests: has the share that is refused risen, in all, and of each input and reason. Of rows: has the
    share that breaks a rule risen, for each rule. Fewer of either is no harm and never alarms. Of the rate
    of rows: is it higher or lower than it was at the same hour of earlier days, where eight windows of that
    hour are there, else than in all earlier windows, where they cover a day.

    Shares are of requests, or of rows, that are independent of each other given the window; how much windows
    vary beyond that is estimated from the earlier ones. What cannot have risen, such as a reason that never
    came, is left out and costs the others nothing.
    """
    return [*_refusals(before, after), *_rules(before, after, expected), *_rate(before, after)]


def _refusals(before: Sequence[DoorCounts], after: DoorCounts) -> Iterator[DataCheck]:
    if min(sum(window.requests for window in before), after.requests) < LEAST_ROWS:
        return
    if after.refused:
        yield _risen(
            "requests",
            "refused",
            "refused",
            [(window.refused, window.requests) for window in before],
            (after.refused, after.requests),
        )
    for (name, reason), count in sorted(after.refusals.items()):
        if count:
            yield _risen(
                name or "requests",
                f"refused {reason}",
                f"refused for {reason}",
                [(window.refusals.get((name, reason), 0), window.requests) for window in before],
                (count, after.requests),
            )


def _rules(
    before: Sequence[DoorCounts], after: DoorCounts, expected: RuleCounts | None
) -> Iterator[DataCheck]:
    for (column, key), count in sorted(after.rules.broken.items()):
        known = expected is not None and (column, key) in expected.broken
        earlier = [expected] if known and expected is not None else [window.rules for window in before]
        pairs = [(rules.broken.get((column, key), 0), rules.rows) for rules in earlier]
        if count and min(sum(rows for _, rows in pairs), after.rules.rows) >= LEAST_ROWS:
            yield _risen(column, key, f"against {key}", pairs, (count, after.rules.rows))


def _risen(
    subject: str, name: str, words: str, before: Sequence[tuple[int, int]], after: tuple[int, int]
) -> DataCheck:
    was = sum(count for count, _ in before) / sum(of for _, of in before)
    now = after[0] / after[1]
    return DataCheck(
        subject=subject,
        name=name,
        value=now - was,
        p_value=excess(before, after),
        effect=max(now - was, 0.0),
        reason=share(words, was, now),
    )


def _rate(before: Sequence[DoorCounts], after: DoorCounts) -> Iterator[DataCheck]:
    earlier = _comparable(before, after)
    if not earlier:
        return
    pairs = [(window.rows, window.duration_s) for window in earlier]
    was = sum(rows for rows, _ in pairs) / sum(seconds for _, seconds in pairs)
    now = after.rows / after.duration_s
    yield DataCheck(
        subject="rows",
        name="rate",
        value=now - was,
        p_value=rate_shift(pairs, (after.rows, after.duration_s)),
        effect=1 - min(was, now) / max(was, now) if max(was, now) else 0.0,
        reason=f"rows a second {number(was)} → {number(now)}",
    )


def _comparable(before: Sequence[DoorCounts], after: DoorCounts) -> list[DoorCounts]:
    """Return the windows whose rate can be compared; none where there are too few."""
    if after.duration_s <= 0:
        return []
    whole = [
        window
        for window in before
        if window.duration_s > 0
        and (2 * window.duration_s >= after.duration_s or 2 * window.rows >= after.rows)
    ]
    same_hour = [window for window in whole if _hours_apart_s(window, after) * 2 < after.duration_s]
    if after.duration_s < _DAY_S and len(same_hour) >= LEAST_WINDOWS:
        return same_hour
    if len(whole) < LEAST_WINDOWS or after.begin_s - min(window.begin_s for window in whole) < _DAY_S:
        return []
    return whole


def _hours_apart_s(one: DoorCounts, other: DoorCounts) -> float:
    apart = abs(one.begin_s - other.begin_s) % _DAY_S
    return min(apart, _DAY_S - apart)

"""What moved, in words: short, with numbers before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.statistics.wasserstein import scale

if TYPE_CHECKING:
    from penstock.monitor.calibration.cells import Cells
    from penstock.monitor.profile import FeatureProfile

__all__ = ["cell", "mean", "number", "out_of_range", "percent", "printable", "share", "unseen"]

_LONGEST: Final = 40
_NAMED: Final = 3


def percent(value: float) -> str:
    """Write a share; more places where it is small.

    >>> percent(0.124), percent(0.0034), percent(0.00001)
    ('12 %', '0.34 %', '0.001 %')
    """
    if math.isnan(value):
        return "none"
    size = abs(value) * 100
    if size >= 10 or size == 0:
        return f"{value * 100:.0f} %"
    return f"{value * 100:.2g} %"


def number(value: float) -> str:
    """Write a number with four digits.

    >>> number(1234.567), number(0.5)
    ('1235', '0.5')
    """
    return f"{value:.4g}"


def share(what: str, before: float, after: float) -> str:
    """Write the change of a share.

    >>> share("missing", 0.12, 0.31)
    'missing 12 % → 31 %'
    >>> share('category "2"', 0.501, 0.497)
    'category "2" 50.1 % → 49.7 %'
    """
    words = percent(before), percent(after)
    if words[0] == words[1]:
        words = f"{before * 100:.3g} %", f"{after * 100:.3g} %"
    return f"{what} {words[0]} → {words[1]}"


def printable(text: str, longest: int) -> str:
    r"""Cut a text of the data, and take out what would steer a terminal.

    >>> printable("\x1b[2Jabcdef", 8)
    '\ufffd[2Jabc…'
    """
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(character if character.isprintable() else "\ufffd" for character in short)


def quoted(text: str) -> str:
    """Write a category."""
    return f'"{printable(text, _LONGEST)}"'


def mean(reference: FeatureProfile, current: FeatureProfile) -> str:
    """Write how the mean moved; where it hardly did, how the spread did."""
    before, after = reference.mean, current.mean
    text = f"mean {number(before)} → {number(after)}"
    sigma = scale(reference, current) if reference.finite and current.finite else math.nan
    if not sigma > 0 or not math.isfinite(sigma):
        return text
    shift = (after - before) / sigma
    text += f" ({shift:+.2g} σ)"
    spread = current.standard_deviation / sigma
    if abs(shift) < abs(spread - 1):
        text += f", σ {number(sigma)} → {number(current.standard_deviation)}"
    return text


def cell(reference: FeatureProfile, current: FeatureProfile, found: Cells) -> str:
    """Write the cell that moved most, for its size."""
    before = found.before / found.before.sum()
    after = found.after / found.after.sum()
    worst = int(np.argmax((after - before) ** 2 / (after + before)))
    rest = reference.kind == "categorical" and found.bins[worst][-1] == len(reference.categories)
    if rest and 2 * current.unseen > found.after[worst]:
        return unseen(reference, current)
    return share(_named(reference, found.bins[worst]), float(before[worst]), float(after[worst]))


def _named(reference: FeatureProfile, bins: np.ndarray[tuple[int], np.dtype[np.intp]]) -> str:
    if reference.kind == "numeric":
        first, last, edges = int(bins[0]), int(bins[-1]), reference.edges
        low = float(edges[first - 1]) if first > 0 else -math.inf
        high = float(edges[last]) if last < len(edges) else math.inf
        alone = _whole_number(reference, low, high)
        if alone is not None:
            return alone
        if math.isinf(low):
            return f"below {number(high)}:"
        return f"from {number(low)} up:" if math.isinf(high) else f"{number(low)} to {number(high)}:"
    names = [quoted(reference.categories[index]) for index in bins if index < len(reference.categories)]
    if len(names) < len(bins):
        return "rare and unseen categories"
    if len(names) == 1:
        return f"category {names[0]}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"categories {', '.join(names[:_NAMED])}{more}"


def _whole_number(reference: FeatureProfile, low: float, high: float) -> str | None:
    """Name the one value of an interval of booleans or integers; None where it has more."""
    if not reference.type.startswith(("bool", "int", "uint")):
        return None
    first = reference.minimum if math.isinf(low) else math.ceil(low)
    last = reference.maximum if math.isinf(high) else math.ceil(high) - 1
    if first != last:
        return None
    return ("true:" if first else "false:") if reference.type == "bool" else f"value {first:.0f}:"


def out_of_range(reference: FeatureProfile, current: FeatureProfile) -> str:
    """Write on which side values left the range."""
    parts = []
    if current.below and not math.isnan(reference.minimum):
        parts.append(f"{percent(current.below / current.present)} below {number(reference.minimum)}")
    if current.above and not math.isnan(reference.maximum):
        parts.append(f"{percent(current.above / current.present)} above {number(reference.maximum)}")
    return "out of range: " + (", ".join(parts) or "none")


def unseen(reference: FeatureProfile, current: FeatureProfile) -> str:
    """Write how much is unseen, and the most frequent of it."""
    present = max(current.present, 1)
    text = share("unseen", reference.unseen / max(reference.present, 1), current.unseen / present)
    top = [f"{quoted(name)} {percent(rows / present)}" for name, rows in current.unseen_top[:_NAMED]]
    return text + (": " + ", ".join(top) if top else "")

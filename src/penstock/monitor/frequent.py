"""The most frequent of many texts in bounded memory; the counting itself is in csrc/monitor/frequent.h.

References
----------
J. Misra, D. Gries, "Finding repeated elements", Science of Computer Programming 2 (1982). P. K. Agarwal,
G. Cormode, Z. Huang, J. M. Phillips, Z. Wei, K. Yi, "Mergeable summaries", PODS 2012.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["KEPT", "join"]

KEPT = 64
"""Of n texts, a count is at most n / (KEPT + 1) below the truth, and never above it."""


def join(
    first: tuple[tuple[str, int], ...], second: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    """Return the summary of both together, most frequent first; the bound holds for it.

    >>> join((("a", 2), ("b", 1)), (("b", 3),))
    (('b', 4), ('a', 2))
    """
    counts = Counter(dict(first))
    for text, count in second:
        counts[text] += count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    cut = ranked[KEPT][1] if len(ranked) > KEPT else 0
    return tuple((text, count - cut) for text, count in ranked[:KEPT] if count > cut)

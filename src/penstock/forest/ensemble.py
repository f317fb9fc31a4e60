"""An ensemble of decision trees as plain arrays: what a graph says, and what is compiled."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

__all__ = ["AT_MOST", "EQUAL", "Nodes", "Output"]

AT_MOST: Final = 0
EQUAL: Final = 1


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes of all trees, by index; arrays of one value a node but where it says otherwise.

    Attributes
    ----------
    roots : ndarray of int32
        A node a tree, in the order in which scores are summed.
    true_child, false_child : ndarray of int32
        -1 for leaves.
    feature : ndarray of int32
    threshold : ndarray of float32
    test : ndarray of uint8
        When the true branch is taken: ``AT_MOST`` the threshold, or ``EQUAL`` to it.
    missing_is_true : ndarray of bool
        NaN takes the true branch.
    first_vote : ndarray of int64
        Of ``n + 1``: the votes of leaf i are those from ``first_vote[i]`` up to ``first_vote[i + 1]``.
    vote_target : ndarray of int32
    vote_value : ndarray of float32
    """

    roots: Any
    true_child: Any
    false_child: Any
    feature: Any
    threshold: Any
    test: Any
    missing_is_true: Any
    first_vote: Any
    vote_target: Any
    vote_value: Any

    @property
    def inner(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Indices of the nodes that are no leaves."""
        return np.flatnonzero(self.true_child >= 0)


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the sums of a row.

    Attributes
    ----------
    link : str
        ``none``; ``complement``: 1 - s and s, of one target; ``sigmoids``: of -s and s, of one target;
        ``sigmoid``, of each target; ``softmax``.
    divisor : float
        Of the sums, before the base is added.
    base : sequence of float
        A number a target, or none.
    labels : sequence of int
        Of the classes: two for one target, where the second is above ``cut``; else that of the largest sum.
        None where no label is asked for.
    cut : float
    """

    link: str = "none"
    divisor: float = 1.0
    base: tuple[float, ...] = ()
    labels: tuple[int, ...] = ()
    cut: float = 0.0

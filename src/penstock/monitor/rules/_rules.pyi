from collections.abc import Sequence
from typing import Any, final

import numpy as np

from penstock.monitor.rules.settings import ColumnRule
from penstock.transform._columns import Columns

BREACHES: tuple[str, ...]
"""Ways to break a rule: the keys of a RuleConfig that forbid something."""

@final
class RuleSet:
    """The rules of some columns, one each; immutable, any thread may call.

    Parameters
    ----------
    rules : sequence of ColumnRule
        In the order of the columns.
    """

    def __init__(self, rules: Sequence[ColumnRule]) -> None: ...
    def __len__(self) -> int: ...
    def check(
        self, columns: Columns
    ) -> tuple[np.ndarray[Any, np.dtype[np.int64]], tuple[int, int, str] | None]:
        """Return how many rows break what, and where the first is; without the GIL.

        Parameters
        ----------
        columns : Columns
            Bound in the order of the rules.

        Returns
        -------
        counts : ndarray of int64, shape (n_rules, len(BREACHES))
        first : (column, row, breach) or None
            Of the first column that breaks anything.

        Raises
        ------
        SignatureError
            Where there are other columns than rules, or text where there should be numbers, or the reverse.
        """

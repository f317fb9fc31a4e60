from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from penstock.batching import Runner
from penstock.transform._columns import Columns
from penstock.transform.instructions import Instruction, Table

@final
class Program:
    def __init__(
        self,
        registers: Sequence[str],
        instructions: Sequence[Instruction],
        tables: Sequence[Table],
        texts: Sequence[str],
        columns: int,
        outputs: Sequence[tuple[str, int]],
    ) -> None: ...
    def run(
        self,
        columns: Columns,
        outputs: list[npt.NDArray[Any]],
        threads: int = 1,
        *,
        zeroed: bool = False,
    ) -> tuple[int, int] | None: ...
    @property
    def rows(self) -> int: ...
    def runner(self, layouts: list[np.dtype[Any] | None], fills: list[int], model: Runner) -> Runner: ...
    def unknown_counts(self) -> list[int]: ...

from typing import Final, final

import numpy as np
import numpy.typing as npt

from penstock.batching import Runner
from penstock.forest.ensemble import Nodes, Output

MOST_LEAVES: Final[int]
LINKS: Final[tuple[str, ...]]

@final
class Forest:
    def __init__(self, nodes: Nodes, targets: int, output: Output, *, kernel: str | None = None) -> None: ...
    @property
    def columns(self) -> int: ...
    def runner(self, labels: list[bool]) -> Runner: ...
    def run(
        self, x: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]: ...

"""How many rows the model takes at once."""

from __future__ import annotations

import pytest

from penstock.bundle.signature import Signature, TensorSpec
from penstock.score.scorer import default_batch_rows, default_run_rows


def signature(width: int, output: tuple[int, ...]) -> Signature:
    inputs = (TensorSpec("x", "FP32", (-1, width)),)
    return Signature(inputs, (TensorSpec("y", "FP32", output),), batched=True)


@pytest.mark.parametrize(
    ("width", "batch", "run"), [(1, 8192, 8192), (30, 8192, 2048), (256, 1024, 256), (10**6, 256, 256)]
)
def test_by_the_width_of_the_inputs(width: int, batch: int, run: int) -> None:
    narrow = signature(width, (-1, 2))
    assert (default_batch_rows(narrow), default_run_rows(narrow)) == (batch, run)


def test_outputs_of_open_size_are_not_cut() -> None:
    assert default_run_rows(signature(30, (-1, -1))) == 8192

"""Sketches beside those of Apache DataSketches, on the same streams."""

from __future__ import annotations

from collections import Counter

import datasketches
import numpy as np
import pyarrow as pa
import pytest

from penstock.monitor import Baseline
from penstock.monitor.distinct import REGISTERS
from penstock.monitor.frequent import KEPT

LOG2_REGISTERS = REGISTERS.bit_length() - 1
ERROR = 1.04 / REGISTERS**0.5
COUNTS = (1, 10, 100, 1_000, 20_000, 300_000)


@pytest.mark.parametrize("distinct", COUNTS)
@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_distinct_values_are_estimated_as_well_as_by_a_sketch_of_as_many_registers(
    distinct: int, kind: str
) -> None:
    errors: dict[str, list[float]] = {"ours": [], "theirs": []}
    for seed in range(20):
        random = np.random.default_rng(seed)
        values = random.choice(2**40, distinct, replace=False)
        theirs = datasketches.hll_sketch(LOG2_REGISTERS, datasketches.tgt_hll_type.HLL_8)
        for value in values.tolist()[:20_000]:
            theirs.update(value)
        column = pa.array(values.astype(np.float64)) if kind == "numbers" else pa.array(values).cast("string")
        profiler = Baseline.fit({"x": column[:1]}).profiler()
        profiler.update({"x": column})
        profiler.update({"x": column[: distinct // 2]})  # again: nothing new
        errors["ours"].append(profiler.profile()["x"].distinct / distinct - 1)
        errors["theirs"].append(theirs.get_estimate() / min(distinct, 20_000) - 1)
    root_mean_square = {name: float(np.sqrt(np.mean(np.square(found)))) for name, found in errors.items()}
    assert root_mean_square["ours"] <= 1.5 * ERROR
    assert abs(float(np.mean(errors["ours"]))) <= 4 * ERROR / 20**0.5
    # Theirs keeps small counts exactly, in a list of its own; ours does not.
    assert root_mean_square["ours"] <= max(2 * root_mean_square["theirs"], 1.5 * ERROR)


@pytest.mark.parametrize("exponent", [1.1, 1.5])
def test_frequent_texts_are_those_that_theirs_finds(exponent: float) -> None:
    random = np.random.default_rng(3)
    texts = [f"t{number}" for number in (random.zipf(exponent, 100_000) % 50_000).tolist()]
    truth = Counter(texts)
    theirs = datasketches.frequent_strings_sketch(7)
    for text in texts:
        theirs.update(text)
    certain = theirs.get_frequent_items(datasketches.frequent_items_error_type.NO_FALSE_POSITIVES)
    profiler = Baseline.fit({"x": ["seen"]}).profiler()
    for begin in range(0, len(texts), 1000):
        profiler.update({"x": texts[begin : begin + 1000]})
    ours = dict(profiler.profile()["x"].unseen_top)
    bound = len(texts) / (KEPT + 1)
    for text, count in truth.most_common(KEPT):
        assert truth[text] - bound <= ours.get(text, 0) <= truth[text]
        if count > bound:
            assert text in ours
    for text, _, lower, upper in certain:
        assert lower <= truth[text] <= upper
        if lower > bound:
            assert text in ours
    assert [text for text, _ in list(ours.items())[:3]] == [text for text, _ in truth.most_common(3)]


def test_merged_sketches_estimate_the_union_as_theirs_do() -> None:
    first, second = np.arange(0, 8000.0), np.arange(4000.0, 12_000)
    baseline = Baseline.fit({"x": first[:1]})
    profiles = []
    union = datasketches.hll_union(LOG2_REGISTERS)
    for part in (first, second):
        profiler = baseline.profiler()
        profiler.update({"x": part})
        profiles.append(profiler.profile())
        sketch = datasketches.hll_sketch(LOG2_REGISTERS)
        for value in part.tolist():
            sketch.update(value)
        union.update(sketch)
    merged = profiles[0].merge(profiles[1])["x"].distinct
    whole = baseline.profiler()
    whole.update({"x": np.arange(12_000.0)})
    assert merged == whole.profile()["x"].distinct
    assert merged == pytest.approx(12_000, rel=4 * ERROR)
    assert union.get_estimate() == pytest.approx(12_000, rel=4 * ERROR)

"""Groups and slices."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_cases import BINARY, MULTICLASS, REGRESSION, counted, drawn
from scipy import stats

from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor.feedback import JoinResult
from penstock.monitor.quality import (
    QualityCounts,
    SlicedCounts,
    compare_groups,
    count_slices,
    merge_slices,
    metrics,
)
from penstock.monitor.quality.bias import _difference, _equal
from penstock.monitor.quality.slices import MISSING, OTHER

THOROUGH = bool(os.environ.get("PENSTOCK_THOROUGH"))


def test_slices_are_the_counts_of_their_rows() -> None:
    random = np.random.default_rng(0)
    label, columns = drawn("even", 600, random)
    state = random.choice(["MA", "NY", "TX"], 600)
    found = count_slices(BINARY, label, columns, pa.array(state, mask=random.random(600) < 0.1), most=2)
    assert list(found)[-2:] == [OTHER, MISSING]
    total = QualityCounts.empty(BINARY)
    for counts in found.values():
        total = total.merge(counts)
    assert np.array_equal(total.scores, QualityCounts.of(BINARY, label, columns).scores)
    (kept,) = count_slices(BINARY, label, columns, ["MA"] * 600).values()
    assert kept == QualityCounts.of(BINARY, label, columns)


@given(
    st.lists(st.sampled_from(["a", "b", "1", None, "(other)"]) | st.none(), max_size=20), st.integers(0, 3)
)
def test_no_row_is_lost_in_slices(values: list[str | None], most: int) -> None:
    label, columns = drawn("even", len(values), np.random.default_rng(1))
    found = count_slices(BINARY, label, columns, values, most=most, keep=("b",))
    assert sum(counts.rows for counts in found.values()) == len(values)
    assert len(set(found) - {OTHER, MISSING}) <= max(most, 0)
    assert found.get(MISSING, QualityCounts.empty(BINARY)).rows == values.count(None)


def test_numbers_and_texts_are_one_value() -> None:
    label, columns = drawn("even", 2, np.random.default_rng(2))
    assert list(count_slices(BINARY, label, columns, [1.0, 2.0])) == ["1", "2"]
    with pytest.raises(SignatureError, match="slices: expected a value for each of 2 labels, got 1"):
        count_slices(BINARY, label, columns, ["a"])


def test_slices_merge_and_stay_few() -> None:
    first, second = ({f"{i}": counted("even", 5)} for i in range(2))
    for index in range(60):
        first = merge_slices(first, {f"v{index}": counted("even", 1)}, most=10)
    merged = merge_slices(first, second, most=10)
    assert len(merged) == 11
    assert sum(counts.rows for counts in merged.values()) == 70


def test_sliced_counts_of_joined_labels() -> None:
    random = np.random.default_rng(3)
    label, columns = drawn("even", 200, random)
    table = pa.table(
        {"label": label.astype(float), "output.p": columns["p"], "state": random.choice(["a", "b"], 200)}
    )
    parts = [
        JoinResult(joined=table.slice(0, 50)),
        JoinResult(joined=table.slice(50)),
        JoinResult(joined=pa.table({})),
    ]
    first, second, empty = (SlicedCounts.of(BINARY, part, ("state", "state")) for part in parts)
    whole = empty.merge(first).merge(second)
    assert whole.counts.rows == 200
    assert {name: counts.rows for name, counts in whole.slices["state"].items()} == {
        name: (table["state"].to_numpy() == name).sum() for name in ("a", "b")
    }
    restored = SlicedCounts.from_bytes(whole.to_bytes())
    assert restored == whole
    assert restored.to_bytes() == whole.to_bytes()
    with pytest.raises(BundleError, match="digest does not match"):
        SlicedCounts.from_bytes(whole.to_bytes() + b"\0")
    with pytest.raises(ConfigError, match=r"expected counts by the columns \['state'\], got \[\]"):
        whole.merge(SlicedCounts.empty(BINARY))
    with pytest.raises(SignatureError, match='expected a column "p"'):
        SlicedCounts.of(BINARY, JoinResult(joined=table.drop_columns(["output.p"])))


def groups(seed: int = 4) -> dict[str, QualityCounts]:
    random = np.random.default_rng(seed)
    return {"m": counted("even", 900, random), "f": counted("overconfident", 500, random)}


def test_groups_are_compared_with_the_largest() -> None:
    counts = groups()
    found = compare_groups("sex", counts)
    assert (found.column, found.compared_with) == ("sex", "m")
    assert {gap.metric for gap in found.gaps} == {
        "accuracy", "selection_rate", "recall", "false_positive_rate", "precision"
    }  # fmt: skip
    (gap,) = [gap for gap in found.gaps if gap.metric == "selection_rate"]
    rates = {group: metrics(part)["selection_rate"].value for group, part in counts.items()}
    assert gap.difference.value == pytest.approx(rates["f"] - rates["m"])
    assert gap.ratio.value == pytest.approx(rates["f"] / rates["m"])
    assert gap.difference.low < gap.difference.value < gap.difference.high
    assert gap.ratio.low < gap.ratio.value < gap.ratio.high
    assert found.disparate_impact == pytest.approx(min(rates.values()) / max(rates.values()))
    assert json.loads(json.dumps(found.to_dict()))["compared_with"] == "m"
    assert compare_groups("sex", counts, compared_with="f").compared_with == "f"


def test_differences_are_newcombes() -> None:
    """Examples (a) and (h) of Newcombe 1998, method 10."""
    found = _difference((56, 70), (48, 80), 0.95)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    found = _difference((10, 10), (0, 10), 0.95)
    assert (found.low, found.high) == pytest.approx((0.6075, 1.0), abs=5e-5)


def test_equality_is_tested_by_chi_square_or_fisher() -> None:
    rates = {"a": (30, 100), "b": (45, 100), "c": (20, 100)}
    check = _equal("recall", rates)
    table = [[hits, rows - hits] for hits, rows in rates.values()]
    assert check is not None
    assert check.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert check.reason == "recall: c 20 %, b 45 %"
    assert check.effect == pytest.approx(0.25)
    few = _equal("recall", {"a": (1, 30), "b": (6, 25)})
    assert few is not None
    exact = stats.hypergeom.cdf(1, 55, 7, 30)
    assert few.p_value == pytest.approx(2 * exact)
    assert _equal("recall", {"a": (1, 30), "b": (6, 19)}) is None
    assert _equal("recall", {"a": (0, 30), "b": (0, 30)}) is None


@pytest.mark.parametrize(("rows", "rate"), [((500, 300, 100), 0.3), ((200, 30, 25), 0.05), ((40, 30), 0.04)])
def test_equal_groups_alarm_as_often_as_stated(rows: tuple[int, ...], rate: float) -> None:
    times = 20_000 if THOROUGH else 2000
    random = np.random.default_rng(5)
    for level in (0.05, 0.01):
        false = 0
        for _ in range(times):
            found = _equal("x", {str(i): (int(random.binomial(n, rate)), n) for i, n in enumerate(rows)})
            false += found is not None and found.p_value <= level
        assert stats.binom.sf(false - 1, times, level * 1.15) > 1e-4, level


def test_other_tasks() -> None:
    random = np.random.default_rng(6)
    classes = compare_groups(
        "sex", {"m": counted("classes", 300, random), "f": counted("classes", 200, random)}
    )
    assert {gap.metric for gap in classes.gaps} == {"accuracy"}
    assert np.isnan(classes.disparate_impact)
    assert classes.groups["m"].keys() == metrics(QualityCounts.empty(MULTICLASS)).keys()
    label, columns = drawn("normal", 300, random)
    shifted = QualityCounts.of(REGRESSION, label, {"p": columns["p"] + 1})
    found = compare_groups("sex", {"m": counted("normal", 400, random), "f": shifted})
    (bias,) = [gap for gap in found.gaps if gap.metric == "bias"]
    assert bias.difference.low < 1 < bias.difference.high
    assert found.checks == ()
    tiny = compare_groups("sex", {"m": counted("normal", 1), "f": QualityCounts.empty(REGRESSION)})
    assert all(np.isnan(gap.difference.value) for gap in tiny.gaps)


def test_groups_without_rows_or_positives() -> None:
    none = QualityCounts.of(BINARY, [0] * 30, {"p": [0.1] * 30})
    found = compare_groups("sex", {"m": none, "f": QualityCounts.empty(BINARY)})
    assert np.isnan(found.disparate_impact)
    assert found.checks == ()
    json.dumps(found.to_dict())


def test_the_group_to_compare_with_is_there() -> None:
    with pytest.raises(
        ConfigError, match='groups of "sex": expected to compare with one of them, got x of m, f'
    ):
        compare_groups("sex", groups(), compared_with="x")
    with pytest.raises(ConfigError, match="got none of none"):
        compare_groups("sex", {})

"""Statistics over time: rows come into the right windows, memory and number of windows are bounded."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, SignatureError
from penstock.monitor import Baseline
from penstock.monitor.drift import drift
from penstock.monitor.timeline import Cut, Timeline, TimelineCounter
from penstock.monitor.timeline.counter import MOST_WINDOWS
from penstock.monitor.timeline.cut import positions

DAY = 86_400
START = 19_700 * DAY  # 2023-12-09, a Saturday


def reference() -> Baseline:
    random = np.random.default_rng(0)
    return Baseline.fit({"x": random.normal(size=5000), "c": random.choice(["a", "b"], 5000)})


def table(seconds: Any, seed: int = 1, shift: Any = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    rows = len(seconds)
    return pa.table(
        {
            "t": pa.array((np.asarray(seconds) * 1e6).astype(np.int64), pa.timestamp("us")),
            "x": random.normal(size=rows) + shift,
            "c": random.choice(["a", "b"], rows),
        }
    )


def timeline(data: pa.Table, window: str, by: str = "t", rows: int = 700, **more: Any) -> Timeline:
    counter = TimelineCounter(reference(), Cut.parse(window), by, **more)
    for batch in data.to_batches(max_chunksize=rows):
        counter.add(batch)
    return counter.timeline()


@pytest.mark.parametrize(
    ("text", "kind", "width"),
    [
        ("1d", "time", DAY),
        ("90 min", "time", 5400),
        ("0.5h", "time", 1800),
        ("2w", "time", 14 * DAY),
        ("100rows", "rows", 100),
        ("1 row", "rows", 1),
        ("2.5", "number", 2.5),
        ("10s", "time", 10),
    ],
)
def test_widths(text: str, kind: str, width: float) -> None:
    cut = Cut.parse(text)
    assert (cut.kind, cut.width) == (kind, width)


@pytest.mark.parametrize("text", ["", "d", "1 month", "-1d", "0d", "1.5 rows", "1d 2h", "nan"])
def test_widths_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="window: expected"):
        Cut.parse(text)


def test_days_are_days_and_weeks_begin_on_monday() -> None:
    seconds = START + np.arange(0, 20 * DAY, 3600)
    days = timeline(table(seconds), "1d")
    assert [span.label for span in days.spans[:3]] == ["2023-12-09", "2023-12-10", "2023-12-11"]
    assert [span.rows for span in days.spans] == [24] * 20
    weeks = timeline(table(seconds), "1w")
    assert [span.label for span in weeks.spans] == ["2023-12-04", "2023-12-11", "2023-12-18", "2023-12-25"]
    assert [span.rows for span in weeks.spans] == [48, 168, 168, 96]


@pytest.mark.parametrize("rows", [1, 37, 5000])
def test_order_and_batches_do_not_matter(rows: int) -> None:
    seconds = START + np.random.default_rng(3).uniform(0, 6 * DAY, 600)
    data = table(np.sort(seconds))
    shuffled = data.take(np.random.default_rng(4).permutation(600))
    first, second = timeline(data, "1d", rows=rows), timeline(shuffled, "1d", rows=rows)
    assert [span.rows for span in first.spans] == [span.rows for span in second.spans]
    for one, other in zip(first.spans, second.spans, strict=True):
        for name in ("x", "c"):
            assert one.points[name].p_value == pytest.approx(other.points[name].p_value, rel=1e-9)
            assert one.points[name].psi == other.points[name].psi


def test_a_window_is_compared_as_by_itself() -> None:
    seconds = START + np.arange(0, 3 * DAY, 200.0)
    data = table(seconds, shift=np.where(seconds > START + 2 * DAY, 0.6, 0.0))
    found = timeline(data, "1d")
    part = data.slice(864, 432).drop(["t"])
    alone = drift(reference(), part, false_alarms=0.01 / 3)
    point = found.spans[2].points["x"]
    assert found.spans[2].alarms == ("x",)
    assert found.alarms == ("x",)
    assert point.p_value == pytest.approx(alone["x"].p_value, rel=1e-9)
    assert (point.effect, point.psi) == (alone["x"].effect, alone["x"].statistics["psi"])
    assert point.reason == alone["x"].reason
    assert not found.spans[0].alarms


def test_more_than_200_windows_become_wider() -> None:
    seconds = START + np.arange(0, 1000 * 3600, 400.0)
    found = timeline(table(seconds), "1h")
    assert len(found) <= MOST_WINDOWS
    assert found.width == 8 * 3600
    assert sum(span.rows for span in found.spans) == len(seconds)
    assert {span.rows for span in found.spans[1:-1]} == {72}
    assert all(span.begin % (8 * 3600) == 0 for span in found.spans)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=400), st.integers(1, 50))
@settings(max_examples=25)
def test_no_row_is_lost_or_in_a_wrong_window(numbers: list[int], width: int) -> None:
    data = pa.table({"t": numbers, "x": [0.0] * len(numbers), "c": ["a"] * len(numbers)})
    counter = TimelineCounter(reference(), Cut.parse(str(width)), "t")
    for batch in data.to_batches(max_chunksize=83):
        counter.add(batch)
    found = counter.timeline()
    values = np.array(numbers)
    assert len(found) <= MOST_WINDOWS
    for span in found.spans:
        assert span.rows == np.count_nonzero((values >= span.begin) & (values < span.end))


def test_rows_are_counted_over_batches() -> None:
    found = timeline(table(START + np.arange(1000.0)), "300 rows", by="", rows=70)
    assert [span.rows for span in found.spans] == [300, 300, 300, 100]
    assert [span.label for span in found.spans] == ["row 0", "row 300", "row 600", "row 900"]
    assert found.to_dict()["by"] is None


def test_rows_without_a_time_are_in_no_window() -> None:
    data = table(START + np.arange(100.0))
    times = pa.array([None] * 30 + data.column("t").to_pylist()[30:], pa.timestamp("us"))
    found = timeline(data.set_column(0, "t", times), "1d")
    assert (found.unplaced, found.spans[0].rows) == (30, 70)
    odd = pa.array([float("nan"), float("inf"), 1e300] + [0.0] * 97)
    found = timeline(data.set_column(0, "t", odd), "1")
    assert (found.unplaced, [span.rows for span in found.spans]) == (3, [97])


def test_windows_of_few_rows_are_not_tested() -> None:
    found = timeline(table(START + np.arange(0, 4 * DAY, 10_000.0), shift=9.0), "1d")
    assert not found.alarms
    assert found.to_dict()["windows"][0]["features"]["x"]["p_value"] is None


TIMES = [datetime.datetime(2020, 1, 1, 12), None, datetime.datetime(2020, 1, 2)]
SECONDS = [1577880000.0, float("nan"), 1577923200.0]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(TIMES, pa.timestamp("s")),
        pa.array(TIMES, pa.timestamp("ns", "UTC")),
        pa.array(["2020-01-01T12:00:00", None, "2020-01-02"]),
        pa.array(["2020-01-01T12:00:00Z", None, "2020-01-02T00:00:00Z"]),
        pa.array(["2020-01-01T12:00:00", None, "2020-01-02"]).dictionary_encode(),
        pa.array(SECONDS, from_pandas=True),
    ],
    ids=["s", "ns with zone", "text", "text with zone", "dictionary", "numbers"],
)
def test_columns_of_time(column: Any) -> None:
    assert positions(column, "time", "t").tolist() == pytest.approx(SECONDS, nan_ok=True)


def test_dates_are_midnights() -> None:
    column = pa.array([datetime.date(1970, 1, 2)])
    assert positions(column, "time", "t").tolist() == [DAY]


@pytest.mark.parametrize(
    ("column", "kind", "words"),
    [
        (pa.array(["yesterday"]), "time", "expected times"),
        (pa.array([True]), "time", "expected times, dates or numbers, got bool"),
        (pa.array(TIMES), "number", "expected a window such as 1d"),
    ],
)
def test_other_columns_are_refused(column: Any, kind: Any, words: str) -> None:
    with pytest.raises(SignatureError, match=f'column "t": {words}'):
        positions(column, kind, "t")


def test_a_cut_by_time_needs_a_column() -> None:
    with pytest.raises(ConfigError, match="expected a column of time"):
        TimelineCounter(reference(), Cut.parse("1d"))


def test_quality_by_window() -> None:
    random = np.random.default_rng(0)

    def scored(rows: int, error: Any) -> dict[str, Any]:
        p = random.uniform(size=rows)
        y = random.uniform(size=rows) < np.where(error, 0.5, p)
        return {"x": random.normal(size=rows), "p": p, "y": y.astype(int)}

    baseline = Baseline.fit(scored(4000, False), label="y", prediction="p")
    assert baseline.quality is not None
    counter = TimelineCounter(
        baseline, Cut.parse("1000 rows"), names=["x", "p"], target=baseline.quality.target
    )
    counter.add(pa.record_batch(scored(2000, np.arange(2000) >= 1000)))
    before, after = counter.timeline().spans
    assert before.realised["auc"].value > 0.75 > 0.6 > after.realised["auc"].value
    assert after.estimated["auc"].value > 0.75
    assert "realised" in counter.timeline().to_dict()["windows"][0]

"""Labels come to the rows that they are of, each once, whatever comes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config import FeedbackConfig, LogConfig
from penstock.monitor.feedback import Feedback, JoinResult
from penstock.monitor.log import PredictionLog

NOON = 1_700_000_000.0


def make(**options: Any) -> Feedback:
    outputs = options.pop("outputs", None)
    return Feedback(FeedbackConfig(**options), outputs=outputs)


def remember(feedback: Feedback, ids: list[str], counts: list[int] | None = None, **more: Any) -> None:
    counts = counts or [1] * len(ids)
    rows = sum(counts)
    begin = more.get("begin", 0)
    feedback.remember(
        more.get("version", 1),
        more.get("time_s", NOON),
        more.get("columns", {}),
        more.get("outputs", {"p": np.arange(begin, begin + rows, dtype=np.float32)}),
        rows,
        (ids, counts),
    )


def counts(result: JoinResult) -> dict[str, int]:
    names = ("rows", "waiting", "unknown", "late", "duplicate", "contradictory", "invalid")
    return {name: getattr(result, name) for name in names if getattr(result, name)}


def test_rows_of_requests_of_one_and_of_several() -> None:
    feedback = make(slices=("state",), groups=("sex", "state", "nowhere"))
    remember(
        feedback,
        ["a", "b", "c/0"],
        [1, 3, 1],
        version=7,
        columns={
            "state": np.array(["MA", "NY", "CA", None, "TX"], object),
            "sex": np.arange(5),
            "else": np.zeros(5),
        },
        outputs={"label": np.arange(5), "p": np.arange(10, dtype=np.float32).reshape(5, 2)},
    )
    result = feedback.join(
        ["b/2", "a", "c/0", "b/0"], [1, 0, 1, 1], [NOON + 5, np.nan, 0.0, 1.0], now_s=NOON + 9
    )
    found = result.joined.to_pydict()
    assert list(found) == [
        "id", "version", "time", "label_time", "label", "output.label", "p[0]", "p[1]", "state", "sex",
    ]  # fmt: skip
    rows = {id: index for index, id in enumerate(found["id"])}
    assert set(rows) == {"b/2", "a", "c/0", "b/0"}
    assert [found["state"][rows[id]] for id in ("a", "b/0", "b/2", "c/0")] == ["MA", "NY", None, "TX"]
    assert [found["sex"][rows[id]] for id in ("a", "b/0", "b/2", "c/0")] == [0, 1, 3, 4]
    assert [found["label"][rows[id]] for id in ("a", "b/0", "b/2", "c/0")] == [0.0, 1.0, 1.0, 1.0]
    assert [found["label_time"][rows[id]].timestamp() for id in ("a", "b/2")] == [NOON + 9, NOON + 5]
    assert found["version"] == [7] * 4
    assert {moment.timestamp() for moment in found["time"]} == {NOON}
    assert result.output("label").to_pylist() == found["output.label"]
    assert result.output("p[1]").to_pylist() == found["p[1]"]


def test_ids_that_name_no_row() -> None:
    feedback = make()
    remember(feedback, ["a", "b"], [1, 2])
    wrong = ["b", "a/0", "b/2", "b/-1", "b/+1", "b/01", "b/", "/1", "b/0/0", "B/0", "b/99999999999999999999"]
    result = feedback.join(wrong, np.zeros(len(wrong)))
    assert counts(result) == {"waiting": len(wrong)}


def test_twice_contradictory_and_not_at_all() -> None:
    feedback = make()
    remember(feedback, ["a", "b", "c"])
    first = feedback.join(["a", "a", "b", "b", None, "", "c"], [1, 1, 1, 0, 1, 1, None])
    assert counts(first) == {"rows": 2, "duplicate": 1, "contradictory": 1, "invalid": 3}
    again = feedback.join(["a", "b", "b"], [1, 0, 1])
    assert counts(again) == {"duplicate": 2, "contradictory": 1}
    assert feedback.join(["c"], [np.nan]).invalid == feedback.join(["c"], [np.inf]).invalid == 1
    status = feedback.status()
    assert (status.joined, status.duplicate, status.contradictory, status.invalid) == (2, 3, 2, 5)
    assert (status.rows, status.waiting, status.dropped_rows) == (3, 0, 0)


def test_the_newest_answer_of_an_id() -> None:
    feedback = make()
    remember(feedback, ["a", "a"], begin=0)
    assert feedback.join(["b"], [0], now_s=NOON).waiting == 1
    remember(feedback, ["a"], begin=10, version=2)
    result = feedback.join(["a"], [1], now_s=NOON + 1)
    assert result.joined.column("p").to_pylist() == [10.0]
    assert result.joined.column("version").to_pylist() == [2]


def test_labels_before_their_answers() -> None:
    feedback = make()
    assert counts(feedback.join(["a", "b/1", "never", "a", "a"], [1, 0, 1, 1, 0], now_s=NOON)) == {
        "waiting": 5
    }
    assert feedback.status().waiting == 5
    remember(feedback, ["a", "b"], [1, 2])
    assert counts(feedback.tick(NOON + 1)) == {"rows": 2, "duplicate": 1, "contradictory": 1}
    assert counts(feedback.tick(NOON + 599)) == {}
    assert counts(feedback.tick(NOON + 600)) == {"unknown": 1}
    assert feedback.status().unknown == 1
    remember(feedback, ["never"])
    assert counts(feedback.tick(NOON + 700)) == {}


def test_no_more_than_a_hundred_thousand_wait() -> None:
    feedback = make()
    ids = [f"early-{index}" for index in range(150_000)]
    feedback.join(ids, np.ones(150_000), now_s=NOON)
    assert feedback.tick(NOON).unknown == 50_000
    feedback.join([f"other-{index}" for index in range(101_000)], np.ones(101_000), now_s=NOON)
    assert feedback.status().waiting == 100_000
    feedback.join(ids, np.ones(150_000), now_s=NOON)
    assert feedback.status().waiting == 100_000
    assert feedback.tick(NOON).unknown == 251_000
    remember(feedback, [ids[0], ids[-1]])
    assert feedback.tick(NOON + 1).joined.column("id").to_pylist() == [ids[-1]]


def test_old_rows_are_late_and_older_ones_unknown() -> None:
    feedback = make(keep_rows=1000)
    for batch in range(300):
        remember(feedback, [f"{batch}-{row}" for row in range(500)], begin=batch * 500)
        feedback.tick(NOON + batch)
        if batch % 3 == 2:
            assert feedback.join(["nobody"], [1], now_s=NOON + batch).waiting == 1
    status = feedback.status()
    assert 1000 <= status.rows <= 3000
    assert status.size_bytes < 1_000_000
    oldest = 300 - status.rows // 500
    ids = ["299-499", f"{oldest}-0", f"{oldest - 1}-499", f"{oldest - 1}-499/7", "5-0"]
    result = feedback.join(ids, np.ones(5), now_s=NOON + 1000)
    assert sorted(result.joined["p"].to_pylist()) == [oldest * 500.0, 149_999.0]
    assert (result.rows, result.late, result.waiting) == (2, 2, 1)


def test_answers_without_an_id_are_not_kept() -> None:
    feedback = make()
    remember(feedback, ["", "a", ""], [2, 2, 1])
    feedback.remember(1, NOON, {}, {"p": np.zeros(3)}, 3, None)
    assert feedback.status().rows == 2
    assert feedback.join(["a/1"], [1]).joined.column("p").to_pylist() == [3.0]


def test_ids_of_any_length_and_bytes() -> None:
    feedback = make()
    long = "x" * 2**20
    remember(feedback, [long, long + "y", "\\xff", "é/7", "\udc80"], [1, 2, 1, 1, 1])
    result = feedback.join([long, (long + "y/1").encode(), b"\xff", "é/7", "\udc80"], [1, 1, 1, 1, 1])
    assert result.rows == 5
    assert feedback.status().size_bytes < 5000
    assert feedback.join([long + "z"], [1]).waiting == 1


@pytest.mark.parametrize(
    "ids",
    [
        ["1", "2"],
        [1, 2],
        np.array([1, 2]),
        np.array(["1", "2"]),
        pa.array(["1", "2"]),
        pa.array(["1", "2"], pa.large_string()),
        pa.array(["1", "2"]).dictionary_encode(),
        pa.chunked_array([["1"], ["2"]]),
        pa.array(["0", "1", "2"])[1:],
        [b"1", "2"],
    ],
)
def test_ids_as_callers_have_them(ids: Any) -> None:
    feedback = make()
    remember(feedback, ["1", "2"])
    assert feedback.join(ids, [True, False]).joined.column("label").to_pylist() == [1.0, 0.0]


def test_labels_that_are_texts() -> None:
    feedback = make()
    remember(feedback, ["a", "b", "c", "d"])
    first = feedback.join(["a", "b"], ["cat", "dog"])
    assert first.joined.column("label").to_pylist() == ["cat", "dog"]
    assert counts(feedback.join(["a", "b", "c"], ["cat", "cat", None])) == {
        "duplicate": 1, "contradictory": 1, "invalid": 1,
    }  # fmt: skip
    assert feedback.join(["c", "d"], [3, 4.5]).joined.column("label").to_pylist() == ["3", "4.5"]


def test_numbers_that_come_as_texts() -> None:
    feedback = make()
    remember(feedback, ["a", "b", "c", "d", "e"])
    assert feedback.join(["a"], [np.float32(1)]).rows == 1
    result = feedback.join(["b", "c", "d", "e"], ["0", "1.5", "x", "inf"])
    assert result.joined.column("label").to_pylist() == [0.0, 1.5]
    assert result.invalid == 2
    assert feedback.join(["d"], [1, "x"][:1]).rows == 1


def test_too_many_classes() -> None:
    feedback = make()
    ids = [str(index) for index in range(10_010)]
    remember(feedback, ids)
    result = feedback.join(ids, [f"class {index}" for index in range(10_010)])
    assert (result.rows, result.invalid) == (10_000, 10)
    assert feedback.join(["10001"], ["x" * 2000]).invalid == 1


def test_lengths_that_differ() -> None:
    feedback = make()
    with pytest.raises(ValueError, match="expected a label and a time for each of 2 ids, got 1 labels"):
        feedback.join(["a", "b"], [1])
    assert counts(feedback.join([], [])) == {}


def test_outputs_by_name() -> None:
    feedback = make(outputs=["p[1]", "q", "nowhere"])
    answers = {"p": np.array([[1.0, 2.0]]), "q": np.zeros((1, 2)), "r": np.zeros(1)}
    remember(feedback, ["a"], outputs=answers)
    assert feedback.join(["a"], [1]).joined.column_names[5:] == ["p[1]", "q[0]", "q[1]"]


def test_answers_of_changing_shape() -> None:
    feedback = make()
    for index in range(6):
        answers: dict[str, Any] = {"p": np.full(1, index, [np.float32, np.float64][index % 2])}
        if index % 3 == 0:
            answers["q"] = np.array(["text"], object)
        remember(feedback, [str(index)], outputs=answers)
    result = feedback.join([str(index) for index in range(6)], np.zeros(6))
    assert dict(zip(result.joined["id"].to_pylist(), result.joined["p"].to_pylist(), strict=True)) == {
        str(index): float(index) for index in range(6)
    }
    assert result.joined["q"].null_count == 4


def test_what_cannot_be_kept_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    feedback = make()
    for _ in range(3):
        feedback.remember(1, NOON, {}, {"p": np.zeros(3)}, 2, (["a"], [2]))
        feedback.remember(1, NOON, {}, {"p": np.zeros(2)}, 2, (["a"], [1]))
    assert feedback.status().dropped_rows == 12
    assert len(caplog.records) == 1


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("answer"), st.lists(st.tuples(st.integers(0, 12), st.integers(1, 3)), max_size=4)
            ),
            st.tuples(
                st.just("label"), st.lists(st.tuples(st.integers(0, 12), st.integers(-1, 3), st.booleans()))
            ),
            st.tuples(st.just("tick"), st.none()),
        ),
        max_size=25,
    )
)
def test_against_a_dictionary(steps: list[tuple[str, Any]]) -> None:
    """The same as a dictionary of the newest answers would do, and every label has one fate."""
    feedback = make()
    answers: dict[str, int] = {}
    labels: dict[int, float] = {}
    expected: dict[int, float] = {}
    waiting: list[tuple[str, float]] = []
    seen = dict.fromkeys(("rows", "duplicate", "contradictory"), 0)
    found: dict[int, float] = {}
    row, given_labels = 0, 0

    def fate(id: str, value: float) -> bool:
        place = answers.get(id)
        if place is None:
            return False
        kind = "rows" if place not in labels else "duplicate" if labels[place] == value else "contradictory"
        seen[kind] += 1
        labels.setdefault(place, value)
        expected.setdefault(place, value)
        return True

    def take(result: JoinResult) -> None:
        joined = result.joined.to_pydict()
        for place, value in zip(joined.get("p", ()), joined.get("label", ()), strict=True):
            assert int(place) not in found
            found[int(place)] = value

    for step, (kind, what) in enumerate(steps):
        now_s = NOON + step
        if kind == "answer" and what:
            sizes = [size for _, size in what]
            remember(feedback, [f"r{id}" for id, _ in what], sizes, begin=row)
            fresh: dict[str, int] = {}
            for id, size in what:
                for within in range(size):
                    fresh[f"r{id}/{within}" if size > 1 else f"r{id}"] = row
                    row += 1
            answers |= fresh
            # Labels that wait are joined with this answer, however it is covered by a later one.
            feedback_tick = feedback.tick(now_s)
            take(feedback_tick)
            waiting = [each for each in waiting if not fate(*each)]
        elif kind == "label" and what:
            ids = [f"r{id}/{within}" if within >= 0 else f"r{id}" for id, within, _ in what]
            values = [float(value) for _, _, value in what]
            given_labels += len(ids)
            take(feedback.join(ids, values, now_s=now_s))
            waiting += [each for each in zip(ids, values, strict=True) if not fate(*each)]
        elif kind == "tick":
            take(feedback.tick(now_s))
    take(feedback.tick(NOON + 1000))
    assert found == expected
    status = feedback.status()
    assert (status.joined, status.duplicate, status.contradictory) == tuple(seen.values())
    assert status.joined + status.duplicate + status.contradictory + status.unknown == given_labels


def test_many_threads() -> None:
    feedback = make()
    results: list[JoinResult] = []

    def answer(thread: int) -> None:
        for batch in range(40):
            remember(feedback, [f"{thread}-{batch}-{row}" for row in range(100)])

    def label(thread: int) -> None:
        for batch in range(40):
            ids = [f"{thread}-{batch}-{row}" for row in range(100)]
            results.append(feedback.join(ids, np.ones(100), now_s=NOON + batch))
            results.append(feedback.tick(NOON + batch))

    threads = [threading.Thread(target=work, args=(n,)) for work in (answer, label) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.append(feedback.tick(NOON + 100))
    ids = [id for result in results if result.rows for id in result.joined["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 8000
    assert feedback.status().waiting == 0


def test_rebuilt_from_the_log(tmp_path: Path) -> None:
    log = PredictionLog(LogConfig(directory=str(tmp_path)), "m")
    for batch in range(4):
        columns = {"state": np.array(["MA", "NY", "CA"], object), "x": np.zeros(3)}
        answers = {"p": np.arange(batch * 6.0, batch * 6.0 + 6).reshape(3, 2), "label": np.zeros(3)}
        log.append(batch, NOON + batch, columns, answers, 3, ([f"one-{batch}", f"two-{batch}"], [1, 2]))
        log.append(batch, NOON + batch, columns, answers, 3)
        assert log.flush()
    log.close()
    day = next((tmp_path / "m").glob("[0-9]*"))
    (day / "torn.parquet").write_bytes(b"PAR1 torn")

    feedback = make(slices=("state",), outputs=["p[1]", "label"])
    assert feedback.rebuild(tmp_path / "m") == 24
    result = feedback.join(["one-0", "two-3/1"], [1, 0], now_s=NOON)
    assert set(zip(result.joined["id"].to_pylist(), result.joined["p[1]"].to_pylist(), strict=True)) == {
        ("one-0", 1.0),
        ("two-3/1", 23.0),
    }
    assert set(
        zip(result.joined["version"].to_pylist(), result.joined["state"].to_pylist(), strict=True)
    ) == {
        (0, "MA"),
        (3, "CA"),
    }
    assert result.output("label").to_pylist() == [0.0, 0.0]
    remember(feedback, ["one-0"], outputs={"p": np.zeros((1, 2)), "label": np.ones(1)})
    assert feedback.join(["one-0"], [1], now_s=NOON + 1).rows == 1
    assert make(keep_rows=1).rebuild(tmp_path / "m") == 6
    assert make().rebuild(tmp_path / "nothing") == 0

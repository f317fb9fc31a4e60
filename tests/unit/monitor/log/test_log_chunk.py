"""Chunks hold exactly what they were given, whatever it is and however it lies."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.monitor.log._log import Chunk
from penstock.monitor.log.arrays import plain_columns
from penstock.monitor.log.layout import named_slots, slots_of
from penstock.monitor.log.table import table_of
from penstock.transform import PrefixedText


def prefixed(values: list[bytes]) -> PrefixedText:
    data = b"".join(struct.pack("<I", len(value)) + value for value in values)
    return PrefixedText(np.frombuffer(data, np.uint8), len(values))


def chunk_of(columns: dict[str, Any], outputs: dict[str, Any] | None = None) -> Chunk:
    return Chunk(slots_of(columns, outputs or {}))


def add(chunk: Chunk, columns: dict[str, Any], outputs: dict[str, Any] | None = None, **more: Any) -> int:
    rows = len(next(iter((columns or outputs or {}).values())))
    options = {"version": 1, "time_us": 5, "ids": None, "counts": [rows], "rows": rows} | more
    return chunk.append(columns=columns, outputs=outputs or {}, **options)


def read(chunk: Chunk) -> dict[str, list[Any]]:
    return dict(table_of(chunk, "m", "run-").to_pydict())


@pytest.mark.parametrize("code", ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "e", "f", "d"])
@pytest.mark.parametrize("layout", ["contiguous", "strided", "read-only", "backwards"])
def test_numbers(code: str, layout: str) -> None:
    values = np.array([0, 1, 1, 0, 1], code)
    if layout == "strided":
        values = np.repeat(values, 3)[::3]
    elif layout == "backwards":
        values = values[::-1]
    values.flags.writeable = layout != "read-only"
    chunk = chunk_of({"x": values})
    assert add(chunk, {"x": values}) == 5
    values.flags.writeable = True
    kept = values.copy()
    values[:] = 0  # the chunk has its own
    assert read(chunk)["x"] == kept.tolist()


def test_special_numbers() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1e308, 5e-324, -0.0])
    chunk = chunk_of({"x": values})
    add(chunk, {"x": values})
    assert chunk.values(0).tobytes() == values.tobytes()


def test_matrices_become_columns_and_large_tensors_lists() -> None:
    narrow = np.arange(6, dtype=np.float32).reshape(3, 2)
    wide = np.arange(3 * 300, dtype=np.float64).reshape(3, 300)
    cube = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    one = np.array([[1], [2], [3]])
    columns = {"narrow": narrow[:, ::-1][:, ::-1], "wide": wide, "cube": cube, "one": one}
    chunk = chunk_of(columns)
    assert add(chunk, columns) == 3
    found = read(chunk)
    assert [found["narrow[0]"], found["narrow[1]"]] == narrow.T.tolist()
    assert found["wide"] == wide.tolist()
    assert found["cube"] == cube.reshape(3, 4).tolist()
    assert found["one"] == [1, 2, 3]


def test_rows_of_a_matrix_that_lie_apart() -> None:
    whole = np.arange(40, dtype=np.float32).reshape(10, 4)
    part = whole[::2, :3]
    chunk = chunk_of({"x": part})
    assert add(chunk, {"x": part}) == 5
    assert chunk.values(0).tolist() == part.tolist()
    turned = np.asfortranarray(part)
    assert add(chunk, {"x": turned}) == -1
    assert add(chunk, plain_columns({"x": turned})) == 5
    assert len(chunk) == 10


texts = st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=1, max_size=20)


@given(texts)
def test_texts_as_objects(values: list[str | None]) -> None:
    array = np.array([*values, None], object)[:-1]
    chunk = chunk_of({"x": array})
    assert add(chunk, {"x": array}) == len(values)
    expected = [
        None if value is None else value.encode("utf-8", "backslashreplace").decode() for value in values
    ]
    assert read(chunk)["x"] == expected


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=8), min_size=1, max_size=5))
def test_prefixed_texts_of_any_bytes(batches: list[list[bytes]]) -> None:
    chunk = chunk_of({"x": prefixed([b""])})
    for values in batches:
        assert add(chunk, {"x": prefixed(values)}) == len(values)
    expected = [value.decode("utf-8", "backslashreplace") for values in batches for value in values]
    assert read(chunk)["x"] == expected


@given(st.binary(max_size=60), st.integers(0, 10))
def test_malformed_prefixed_texts_spoil_nothing_else(data: bytes, rows: int) -> None:
    chunk = chunk_of({"x": prefixed([b"a"])})
    add(chunk, {"x": prefixed([b"before"])})
    add(chunk, {"x": PrefixedText(np.frombuffer(data, np.uint8), rows)}, rows=rows, counts=[rows])
    add(chunk, {"x": prefixed([b"after"])})
    found = read(chunk)["x"]
    assert [found[0], found[-1], len(found)] == ["before", "after", rows + 2]


def test_long_texts_are_cut_at_a_character() -> None:
    chunk = chunk_of({"x": np.array([""], object)})
    add(chunk, {"x": np.array(["é" * 2**20], object)})
    add(chunk, {"x": prefixed([b"a" + "é".encode() * 2**20])})
    assert chunk.size_bytes < 2**14
    assert read(chunk)["x"] == ["é" * 2048, "a" + "é" * 2047]


def test_objects_that_are_no_text_are_missing() -> None:
    values = np.array(["a", None, np.nan, 3, b"\xff", "b"], object)
    chunk = chunk_of({"x": values})
    add(chunk, {"x": values})
    assert read(chunk)["x"] == ["a", None, None, None, "\\xff", "b"]


def test_ids_of_requests_and_of_rows() -> None:
    chunk = chunk_of({"x": np.zeros(1)})
    add(chunk, {"x": np.arange(6.0)}, ids=["one", "", "many"], counts=[1, 2, 3], number=7)
    add(chunk, {"x": np.arange(2.0)}, number=10)
    found = read(chunk)
    assert found["id"] == [
        "one", "run-8/0", "run-8/1", "many/0", "many/1", "many/2", "run-10/0", "run-10/1",
    ]  # fmt: skip
    assert found["row"] == [0, 0, 1, 0, 1, 2, 0, 1]
    assert found["version"] == [1] * 8
    assert found["model"] == ["m"] * 8
    assert [moment.microsecond for moment in found["time"]] == [5] * 8


def test_ids_of_any_kind_are_bounded_and_text() -> None:
    chunk = chunk_of({"x": np.zeros(1)})
    ids = ["é" * 2**20, "é" * 2**20 + "b", "\udcff", "x" * 256]
    add(chunk, {"x": np.zeros(4)}, ids=ids, counts=[1] * 4)
    found = read(chunk)["id"]
    assert len(set(found)) == 4
    assert all(len(id.encode()) <= 256 for id in found)
    assert found[0].startswith("é" * 119 + "~")
    assert found[2:] == ["\\udcff", "x" * 256]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12),
    st.data(),
)
def test_only_chosen_requests_and_doubtful_rows(
    requests: list[tuple[int, bool]], data: st.DataObject
) -> None:
    counts = [count for count, _ in requests]
    rows = sum(counts)
    doubtful = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.uint8)
    values = np.arange(rows, dtype=np.float32)
    matrix = np.stack([values, values], axis=1)
    names = prefixed([f"{row}".encode() for row in range(rows)])
    columns = {"x": values, "m": matrix, "s": names}
    ids = [f"id{index}" for index in range(len(counts))]
    chunk = Chunk(slots_of({"x": np.zeros(1, np.float32), "m": np.zeros((1, 2), np.float32), "s": names}, {}))
    # No hash is at most 0: only the second choice is left.
    kept = chunk.append(
        1, 0, columns, {}, ids, counts, rows, share=0, doubtful=doubtful, doubtful_share=2**64 - 1
    )
    expected = np.flatnonzero(doubtful).tolist()
    assert kept == len(expected)
    found = read(chunk)
    assert found["x"] == found["m[1]"] == expected
    assert found["s"] == [str(row) for row in expected]
    places = [(index, row) for index, count in enumerate(counts) for row in range(count)]
    for row, id, within in zip(expected, found["id"], found["row"], strict=True):
        index, place = places[row]
        assert (id, within) == (f"id{index}/{place}" if counts[index] > 1 else f"id{index}", place)


def test_share_is_of_ids_and_always_the_same() -> None:
    ids = [f"request-{index}" for index in range(20_000)]
    values = np.zeros(len(ids))
    kept = []
    for _ in range(2):
        chunk = chunk_of({"x": values})
        add(chunk, {"x": values}, ids=ids, counts=[1] * len(ids), share=int(0.1 * 2**64))
        kept.append(read(chunk)["id"])
    assert kept[0] == kept[1]
    assert abs(len(kept[0]) - 2000) < 4 * (20_000 * 0.09) ** 0.5


def test_another_layout_changes_nothing() -> None:
    columns = {"x": np.zeros(2, np.float32), "s": np.array(["a", "b"], object)}
    chunk = chunk_of(columns)
    add(chunk, columns)
    for other in (
        {"x": np.zeros(2)},
        {"x": np.zeros((2, 2), np.float32)},
        {"x": np.zeros(3, np.float32)},
        {"x": np.zeros(2, ">f4")},
        {"x": [0.0, 0.0]},
        {"s": np.zeros(2)},
        {"s": PrefixedText(b"", 2)},
    ):
        assert chunk.append(1, 0, columns | other, {}, None, [2], 2) == -1
    assert chunk.append(1, 0, {"x": columns["x"]}, {}, None, [2], 2) == -1
    assert len(chunk) == chunk.requests * 2 == 2
    assert read(chunk)["s"] == ["a", "b"]


def test_what_does_not_fit_together_is_refused_whole() -> None:
    columns = {"x": np.zeros(3)}
    chunk = chunk_of(columns)
    for ids, counts in ((["a"], [1, 2]), (["a"], [2]), (["a"], [4]), (["a", "b"], [4, -1])):
        with pytest.raises(ConfigError, match="expected"):
            add(chunk, columns, ids=ids, counts=counts)
    with pytest.raises(TypeError):
        add(chunk, columns, ids=[7], counts=[3])
    assert len(chunk) == chunk.requests == 0
    assert add(chunk, columns) == 3


def test_no_room() -> None:
    columns = {"x": np.zeros(3)}
    chunk = chunk_of(columns)
    assert add(chunk, columns, room=2) == 0
    assert (chunk.refused, len(chunk)) == (3, 0)
    assert add(chunk, columns, room=3) == 3
    assert chunk.refused == 0


def test_cleared_chunks_are_as_new() -> None:
    columns = {"x": np.arange(3.0), "s": np.array(["a", None, "c"], object)}
    chunk = chunk_of(columns)
    add(chunk, columns, ids=["a"], counts=[3])
    first = read(chunk)
    chunk.clear()
    assert (len(chunk), chunk.requests) == (0, 0)
    add(chunk, columns, ids=["a"], counts=[3])
    assert read(chunk) == first


def test_slots_by_name() -> None:
    columns = {"state": np.array(["a"], object), "x": np.zeros((1, 3)), "y": np.zeros(1)}
    outputs = {"p": np.zeros((1, 2), np.float32), "y": np.ones(1)}
    wanted = ["p[1]", "state", "x[2]", "y", "x", "x[3]", "z", "p[-1]"]
    slots = named_slots(wanted, columns, outputs)
    assert [(slot.names[0], slot.tensor, slot.output, slot.column) for slot in slots] == [
        ("p[1]", "p", True, 1), ("state", "state", False, -1), ("x[2]", "x", False, 2), ("y", "y", False, -1),
    ]  # fmt: skip
    chunk = Chunk(slots)
    columns["x"] = np.array([[1.0, 2.0, 3.0]])
    outputs["p"] = np.array([[4.0, 5.0]], np.float32)
    assert chunk.append(1, 0, columns, outputs, None, [1], 1) == 1
    assert [read(chunk)[name] for name in ("p[1]", "x[2]", "state")] == [[5.0], [3.0], ["a"]]


def test_names_that_are_taken() -> None:
    slots = slots_of({"id": np.zeros(1), "x": np.zeros(1)}, {"x": np.zeros(1), "time": np.zeros(1)})
    assert [slot.names[0] for slot in slots] == ["input.id", "x", "output.x", "output.time"]


def test_columns_as_callers_have_them() -> None:
    table = pa.table({
        "n": [1, 2, None], "s": ["a", None, "c"], "d": pa.array(["u", "v", "u"]).dictionary_encode(),
        "t": pa.array([1, 2, 3], pa.timestamp("ms")), "b": [True, False, True],
    })  # fmt: skip
    for data in (table, table.to_batches()[0], table.to_pandas(), {n: table[n] for n in table.column_names}):
        plain = plain_columns(data)
        chunk = chunk_of(plain)
        assert add(chunk, plain) == 3
        found = read(chunk)
        assert found["s"] == ["a", None, "c"]
        assert found["d"] == ["u", "v", "u"]
        assert found["t"] == [1000, 2000, 3000]
        assert found["b"] == [True, False, True]
        assert found["n"][:2] == [1.0, 2.0]
        assert np.isnan(found["n"][2])
    plain = plain_columns({"u": ["a", "b"], "l": [1, None], "w": np.array([1, 2], ">i4"), "s": [b"x", "y"]})
    assert {name: values.dtype.str for name, values in plain.items()} == {
        "u": "|O", "l": "<f8", "w": "<i4", "s": "|O",
    }  # fmt: skip
    assert plain_columns(np.zeros((2, 2)))["input"].shape == (2, 2)

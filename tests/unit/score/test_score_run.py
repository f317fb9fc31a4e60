"""Runs in this process: formats, columns, units, resuming, refusals."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scoring import FEATURES, expected, found, make_table, manifest, publish, read_output, write

import penstock as ps
from penstock.errors import ConfigError, ModelNotFoundError, ScoreError
from penstock.score.progress import Progress

COLUMNS = {"x": FEATURES}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return publish(tmp_path / "models")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def score(model: Path, inputs: Any, out: Path, **options: Any) -> Any:
    options.setdefault("columns", COLUMNS)
    options.setdefault("keep", ["id"])
    return ps.score(model, inputs, out=out, **options)


class TestFormats:
    @pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "csv"])
    @pytest.mark.parametrize("threads", [1, 3])
    def test_every_input_format(
        self, suffix: str, threads: int, tmp_path: Path, model: Path, out: Path
    ) -> None:
        table = make_table(5_500)
        path = write(tmp_path / f"in.{suffix}", table, row_group=700)
        report = score(model, [path], out, batch_rows=256, unit_rows=1024, threads=threads)
        assert (report.rows, report.rows_scored, report.failed) == (5_500, 5_500, ())
        assert report.units > 1
        assert found(out) == expected(table)

    @pytest.mark.parametrize("format", ["parquet", "arrow"])
    @pytest.mark.parametrize("compression", ["zstd", "lz4", "none"])
    def test_every_output_format(
        self, format: str, compression: str, tmp_path: Path, model: Path, out: Path
    ) -> None:
        table = make_table(3_000)
        path = write(tmp_path / "in.parquet", table)
        score(model, path, out, format=format, compression=compression, batch_rows=500)
        assert found(out, format) == expected(table)

    def test_default_batches_run_in_slices(
        self, tmp_path: Path, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("penstock.score.scorer._RUN_BYTES", 1)
        table = make_table(20_000)
        path = write(tmp_path / "in.parquet", table)
        score(model, path, out)
        assert found(out) == expected(table)

    def test_ids_of_any_order_and_size(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(2_000)
        wide = np.random.default_rng(3).integers(-(2**63), 2**63 - 1, len(table))
        wide[:2] = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        some = pa.array([None if number % 7 == 0 else number for number in range(len(table))], pa.int32())
        table = table.append_column("wide", pa.array(wide)).append_column("a.b", some)
        path = write(tmp_path / "in.parquet", table)
        score(model, path, out, keep=["id", "wide", "a.b"])
        kept = read_output(out).sort_by("id").select(["wide", "a.b"]).combine_chunks()
        assert kept.equals(table.sort_by("id").select(["wide", "a.b"]).combine_chunks())

    def test_content_counts_more_than_the_name(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(10)
        write(tmp_path / "a.parquet", table).rename(tmp_path / "a.arrow")
        write(tmp_path / "b.arrow", table).rename(tmp_path / "b")
        score(model, [tmp_path / "a.arrow", tmp_path / "b"], out)
        assert found(out) == expected(table, table)

    def test_compressed_csv(self, tmp_path: Path, model: Path, out: Path) -> None:
        import gzip

        table = make_table(300)
        path = write(tmp_path / "in.csv", table)
        (tmp_path / "in.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        score(model, tmp_path / "in.csv.gz", out)
        assert found(out) == expected(table)

    def test_csv_columns_whose_type_shows_late(self, tmp_path: Path, model: Path, out: Path) -> None:
        rows = [f"{i},,1,2,3,4" for i in range(200_000)] + ["200000,late,1.5,2.5,3.5,4.5"]
        (tmp_path / "in.csv").write_text("id,note,x0,x1,x2,x3\n" + "\n".join(rows) + "\n")
        score(model, tmp_path / "in.csv", out, keep=["id", "note"])
        table = read_output(out).sort_by("id")
        assert table["note"][-1].as_py() == "late"
        assert table["y"][-1].as_py() == models.affine_of(np.array([[1.5, 2.5, 3.5, 4.5]])).tolist()[0]

    def test_row_groups_and_batches_of_odd_sizes(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(997)
        path = write(tmp_path / "in.parquet", table, row_group=10)
        report = score(model, path, out, batch_rows=64, unit_rows=128)
        assert report.units == 9  # 12 row groups of 10 rows each stay within 128
        assert found(out) == expected(table)

    @pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
    def test_no_rows(self, suffix: str, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / f"in.{suffix}", make_table(0))
        report = score(model, path, out)
        assert (report.rows, report.failed) == (0, ())
        table = read_output(out)
        assert table.schema.names == ["id", "y"]
        assert (out / "_SUCCESS").exists()

    def test_units_of_a_stream_that_end_with_it(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(512)
        path = write(tmp_path / "in.arrows", table, row_group=100)
        report = score(model, path, out, batch_rows=64, unit_rows=256)
        assert report.units == 2
        assert found(out) == expected(table)


class TestColumns:
    def test_kept_columns_are_unchanged(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(2_000)
        schema = table.schema.set(0, table.schema.field("id").with_metadata({"unit": "person"}))
        path = write(tmp_path / "in.parquet", table.cast(schema))
        keep = ["word", "id", "when", "parts"]
        score(model, path, out, keep=keep, batch_rows=300)
        got = pq.read_table(next(out.glob("part-*.parquet")))
        assert got.schema.names == [*keep, "y"]
        assert got.select(keep).cast(table.select(keep).schema).equals(table.select(keep))
        for name in keep:
            assert got.schema.field(name).type == table.schema.field(name).type
        assert got.schema.field("id").metadata[b"unit"] == b"person"
        assert got.schema.metadata[b"origin"] == b"tests"

    def test_dictionaries_that_change_within_a_file(self, tmp_path: Path, model: Path, out: Path) -> None:
        tables = [make_table(100, first) for first in (0, 100, 200)]
        words = [["a", None, "b"], ["b", "c", None], ["z", "a", "q"]]
        tables = [
            table.set_column(
                table.schema.get_field_index("word"), "word",
                pa.array([own[i % 3] for i in range(100)]).dictionary_encode(),
            )
            for table, own in zip(tables, words, strict=True)
        ]  # fmt: skip
        whole = pa.concat_tables(tables)
        with (
            pa.OSFile(str(tmp_path / "in.arrows"), "wb") as sink,
            pa.ipc.new_stream(sink, whole.schema) as writer,
        ):
            for table in tables:
                writer.write_table(table)
        score(model, tmp_path / "in.arrows", out, keep=["id", "word"], format="arrow", batch_rows=64)
        got = read_output(out, "arrow")
        assert got["word"].to_pylist() == [own[i % 3] for own in words for i in range(100)]
        assert got["word"].type == whole["word"].type

    def test_numeric_columns_fill_the_matrix_when_no_name_does(
        self, tmp_path: Path, model: Path, out: Path
    ) -> None:
        table = make_table(50)
        path = write(tmp_path / "in.parquet", table)
        score(model, path, out, columns=None)
        assert found(out) == expected(table)

    def test_list_column_fills_the_matrix(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(50)
        x = np.stack([table[name].to_numpy() for name in FEATURES], axis=1)
        column = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 4)
        pq.write_table(pa.table({"x": column, "id": table["id"]}), tmp_path / "in.parquet")
        score(model, tmp_path / "in.parquet", out, columns=None)
        assert found(out) == expected(table)

    def test_other_number_types_and_nulls(self, tmp_path: Path, model: Path, out: Path) -> None:
        x = {
            "x0": pa.array([1, None], pa.int64()),
            "x1": pa.array([1.5, 2.0], pa.float64()),
            "x2": pa.array([True, False]),
            "x3": pa.array([4, 5], pa.uint8()),
        }
        pq.write_table(pa.table({"id": [1, 2], **x}), tmp_path / "in.parquet")
        score(model, tmp_path / "in.parquet", out)
        rows = dict(zip(*read_output(out).to_pydict().values(), strict=True))
        assert rows[1] == models.affine_of(np.array([[1, 1.5, 1, 4]])).tolist()[0]
        assert np.isnan(rows[2]).all()

    def test_inputs_by_name_of_several_types(self, tmp_path: Path, out: Path) -> None:
        model = models.publish(tmp_path / "models", "several", 1, models.several)
        a = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2.0, 3.0, 4.0]), 2)
        table = pa.table({"a": a, "count": pa.array([10, 20], pa.int32()), "s": ["één", "zwei"]})
        pq.write_table(table, tmp_path / "in.parquet")
        ps.score(model, tmp_path / "in.parquet", out, columns={"b": ["count"]}, keep=["s"])
        got = read_output(out).to_pydict()
        assert got == {
            "s": ["één", "zwei"],
            "total": [[11.0, 12.0], [23.0, 24.0]],
            "next": [11, 21],
            "text": ["één", "zwei"],
        }

    def test_outputs_by_index_and_name(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(20)
        path = write(tmp_path / "in.parquet", table)
        score(model, path, out, outputs=["y[1]=high", "y[0]"], keep=[])
        got = read_output(out)
        assert got.schema.names == ["high", "y[0]"]
        assert got.schema.field("high").type == pa.float32()
        scores = [list(scores) for (_, scores) in expected(table)]
        assert sorted(map(list, zip(*got.to_pydict().values(), strict=True))) == sorted(
            [high, low] for low, high in scores
        )

    def test_pandas_reads_the_output(self, tmp_path: Path, model: Path, out: Path) -> None:
        pandas = pytest.importorskip("pandas")
        path = tmp_path / "in.parquet"
        frame = make_table(30).select(["id", *FEATURES]).to_pandas().sample(frac=1, random_state=0)
        frame.set_index("id").to_parquet(path)
        score(model, path, out)
        assert pandas.read_parquet(out).index.tolist() == frame["id"].tolist()


class TestTransform:
    def test_raw_columns_go_through_the_transform(self, tmp_path: Path, out: Path) -> None:
        from penstock.transform import Column, Operation, Output, Spec, Transform

        categories = {"cat.categories": pa.array(["no", "yes"]), "cat.columns": pa.array([0, 1], pa.int32())}
        encode = Operation(
            op="one_hot", inputs=("word",), outputs=("no", "yes"),
            parameters={"dtype": "float64", "widths": [2], "unknown": [-1], "missing": [-1]},
            arrays={"categories0": "cat.categories", "columns0": "cat.columns"},
        )  # fmt: skip
        transform = Transform(
            Spec(
                columns=(Column(name="a", type="float32"), Column(name="b", type="float32"),
                         Column(name="word", type="string")),
                operations=(encode,),
                outputs=(Output(name="x", dtype="float32", values=("a", "b", "no", "yes")),),
                arrays=categories,
            )
        )  # fmt: skip
        graph = models.affine(tmp_path / "affine.onnx")
        reference = pa.table(
            {"a": pa.array([1, 2], pa.float32()), "b": pa.array([3, 4], pa.float32()), "word": ["no", "yes"]}
        )
        repository = tmp_path / "models"
        ps.pack("raw", model=graph, transform=transform, reference=reference, repository=repository)
        table = pa.table(
            {
                "word": pa.array(["yes", None, "maybe", "no"] * 100).dictionary_encode(),
                "b": pa.array(range(400), pa.float32()),
                "a": pa.array(range(400), pa.float32()),
                "id": range(400),
            }
        )
        pq.write_table(table, tmp_path / "in.parquet")
        ps.score(repository / "raw", tmp_path / "in.parquet", out, keep=["id", "word"], batch_rows=33)
        got = read_output(out).sort_by("id")
        x = transform.transform(table)
        assert got["y"].to_pylist() == models.affine_of(x).tolist()
        with ps.Engine(repository) as engine:
            assert got["y"].to_pylist() == engine.predict("raw", table)["y"].tolist()
        assert manifest(out)["model"]["transform"] == transform.digest


class TestManifest:
    def test_names_everything(self, tmp_path: Path, model: Path, out: Path) -> None:
        import hashlib

        path = write(tmp_path / "in.parquet", make_table(3_000))
        score(model, path, out, batch_rows=500, unit_rows=1000)
        told = manifest(out)
        (entry,) = told["inputs"]
        assert entry["path"] == str(path)
        assert entry["size"] == path.stat().st_size
        assert entry["modified_ns"] == path.stat().st_mtime_ns
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["rows"] == told["rows"] == sum(unit["rows"] for unit in told["units"]) == 3_000
        assert told["model"]["name"] == "affine"
        assert len(told["model"]["digest"]) == 64
        assert {"penstock", "onnxruntime", "pyarrow", "numpy", "python"} <= set(told["versions"])
        assert told["options"]["columns"] == {"x": FEATURES}
        assert told["complete"]
        for unit in told["units"]:
            data = (out / unit["file"]).read_bytes()
            assert (unit["size"], unit["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())

    def test_same_run_elsewhere_writes_the_same_files(self, tmp_path: Path, model: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(3_000))
        for name, threads in (("one", 1), ("two", 4)):
            score(model, path, tmp_path / name, batch_rows=100, unit_rows=1000, threads=threads)
        one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).glob("part-*")} for n in ("one", "two"))
        assert one == two


class TestResume:
    def test_done_units_are_not_scored_again(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(4_000)
        path = write(tmp_path / "in.parquet", table)
        options = {"batch_rows": 500, "unit_rows": 1000}
        score(model, path, out, **options)
        gone, *kept = sorted(out.glob("part-*"))
        before = {part: part.stat().st_mtime_ns for part in kept}
        gone.unlink()
        report = score(model, path, out, **options)
        assert (report.rows, report.rows_scored, report.units_scored) == (4_000, 1_000, 1)
        assert {part: part.stat().st_mtime_ns for part in kept} == before
        assert found(out) == expected(table)
        assert score(model, path, out, **options).units_scored == 0

    @pytest.mark.parametrize("suffix", ["arrows", "csv"])
    def test_in_the_middle_of_a_stream(self, suffix: str, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(1_000)
        path = write(tmp_path / f"in.{suffix}", table)
        options = {"batch_rows": 50, "unit_rows": 100}
        score(model, path, out, **options)
        for part in sorted(out.glob("part-*"))[::3]:
            part.unlink()
        (out / "_SUCCESS").unlink()
        assert score(model, path, out, **options).units_scored == 4
        assert found(out) == expected(table)

    def test_leftovers_and_torn_entries_do_not_count(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(2_000)
        path = write(tmp_path / "in.parquet", table)
        options = {"batch_rows": 500, "unit_rows": 1000}
        score(model, path, out, **options)
        (out / "_run" / "aside").mkdir(exist_ok=True)
        (out / "_run" / "aside" / "1-left").write_bytes(b"torn")
        entry = next((out / "_run" / "units").iterdir())
        entry.write_bytes(entry.read_bytes()[:20])
        (out / "_SUCCESS").unlink()
        assert score(model, path, out, **options).units_scored == 1
        assert not list((out / "_run").glob("aside/*"))
        assert found(out) == expected(table)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"keep": []}, "keep was id, is none"),
            ({"outputs": ["y[0]"]}, "outputs was none, is y[0]"),
            ({"format": "arrow"}, "format was parquet, is arrow"),
            ({"batch_rows": 7}, "batch_rows was 8192, is 7"),
            ({"columns": {"x": FEATURES[::-1]}}, "columns was x=x0,x1,x2,x3, is x=x3,x2,x1,x0"),
        ],
    )
    def test_other_options_are_refused(
        self, options: dict[str, Any], message: str, tmp_path: Path, model: Path, out: Path
    ) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        score(model, path, out)
        with pytest.raises(ConfigError, match="holds the output of another run") as refusal:
            score(model, path, out, **options)
        assert message in str(refusal.value)

    def test_other_inputs_and_models_are_refused(self, tmp_path: Path, model: Path, out: Path) -> None:
        a, b = (write(tmp_path / "in" / f"{name}.parquet", make_table(10)) for name in "ab")
        score(model, [a], out)
        with pytest.raises(ConfigError, match=f"the input {b} is new"):
            score(model, tmp_path / "in", out)
        with pytest.raises(ConfigError, match=f"the input {a} is no longer among the inputs"):
            score(model, b, out)
        models.publish(model.parent, "affine", 2, models.affine, bias=1.0)
        with pytest.raises(ConfigError, match="affine version 1, is affine version 2"):
            score(model, a, out)
        assert score(model, a, out, version=1).units_scored == 0

    def test_a_changed_input_is_refused_by_name(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        score(model, path, out)
        write(path, make_table(11))
        with pytest.raises(ConfigError, match=f"the input {path} changed: its size in bytes was"):
            score(model, path, out)

    def test_a_change_that_keeps_size_and_time_is_seen(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.csv", make_table(10))
        score(model, path, out)
        state = path.stat()
        path.write_bytes(path.read_bytes().replace(b"0,", b"1,", 1))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        with pytest.raises(ConfigError, match="its content changed"):
            score(model, path, out)

    def test_two_runs_at_once_are_refused(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        from penstock.score.folder import Folder
        from penstock.score.location import locate

        folder = Folder(locate(out))
        folder.open()
        with pytest.raises(ConfigError, match="another run writes to it now"):
            score(model, path, out)
        folder.close()
        assert score(model, path, out).rows == 10

    def test_a_directory_with_other_files_is_refused(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        write(out / "mine.parquet", make_table(1))
        with pytest.raises(ConfigError, match=r'found "mine\.parquet"'):
            score(model, path, out)


class TestBadInputs:
    def damaged(self, folder: Path) -> list[Path]:
        """Write one file of each kind of damage beside good ones."""
        table = make_table(1_000)
        good = write(folder / "good.parquet", table)
        data = good.read_bytes()
        bad = {
            "cut.parquet": data[: len(data) // 2],
            "empty.parquet": b"",
            "empty.csv": b"",
            "garbage.parquet": b"PAR1" + b"\xff" * 100 + b"PAR1",
        }
        for name, content in bad.items():
            (folder / name).write_bytes(content)
        write(folder / "other.parquet", table.drop_columns(["x2"]))
        write(folder / "text.parquet", table.set_column(1, "x0", table["word"].cast(pa.string())))
        write(folder / "types.parquet", table.set_column(0, "id", table["id"].cast(pa.string())))
        duplicate = pa.Table.from_arrays([*table.columns, table["x1"]], [*table.schema.names, "x1"])
        pq.write_table(duplicate, folder / "twice.parquet")
        return sorted(path for path in folder.iterdir() if path != good)

    def test_skip_goes_on_and_names_them(self, tmp_path: Path, model: Path, out: Path) -> None:
        bad = self.damaged(tmp_path / "in")
        report = score(model, tmp_path / "in", out, on_error="skip")
        assert sorted(failure.input for failure in report.failed) == [str(path) for path in bad]
        messages = {Path(failure.input).name: failure.message for failure in report.failed}
        assert 'missing column "x2"' in messages["other.parquet"]
        assert 'column "x0"' in messages["text.parquet"]
        assert 'column "id": expected int64 as in the other files' in messages["types.parquet"]
        assert '2 columns called "x1"' in messages["twice.parquet"]
        assert "an empty file" in messages["empty.parquet"]
        assert found(out) == expected(make_table(1_000))
        told = manifest(out)
        assert not told["complete"]
        assert [failure["input"] for failure in told["failed"]] == [f.input for f in report.failed]
        assert not (out / "_SUCCESS").exists()

    @pytest.mark.parametrize("name", ["cut.parquet", "other.parquet", "types.parquet"])
    def test_stop_names_the_file(self, name: str, tmp_path: Path, model: Path, out: Path) -> None:
        self.damaged(tmp_path / "in")
        inputs = [tmp_path / "in" / "good.parquet", tmp_path / "in" / name]
        with pytest.raises(ScoreError, match=name):
            score(model, inputs, out)
        assert not (out / "_SUCCESS").exists()

    def test_damage_within_a_file_costs_one_unit(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(4_000)
        path = write(tmp_path / "in.parquet", table, compression="none", use_dictionary=False)
        group = pq.ParquetFile(path).metadata.row_group(2).column(1)
        data = bytearray(path.read_bytes())
        data[group.data_page_offset : group.data_page_offset + 16] = b"\xff" * 16
        path.write_bytes(data)
        report = score(model, path, out, batch_rows=500, unit_rows=1000, on_error="skip")
        (failure,) = report.failed
        assert (failure.unit.begin, failure.unit.end) == (2, 3)
        assert report.rows == 3_000
        assert found(out) == expected(table.slice(0, 2_000), table.slice(3_000))

    @pytest.mark.parametrize("suffix", [".arrow", ".arrows"])
    def test_an_arrow_file_whose_offsets_lie(
        self, suffix: str, tmp_path: Path, model: Path, out: Path
    ) -> None:
        offsets = pa.py_buffer(np.array([0, 2**30, 3, 6], "i4"))
        text = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"abcdef"))
        table = make_table(3).select(["id", *FEATURES]).append_column("text", text)
        path = write(tmp_path / f"in{suffix}", table)
        with pytest.raises(ScoreError, match=rf"in{suffix}.*[Oo]ffset"):
            score(model, path, out, keep=["id", "text"])
        assert not (out / "_SUCCESS").exists()

    def test_bad_values_cost_one_unit(self, tmp_path: Path, out: Path) -> None:
        model = models.publish(tmp_path / "models", "lookup", 1, models.lookup)
        pq.write_table(pa.table({"x": [0, 1, 2, 99, 3, 1]}), tmp_path / "in.parquet", row_group_size=2)
        report = ps.score(
            model, tmp_path / "in.parquet", out, keep=["x"], batch_rows=2, unit_rows=2, on_error="skip"
        )
        assert [failure.unit.begin for failure in report.failed] == [1]
        assert read_output(out).sort_by("x").to_pydict() == {"x": [0, 1, 1, 3], "y": [10, 20, 20, 40]}

    def test_nulls_where_none_may_be(self, tmp_path: Path, out: Path) -> None:
        model = models.publish(tmp_path / "models", "lookup", 1, models.lookup)
        pq.write_table(pa.table({"x": pa.array([0, None])}), tmp_path / "in.parquet")
        with pytest.raises(ScoreError, match=r'in\.parquet.*input "x": expected no nulls'):
            ps.score(model, tmp_path / "in.parquet", out)

    @pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
    def test_nulls_cost_one_unit(self, suffix: str, tmp_path: Path, out: Path) -> None:
        model = models.publish(tmp_path / "models", "lookup", 1, models.lookup)
        table = pa.table({"x": pa.array([0, 1, 2, None, 3, 1])})
        path = write(tmp_path / f"in.{suffix}", table, row_group=2)
        report = ps.score(model, path, out, keep=["x"], batch_rows=1, unit_rows=2, on_error="skip")
        assert [failure.message[:9] for failure in report.failed] == ['input "x"']
        assert read_output(out).sort_by("x").to_pydict() == {"x": [0, 1, 1, 3], "y": [10, 20, 20, 40]}

    def test_csv_that_breaks_half_way(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(100_000)
        path = write(tmp_path / "in.csv", table)
        with path.open("a") as file:
            file.write("1,2,3\n")
        report = score(model, path, out, batch_rows=1000, unit_rows=1000, on_error="skip")
        (failure,) = report.failed
        assert "Expected 5 columns, got 3" in failure.message
        assert 0 < report.rows <= 100_000
        assert all(count == 1 for count in found(out).values())

    def test_a_repaired_run_goes_on(self, tmp_path: Path, model: Path, out: Path) -> None:
        """What failed for the run, not for its inputs, is tried again."""
        table = make_table(1_000)
        path = write(tmp_path / "in.parquet", table)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read every file")
        with pytest.raises(ScoreError):
            score(model, path, out)
        path.chmod(0o600)
        score(model, path, out)
        assert found(out) == expected(table)

    def test_an_input_that_changes_meanwhile(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(20_000))
        from penstock.score.flow import Flow
        from penstock.score.job import Job
        from penstock.score.score import make_options

        with Job(model, [path], out, make_options(["id"], COLUMNS)) as job:
            path.touch()
            Flow(job.scorer, job.folder, job.writing, 1, False).run(job.tasks, job.done, job.fail)
            assert [failure.message for failure in job.failed] == ["the file changed while the run went on"]


class TestCall:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"on_error": "ignore"}, 'expected "stop" or "skip"'),
            ({"threads": 0}, "threads"),
            ({"batch_rows": 0}, "batch_rows"),
            ({"unit_rows": -1}, "unit_rows"),
            ({"format": "orc"}, "format"),
            ({"compression": "rar"}, "compression"),
            ({"format": "arrow", "compression": "gzip"}, "compression"),
            ({"keep": "id"}, "keep"),
            ({"keep": ["id", "id"]}, 'column "id" is named more than once'),
            ({"columns": {"z": FEATURES}}, 'unknown input "z"'),
            ({"columns": {"x": "x0"}}, "list of column names"),
            ({"outputs": ["z"]}, 'unknown output "z"'),
            ({"outputs": ["y[2]"]}, "has no column 2"),
            ({"outputs": ["y", "y"]}, "more than once"),
            ({"outputs": ["y[0]=id"]}, 'column "id" is kept and is an output'),
        ],
    )
    def test_wrong_options(
        self, options: dict[str, Any], message: str, tmp_path: Path, model: Path, out: Path
    ) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        with pytest.raises(ConfigError) as refusal:
            score(model, path, out, **options)
        assert message in str(refusal.value)
        assert not out.exists()

    def test_inputs_that_are_not_there(self, tmp_path: Path, model: Path, out: Path) -> None:
        for inputs in ([], tmp_path / "no.parquet", str(tmp_path / "*.parquet"), "nowhere://a/b"):
            with pytest.raises(ConfigError):
                score(model, inputs, out)

    def test_models_that_are_not_there(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        for directory in (tmp_path / "no", tmp_path):
            with pytest.raises(ConfigError):
                score(directory, path, out)
        with pytest.raises(ModelNotFoundError):
            score(model, path, out, version=9)
        with pytest.raises(ConfigError, match="expected version 2"):
            score(model / "1", path, out, version=2)

    def test_a_version_directory_and_a_model_directory(self, tmp_path: Path, model: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(10))
        models.publish(model.parent, "affine", 12, models.affine, bias=1.0)
        score(model, path, tmp_path / "highest")
        score(model / "1", path, tmp_path / "given")
        assert manifest(tmp_path / "highest")["model"]["version"] == 12
        assert manifest(tmp_path / "given")["model"]["version"] == 1

    def test_a_model_without_rows(self, tmp_path: Path, out: Path) -> None:
        model = models.publish(tmp_path / "models", "unbatched", 1, models.unbatched)
        path = write(tmp_path / "in.parquet", make_table(10))
        with pytest.raises(ConfigError, match="takes no rows"):
            ps.score(model, path, out)

    def test_output_below_the_inputs(self, tmp_path: Path, model: Path) -> None:
        path = write(tmp_path / "in" / "a.parquet", make_table(10))
        score(model, path.parent, tmp_path / "in" / "out")
        with pytest.raises(ConfigError, match="outside of the output"):
            score(model, path.parent, tmp_path / "in" / "out")

    def test_progress_is_told(self, tmp_path: Path, model: Path, out: Path) -> None:
        path = write(tmp_path / "in.parquet", make_table(200_000))
        told: list[Progress] = []
        score(model, path, out, batch_rows=64, progress=told.append)
        assert all(progress.rows_in_all == 200_000 for progress in told)
        assert [p.rows for p in told] == sorted(p.rows for p in told)

    def test_the_module_is_the_function(self) -> None:
        import penstock.score

        assert ps.score is penstock.score
        assert callable(ps.score)
        assert ps.score.Report.__name__ == "Report"


class TestFileSystems:
    def test_uris_of_local_files(self, tmp_path: Path, model: Path, out: Path) -> None:
        table = make_table(10)
        path = write(tmp_path / "in" / "a.parquet", table)
        score(model, path.as_uri(), out.as_uri())
        assert found(out) == expected(table)
        assert manifest(out)["inputs"][0]["path"] == str(path)

    def test_another_file_system(self, tmp_path: Path, model: Path) -> None:
        from pyarrow import fs

        root = tmp_path / "store"
        root.mkdir()
        table = make_table(4_000)
        write(root / "in" / "a.parquet", table)
        write(root / "in" / "deep" / "b.arrows", table)
        store = fs.SubTreeFileSystem(str(root), fs.LocalFileSystem())
        options = {"batch_rows": 500, "unit_rows": 1000, "filesystem": store}
        report = score(model, ["in/**/*.*"], "out", **options)  # type: ignore[arg-type]
        assert (report.rows, report.failed) == (8_000, ())
        assert found(root / "out") == expected(table, table)
        assert {entry["path"] for entry in manifest(root / "out")["inputs"]} == {
            "in/a.parquet",
            "in/deep/b.arrows",
        }
        next((root / "out").glob("part-*")).unlink()
        assert score(model, ["in/**/*.*"], "out", **options).units_scored == 1  # type: ignore[arg-type]
        assert found(root / "out") == expected(table, table)

    def test_globs_and_directories(self, tmp_path: Path, model: Path) -> None:
        tables = [make_table(10, first) for first in (0, 10, 20)]
        names = ["a.parquet", "deep/b.parquet", "deep/c[1].parquet"]
        for name, table in zip(names, tables, strict=True):
            write(tmp_path / "in" / name, table)
        write(tmp_path / "in" / "_hidden" / "d.parquet", make_table(10, 30))
        write(tmp_path / "in" / ".e.parquet", make_table(10, 40))
        source = tmp_path / "in"
        for number, (inputs, rows) in enumerate(
            [
                ([source], 30),
                ([f"{source}/*.parquet"], 10),
                ([f"{source}/**/*.parquet"], 40),
                ([f"{source}/deep/c[1].parquet"], 10),
                ([source / "a.parquet", f"{source}/*.parquet"], 10),
            ]
        ):
            assert score(model, inputs, tmp_path / f"out{number}").rows == rows


def test_json_of_a_report(tmp_path: Path, model: Path, out: Path) -> None:
    path = write(tmp_path / "in.parquet", make_table(10))
    report = json.loads(json.dumps(score(model, path, out).to_dict()))
    assert report["rows"] == 10
    assert report["rows_per_s"] > 0
    shutil.rmtree(out)

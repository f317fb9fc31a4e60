"""Sessions: signatures read from graphs, runs, failures as our own errors, and silence."""

import threading
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest

from penstock.bundle.signature import DATATYPES
from penstock.engine.session import open_session
from penstock.errors import BundleError, InferenceError, UnsupportedError


def shapes(specs: Any) -> list[tuple[int, ...]]:
    return [spec.shape for spec in specs]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_passes_through(tmp_path: Path, datatype: str) -> None:
    session = open_session(models.identity(tmp_path / "m.onnx", datatype=datatype))
    assert session.signature.batched
    assert {spec.datatype for spec in (*session.signature.inputs, *session.signature.outputs)} == {datatype}
    values = ["a", "", "é\0"] if datatype == "BYTES" else [0, 1, 1]
    x = np.array([values], dtype=DATATYPES[datatype])
    np.testing.assert_array_equal(session.run({"x": x})["y"], x, strict=True)


def test_text_may_come_as_bytes(tmp_path: Path) -> None:
    session = open_session(models.identity(tmp_path / "m.onnx", datatype="BYTES", shape=["n"]))
    for x in (np.array(["é", "é".encode()], dtype=object), np.array(["é"] * 2), np.array(["é".encode()] * 2)):
        assert session.run({"x": x})["y"].tolist() == ["é", "é"]
    with pytest.raises(InferenceError, match="utf-8"):
        session.run({"x": np.array([b"\xff"], dtype=object)})


def test_a_model_with_several_tensors(tmp_path: Path) -> None:
    session = open_session(models.several(tmp_path / "m.onnx"))
    assert [spec.name for spec in session.signature.inputs] == ["a", "b", "s"]
    inputs = {"a": np.ones((1, 2), "f4"), "b": np.array([4]), "s": np.array([["x"]], dtype=object)}
    assert list(session.run(inputs)) == ["total", "next", "text"]
    assert list(session.run(inputs, ["text", "next"])) == ["text", "next"]


@pytest.mark.parametrize(
    ("build", "batched", "proven"),
    [
        (models.affine, True, True),
        (models.unbatched, False, True),
        (models.two_symbols, False, True),
        (models.mean_of_rows, True, False),
        (models.lightgbm, True, False),
        (models.sklearn, True, True),
        (models.dense, True, True),
    ],
)
def test_the_row_dimension_is_read_from_the_graph(
    tmp_path: Path, build: Any, batched: bool, proven: bool
) -> None:
    session = open_session(build(tmp_path / "m.onnx"))
    assert (session.signature.batched, session.proven) == (batched, proven)
    assert not session.declared.batched


def test_a_fixed_batch_of_one_is_not_batched(tmp_path: Path) -> None:
    session = open_session(models.affine(tmp_path / "m.onnx", dim=1))
    assert not session.signature.batched
    assert shapes(session.signature.inputs) == [(1, 4)]
    assert open_session(models.affine(tmp_path / "n.onnx", dim=None)).signature.batched


@pytest.mark.parametrize("text_labels", [False, True])
def test_zipmaps_become_matrices(tmp_path: Path, caplog: pytest.LogCaptureFixture, text_labels: bool) -> None:
    plain = open_session(models.sklearn(tmp_path / "a.onnx", text_labels=text_labels))
    assert not caplog.records
    mapped = open_session(models.sklearn(tmp_path / "b.onnx", zipmap=True, text_labels=text_labels))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "zipmap=False" in caplog.text
    x, _ = models.training_data(20)
    expected, got = plain.run({"input": x}), mapped.run({"input": x})
    np.testing.assert_array_equal(got["output_label"], expected["label"], strict=True)
    np.testing.assert_array_equal(got["output_probability"], expected["probabilities"], strict=True)
    assert list(mapped.run({"input": x}, ["output_label"])) == ["output_label"]


@pytest.mark.parametrize("build", [models.unknown_operator, models.bfloat16])
def test_graphs_that_are_not_served_say_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], build: Any
) -> None:
    path = build(tmp_path / "m.onnx")
    with pytest.raises(BundleError, match=r"NoSuchOperator|bfloat16") as caught:
        open_session(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x08\x08\x3a\xff\xff\x03"])
def test_damaged_graphs_are_bundle_errors(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: Any
) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match="does not load"):
        open_session(path)
    assert capfd.readouterr() == ("", "")


def test_failures_at_run_time_are_inference_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    session = open_session(models.lookup(tmp_path / "m.onnx"))
    for bad in (
        {"x": np.array([7])},
        {"x": np.array([1.0])},
        {"x": np.array([[1]])},
        {},
        {"z": np.array([1])},
    ):
        with pytest.raises(InferenceError):
            session.run(bad)
    with pytest.raises(InferenceError):
        session.run({"x": np.array([1])}, ["nope"])
    assert session.run({"x": np.array([1, 3])})["y"].tolist() == [20, 40]
    assert capfd.readouterr() == ("", "")


def test_exporters_do_not_fill_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    builders: tuple[Any, ...] = (models.lightgbm, models.sklearn, models.dense)
    for index, build in enumerate(builders):
        path = build(tmp_path / f"{index}.onnx")
        capfd.readouterr()
        session = open_session(path)
        name, features = session.signature.inputs[0].name, session.signature.inputs[0].shape[1]
        session.run({name: np.zeros((3, features), "f4")})
        assert capfd.readouterr() == ("", "")


def test_a_closed_session_fails_cleanly_and_runs_under_way_end(tmp_path: Path) -> None:
    session = open_session(models.slow(tmp_path / "m.onnx", steps=300))
    x = {"x": np.ones((2, 1), "f4")}
    started = threading.Event()
    answers: list[Any] = []

    def work() -> None:
        started.set()
        try:
            while True:
                answers.append(session.run(x)["y"].tolist())
        except InferenceError as error:
            answers.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    session.close()
    thread.join()
    session.close()
    assert answers.pop().endswith("the session is closed")
    assert all(answer == [[1], [1]] for answer in answers)


def test_many_threads_may_run_one_session(tmp_path: Path) -> None:
    session = open_session(models.affine(tmp_path / "m.onnx"))
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(100):
            x = rng.integers(-9, 9, size=(rng.integers(1, 20), 4)).astype("f4")
            if not np.array_equal(session.run({"x": x})["y"], models.affine_of(x)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_devices(tmp_path: Path) -> None:
    import onnxruntime

    path = models.affine(tmp_path / "m.onnx")
    assert open_session(path, "cpu").device == "cpu"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert open_session(path, "auto").device == "cpu"
        with pytest.raises(UnsupportedError, match=r"cuda:0.*gpu extra"):
            open_session(path, "cuda:0")


def test_each_session_has_its_own_threads(tmp_path: Path) -> None:
    path = models.affine(tmp_path / "m.onnx")
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("needs /proc")
    before = len(list(tasks.iterdir()))
    alone = open_session(path, "cpu", 1)
    assert len(list(tasks.iterdir())) == before
    pooled = open_session(path, "cpu", 3)
    assert len(list(tasks.iterdir())) == before + 2
    for session in (alone, pooled):
        session.close()

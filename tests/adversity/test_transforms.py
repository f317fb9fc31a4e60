"""Transforms under attack: hostile files, hostile data, swaps and many threads at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import models
import msgspec
import numpy as np
import pyarrow as pa
import pytest
import transform_specs as specs
from serving import ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc

import penstock
from penstock import Engine, Transform
from penstock.errors import BundleError, SignatureError, TransformError
from penstock.transform import DatePart, Expression, Feature, Impute, OneHot, Ordinal
from penstock.transform import file as transform_file

MEMORY_BYTES = 256 << 20
"""What a hostile file may take at most, on top of what the process has."""

# -- files that have a valid digest and absurd content ------------------------------------------------


def hostile_file(definition: dict[str, Any] | bytes, arrays: dict[str, pa.Array] | None = None) -> bytes:
    """The file of a transform with any definition, its digest right."""
    if isinstance(definition, bytes):
        encoded = definition
    else:
        encoded = json.dumps(definition).encode()
        try:
            parts = msgspec.json.decode(encoded, type=transform_file._Definition)
            encoded = msgspec.json.encode(parts, order="deterministic")
        except msgspec.DecodeError:
            pass
    arrays = dict(sorted((arrays or {}).items()))
    columns = {
        name: pa.ListArray.from_arrays(pa.array([0, len(one)], pa.int32()), one)
        for name, one in arrays.items()
    }
    digest = transform_file._digest(encoded, arrays).encode()
    schema = pa.schema(
        [(name, column.type) for name, column in columns.items()],
        metadata={b"penstock.transform": encoded, b"penstock.digest": digest},
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=schema))
    return bytes(sink.getvalue())


def column(name: str = "x", kind: str = "float32", missing: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "type": kind, "missing": missing}


def operation(op: str, inputs: str, outputs: str, parameters: Any = None, **arrays: str) -> dict[str, Any]:
    return {
        "op": op,
        "inputs": inputs.split(),
        "outputs": outputs.split(),
        "parameters": parameters or {},
        "arrays": arrays,
    }


def definition(
    columns: list[Any], operations: list[Any], *values: str, outputs: list[Any] | None = None, form: Any = 1
) -> dict[str, Any]:
    made = [{"name": "y", "dtype": "float32", "values": values}] if outputs is None else outputs
    return {"format": form, "columns": columns, "operations": operations, "outputs": made}


X = [column()]
S = [column("s", "string")]
ONE = pa.array([0], pa.int32())
TEXT = pa.array(["a"])
REFUSE = {"unknown": ["error"], "missing": ["error"]}


def one_hot(widths: Any, unknown: Any = "error", codes: pa.Array = ONE, texts: pa.Array = TEXT) -> Any:
    parameters = {"widths": widths, "unknown": [unknown], "missing": ["error"]}
    step = operation("one_hot", "s", "a", parameters, categories0="c", columns0="i")
    return definition(S, [step], "a"), {"c": texts, "i": codes}


def encode(codes: pa.Array, width: int = 1) -> Any:
    parameters = {"kind": "x", "width": width, **REFUSE}
    step = operation("encode", "s", "a", parameters, categories0="c", codes0="i", values0="v")
    return definition(S, [step], "a"), {"c": TEXT, "i": codes, "v": pa.array([1.0])}


def expression(text: str) -> Any:
    return definition(X, [operation("expression", "x", "a", {"text": text})], "a"), {}


def polynomial(terms: list[int], counts: list[int]) -> Any:
    arrays = {"t": pa.array(terms, pa.int32()), "c": pa.array(counts, pa.int32())}
    step = operation("polynomial", "x", " ".join(f"a{i}" for i in range(len(counts))), terms="t", counts="c")
    return definition(X, [step], "a0"), arrays


def bad_parameter(text: bytes) -> bytes:
    made = definition(X, [operation("cast", "x", "a", {"dtype": "HERE"})], "a")
    return json.dumps(made).encode().replace(b'"HERE"', text)


HOSTILE: dict[str, tuple[Any, str]] = {
    "no columns": (definition([], [], "x"), "at least 1 column"),
    "no outputs": (definition(X, [], outputs=[]), "at least 1 output"),
    "an output of nothing": (definition(X, []), "at least 1 value"),
    "a column twice": (definition(X + X, [], "x"), 'one column "x", got more than one'),
    "a column without a name": (definition([column("")], [], ""), "a name for every column"),
    "a cycle": (
        definition(X, [operation("cast", "b", "a"), operation("cast", "a", "b")], "a"),
        'value "b" is used before it is made',
    ),
    "its own input": (definition(X, [operation("cast", "a", "a")], "a"), "used before it is made"),
    "a value that nothing makes": (definition(X, [], "no"), 'value "no" is no column'),
    "a value made twice": (definition(X, [operation("cast", "x", "x")], "x"), "made twice"),
    "an operation of no one": (definition(X, [operation("exec", "x", "a")], "a"), 'unknown operation "exec"'),
    "a width of 2^40": (one_hot([2**40]), "expected 1099511627776 outputs, got 1"),
    "a width of 2^63": (one_hot([2**63]), "expected 9223372036854775808 outputs"),
    "a negative width": (one_hot([-1]), "from 0 up, got -1"),
    "a width of true": (one_hot([True]), "from 0 up, got True"),
    "two widths for one input": (one_hot([1, 1]), "widths"),
    "a code beyond the width": (one_hot([1], codes=pa.array([7], pa.int32())), "values from -1 to 0"),
    "an unknown code of 2^40": (one_hot([1], unknown=2**40), "expected less than 1"),
    "codes of other length": (one_hot([1], codes=pa.array([0, 0], pa.int32())), "one for each category"),
    "codes of another type": (one_hot([1], codes=pa.array([0])), "expected int32, got int64"),
    "a category twice": (
        one_hot([1], codes=pa.array([0, 0], pa.int32()), texts=pa.array(["a", "a"])),
        "every category once",
    ),
    "a null category": (
        one_hot([1], codes=pa.array([0, 0], pa.int32()), texts=pa.array(["a", None])),
        "no nulls",
    ),
    "a code of -7": (encode(pa.array([-7], pa.int32())), "values from -1 to 0"),
    "a code beyond the values": (encode(pa.array([1], pa.int32())), "values from -1 to 0"),
    "rows of 2^62 values": (encode(ONE, 2**62), "multiple of the width 4611686018427387904"),
    "a mean of two for one": (
        (definition(X, [operation("standard_scale", "x", "a", mean="m")], "a"), {"m": pa.array([1.0, 2])}),
        "expected 1 values, got 2",
    ),
    "an array that is not there": (
        definition(X, [operation("standard_scale", "x", "a", mean="m")], "a"),
        'the transform has no array "m"',
    ),
    "an array of no one": ((definition(X, [], "x"), {"m": TEXT}), 'no operation uses array "m"'),
    "a term beyond the inputs": (polynomial([9], [1]), "values from 0 to 0, got 9"),
    "a negative number of factors": (polynomial([0], [2, -1]), 'the sum of "counts"'),
    "factors of other number": (polynomial([0] * 5, [2**31 - 1]), "expected 2147483647 values"),
    "a projection of nothing": (
        (definition(X, [operation("project", "", "a", matrix="m")], "a"), {"m": pa.array([1.0])}),
        "at least 1 inputs",
    ),
    "edges that descend": (
        (
            definition(X, [operation("bin", "x", "a", counts="c", edges="e")], "a"),
            {"c": pa.array([2], pa.int32()), "e": pa.array([1.0, 0.0])},
        ),
        "ascending",
    ),
    "2^31 buckets": (definition(X, [operation("hash", "x", "a", {"buckets": 2**31})], "a"), "buckets"),
    "2^30 columns of buckets": (
        definition(X, [operation("hash", "x", "a", {"buckets": 2**30, "output": "one_hot"})], "a"),
        "expected 1073741824 outputs",
    ),
    "deep parentheses": (expression("(" * 4000 + "x" + ")" * 4000), "too many nested"),
    "deep signs": (expression("-" * 5000 + "x"), "nested too deeply"),
    "deep calls": (expression("sqrt(" * 190 + "+".join("x" * 30) + ")" * 190), "more than 200 operations"),
    "a long comparison": (expression("<".join("x" * 3000)), "at most 200 operands in a row, got 3000"),
    "a long and": (expression(" and ".join("x" * 300)), "at most 200 operands in a row, got 300"),
    "a long text": (expression("x+" * 5000 + "x"), "at most 10000"),
    "code": (expression("__import__('os').system('id')"), "not allowed"),
    "a null byte": (expression("x\0+1"), "null bytes"),
    "half a character": (expression('x + col("\\ud800")'), "a surrogate"),
    "a column of no one": (expression("y + 1"), 'unknown name "y"'),
    "a deep parameter": (bad_parameter(b"[" * 50_000 + b"]" * 50_000), "recursion"),
    "a parameter of 400 digits": (bad_parameter(b"9" * 400), "does not fit 64 bits"),
    "an infinite parameter": (bad_parameter(b"1e400"), "out of range"),
    "a name that is no text": (
        json.dumps(definition([column("HERE")], [], "HERE")).encode().replace(b"HERE", b"\xff\xfe"),
        "codec can't decode",
    ),
    "half a character as a name": (
        json.dumps(definition([column("\ud800")], [], "\ud800")).encode(),
        "malformed",
    ),
    "text as an output": (definition(S, [], "s"), "expected a number, got string"),
    "a time as an output": (definition([column("s", "date32")], [], "s"), "expected a number, got date32"),
    "a text that is missing twice": (
        definition([column("s", "string", ("a", "a"))], [operation("hash", "s", "h", {"buckets": 3})], "h"),
        'category "a" repeats',
    ),
    "an older format": (definition(X, [], "x", form=0), "expected format 1, got 0"),
    "a newer format": (definition(X, [], "x", form=2), "a newer version of Penstock wrote it"),
    "a format of text": (definition(X, [], "x", form="1"), "Expected `int`"),
    "no definition": (b"{}", "missing required field `format`"),
    "no JSON": (b"\x00", "malformed"),
}


def peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def attack(name: str) -> bytes:
    content, _ = HOSTILE[name]
    return hostile_file(*content) if isinstance(content, tuple) else hostile_file(content)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words(name: str, tmp_path: Path, private_cache: None) -> None:
    """When it is read, or at the latest when it is packed; by no other error, and in little memory."""
    file = tmp_path / "transform.arrow"
    file.write_bytes(attack(name))
    graph = models.identity(tmp_path / "one.onnx", shape=("rows", 1))
    before = peak_bytes()
    with pytest.raises((TransformError, BundleError), match=HOSTILE[name][1]) as caught:
        penstock.pack("m", graph, repository=tmp_path / "models", transform=file)
    caught.value.args[0].encode()  # it goes into logs and statuses
    assert peak_bytes() - before < MEMORY_BYTES
    assert not (tmp_path / "models" / "m").exists()


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"ARROW1",
        lambda data: data[:-9],
        lambda data: data[: len(data) // 2] + data[-40:],
        lambda data: data.replace(b'"encode"', b'"encodf"'),
        lambda data: data[:-14] + b"\xff\xff\xff\x7f" + data[-10:],
        lambda data: os.urandom(4096),
    ],
)
def test_a_damaged_file_is_refused(damage: Callable[[bytes], bytes]) -> None:
    data = hostile_file(*encode(ONE))
    assert Transform.from_bytes(data)
    with pytest.raises(TransformError, match=r"truncated|damaged|expected the file of a transform"):
        Transform.from_bytes(damage(data))


def put(root: Path, name: str, data: bytes, kind: str = "FP32") -> None:
    """A bundle with a transform as it is, every digest right; what it takes is called x."""
    path = root / name / "1"
    models.identity(path / "model.onnx", shape=("rows", 1))
    (path / "transform.arrow").write_bytes(data)
    metadata = pa.ipc.open_file(pa.py_buffer(data)).schema.metadata or {}
    manifest = {
        "format": 1,
        "name": name,
        "version": 1,
        "signature": {
            "inputs": [{"name": "x", "datatype": kind, "shape": [-1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
            "batched": True,
        },
        "files": {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())
        },
        "transform": {"file": "transform.arrow", "digest": metadata[b"penstock.digest"].decode()},
    }
    (path / "bundle.json").write_text(json.dumps(manifest))


def test_a_server_starts_past_hostile_bundles(
    repository: Path, server: Callable[..., ServerProcess], private_cache: None
) -> None:
    """Each is refused with its reason; the good one beside them answers. One has an expression."""
    chosen = ["a width of 2^40", "half a character", "a name that is no text", "a long comparison", "a cycle"]
    for place, name in enumerate(chosen):
        put(repository, f"bad{place}", attack(name))
    put(repository, "open", hostile_file(definition([column(kind="number")], [], "x")))
    put(repository, "good", hostile_file(*expression("x * 2")))
    process = server()
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        listed = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=20).models
        reasons = {model.name: (model.state, model.reason) for model in listed}
        assert reasons.pop("good")[0] == "READY"
        assert {state for state, _ in reasons.values()} == {"UNAVAILABLE"}
        assert all(reason and str(repository) not in reason for _, reason in reasons.values())
        assert "an open number" in reasons["open"][1]
        request = service_pb2.ModelInferRequest(model_name="good")
        request.inputs.add(name="x", datatype="FP32", shape=[1])
        request.raw_input_contents.append(np.ones(1, "<f4").tobytes())
        assert stub.ModelInfer(request, timeout=20).raw_output_contents[0] == np.full(1, 2, "<f4").tobytes()
    assert process.stop() == 0


# -- data ---------------------------------------------------------------------------------------------

WORDS = pa.array(["a", None, "b", "x" * 40, "unknown", ""] * 50)
CODES = {"a": 10.0, "b": 20.0, "x" * 40: 30.0}
WANTED = np.array([CODES.get(word, np.nan) if word else np.nan for word in WORDS.to_pylist()])[:, None]


@pytest.fixture(scope="module")
def words() -> Transform:
    arrays = {
        "categories0": pa.array(list(CODES)),
        "codes0": np.arange(3, dtype=np.int32),
        "values0": np.array(list(CODES.values())),
    }
    step = specs.op("encode", "s", "v", kind="x", unknown=[-1], missing=[-1], **arrays)
    return Transform(specs.spec({"s": "string"}, [step], "v"))


FORMS = {
    "string": WORDS,
    "large_string": WORDS.cast(pa.large_string()),
    "string_view": WORDS.cast(pa.string_view()),
    "binary": WORDS.cast(pa.binary()),
    "dictionary": WORDS.dictionary_encode(),
    "dictionary of int8 to views": pa.DictionaryArray.from_arrays(
        WORDS.dictionary_encode().indices.cast(pa.int8()),
        WORDS.dictionary_encode().dictionary.cast(pa.string_view()),
    ),
    "dictionary of uint64": pa.DictionaryArray.from_arrays(
        WORDS.dictionary_encode().indices.cast(pa.uint64()), WORDS.dictionary_encode().dictionary
    ),
    "dictionary with a null": WORDS.dictionary_encode(null_encoding="encode"),
}


@pytest.mark.parametrize("form", FORMS)
def test_texts_are_the_same_however_they_lie(words: Transform, form: str) -> None:
    texts = FORMS[form]
    for begin in (0, 1, 7, 8, 9, 63, 64, 65, 299, 300):
        part = texts.slice(begin)
        for data in ({"s": part}, pa.table({"s": part})):
            np.testing.assert_array_equal(words.transform(data), WANTED[begin:])
    pieces = pa.chunked_array([texts[:0], texts[:5], texts[5:5], texts[5:], texts[:0]], texts.type)
    np.testing.assert_array_equal(words.transform(pa.table({"s": pieces})), WANTED)
    np.testing.assert_array_equal(words.transform({"s": pieces}), WANTED)


@pytest.mark.parametrize(
    ("codes", "row"), [(pa.array([0, 5]), 1), (pa.array([-1, 0]), 0), (pa.array([2**64 - 1], pa.uint64()), 0)]
)
def test_codes_outside_their_dictionary_are_refused(words: Transform, codes: pa.Array, row: int) -> None:
    texts = pa.DictionaryArray.from_arrays(codes, pa.array(["a"]), safe=False)
    with pytest.raises(SignatureError, match=f"row {row}: the dictionary code is outside"):
        words.transform({"s": texts})


def test_odd_texts(words: Transform) -> None:
    huge = pa.array(["a", "y" * 50_000_000, "b"], pa.large_string())
    assert str(words.transform({"s": huge}).ravel().tolist()) == "[10.0, nan, 20.0]"
    assert np.isnan(words.transform({"s": pa.array([b"\xff", b"\xc3", b"a\0"])})).all()
    assert np.isnan(words.transform({"s": pa.nulls(300)})).all()
    empty = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int8()), pa.array([], pa.string()))
    assert np.isnan(words.transform({"s": empty})).all()


def test_many_threads_and_kinds_of_data_at_once(words: Transform) -> None:
    """One transform, in threads that each bind other schemas; refusals name their own rows."""
    schemas = [pa.table({"s": texts, f"other{i}": WORDS}) for i, texts in enumerate(FORMS.values())]
    strict = Transform.fit([Feature(columns=("s",), steps=(Ordinal(),))], pa.table({"s": ["a", "b"]}))

    def work(seed: int) -> None:
        for turn in range(40):
            table = schemas[(seed + turn) % len(schemas)]
            np.testing.assert_array_equal(words.transform(table, threads=1 + turn % 3), WANTED)
            with pytest.raises(SignatureError, match=rf'row {seed}: unknown category "no{seed}"'):
                strict.transform({"s": ["a"] * seed + [f"no{seed}"]})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert words.statistics["rows"] >= 16 * 40 * 300


# -- requests -----------------------------------------------------------------------------------------

RAW = pa.table(
    {
        "city": ["a", "", "ü"],
        "age": pa.array([1.5, None, 3], pa.float32()),
        "owns": [True, False, True],
        "at": pa.array([1_577_854_800, None, -631_152_000], pa.timestamp("s")),
    }
)


def publish(root: Path, levels: list[str]) -> Transform:
    features = [
        Feature(columns=("city",), steps=(OneHot(),)),
        Feature(columns=("age",), steps=(Impute(),)),
        Feature(columns=("owns",)),
        Feature(columns=("at",), steps=(DatePart(parts=("hour",)),)),
        Feature(steps=(Expression(text="age * 2"),), name="twice"),
    ]
    table = RAW.set_column(0, "city", pa.array(levels))
    transform = Transform.fit(features, table)
    graph = models.identity(root.parent / "features.onnx", shape=("rows", transform.width))
    penstock.pack("m", graph, repository=root, transform=transform, reference=table)
    return transform


def prefixed(*texts: bytes) -> bytes:
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def request(city: bytes = prefixed(b"a"), rows: int = 1, **tensors: bytes) -> service_pb2.ModelInferRequest:
    given = {
        "city": ("BYTES", city),
        "age": ("FP32", np.ones(rows, "<f4").tobytes()),
        "owns": ("BOOL", np.ones(rows, "?").tobytes()),
        "at": ("INT64", np.zeros(rows, "<i8").tobytes()),
    }
    made = service_pb2.ModelInferRequest(model_name="m")
    for name, (datatype, data) in given.items():
        made.inputs.add(name=name, datatype=datatype, shape=[rows])
        made.raw_input_contents.append(tensors.get(name, data))
    return made


def ask(stub: Any, made: service_pb2.ModelInferRequest) -> tuple[str, Any]:
    try:
        return "OK", stub.ModelInfer(made, timeout=20).raw_output_contents[0]
    except grpc.RpcError as error:
        return error.code().name, error.details()


LENGTH = "does not hold exactly 1 length-prefixed elements"
REQUESTS = {
    "an unknown category": (request(prefixed(b"zz")), 'column "city", row 0: unknown category "zz"'),
    "a huge category": (request(prefixed(b"z" * 500_000)), 'unknown category "zzzzzz'),
    "a null byte": (request(prefixed(b"\0")), "unknown category"),
    "no text": (request(prefixed(b"\xff")), "element 0 is not valid UTF-8"),
    "half a character": (request(prefixed("ü".encode()[:1])), "element 0 is not valid UTF-8"),
    "a length that lies": (request((1000).to_bytes(4, "little") + b"a"), LENGTH),
    "a length of 4 GiB": (request(b"\xff\xff\xff\xff" + b"a"), LENGTH),
    "bytes left over": (request(prefixed(b"") + b"a"), LENGTH),
    "two texts for one": (request(prefixed(b"a", b"a")), LENGTH),
    "no bytes": (request(b""), LENGTH),
    "part of a length": (request(b"abc"), LENGTH),
    "no rows": (request(b"", rows=0), "expected shape [-1], got [0]"),
    "columns of other length": (request(prefixed(b"a", b"a"), rows=2, age=b"\0\0\0\0"), "age"),
    "the last of many": (
        request(prefixed(*[b"a"] * 1199, b"no"), rows=1200),
        'row 1199: unknown category "no"',
    ),
}


@pytest.fixture
def served(repository: Path, server: Callable[..., ServerProcess], private_cache: None) -> Iterator[Any]:
    """A server with a transform, and the transform; it ends well."""
    transform = publish(repository, ["a", "", "ü"])
    process = server(models={"m": {"max_batch_rows": 64}})
    with grpc.insecure_channel(process.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel), transform
        assert ask(service_pb2_grpc.GRPCInferenceServiceStub(channel), request())[0] == "OK"
    assert process.stop() == 0
    assert not [record for record in process.logs() if record["level"] in ("warning", "error")]


def test_hostile_requests_are_refused_and_others_are_not_disturbed(served: Any) -> None:
    stub, transform = served
    for name, (made, message) in REQUESTS.items():
        code, details = ask(stub, made)
        assert code == "INVALID_ARGUMENT", name
        assert message in details, name
        assert len(details) < 300, name
    good = transform.transform(RAW[:1].set_column(1, "age", pa.array([1], pa.float32())))
    answers = {b"a": 0, b"zz": 0}
    with ThreadPoolExecutor(32) as pool:
        cities = [b"zz" if i % 20 == 7 else b"a" for i in range(400)]
        made = [request(prefixed(city), at=np.full(1, 1_577_854_800, "<i8").tobytes()) for city in cities]
        for city, answer in zip(cities, pool.map(lambda one: ask(stub, one), made), strict=True):
            wanted = ("OK", good.tobytes()) if city == b"a" else ("INVALID_ARGUMENT", answer[1])
            assert answer == wanted
            answers[city] += 1
    assert answers == {b"a": 380, b"zz": 20}


def test_more_rows_than_a_batch_holds(served: Any) -> None:
    """In slices of 64, and bit for bit what the rows give one by one."""
    stub, transform = served
    random = np.random.default_rng(5)
    cities = random.choice(np.array(["a", "", "ü"], dtype=object), 1000)
    ages = random.normal(size=1000).astype("<f4")
    ages[::7] = np.nan
    times = random.integers(-(10**9), 10**9, 1000)
    times[::11] = np.iinfo(np.int64).min
    table = pa.table(
        {
            "city": cities,
            "age": ages,
            "owns": np.ones(1000, "?"),
            "at": pa.array(times.view("M8[s]"), pa.timestamp("s")),
        }
    )
    wanted = transform.transform(table)
    encoded = prefixed(*(city.encode() for city in cities))
    code, answer = ask(stub, request(encoded, 1000, age=ages.tobytes(), at=times.astype("<i8").tobytes()))
    assert (code, answer) == ("OK", wanted.tobytes())
    rows = [transform.transform(table[row : row + 1]).tobytes() for row in range(1000)]
    assert b"".join(rows) == wanted.tobytes()


def load(stub: Any, version: int) -> None:
    made = service_pb2.RepositoryModelLoadRequest(model_name="m")
    made.parameters["version"].int64_param = version
    stub.RepositoryModelLoad(made, timeout=60)


def test_swaps_between_transforms_fail_no_request(
    repository: Path, server: Callable[..., ServerProcess], private_cache: None
) -> None:
    """Versions 1 and 2 take the same columns; version 3 takes a matrix, which clients of columns are told."""
    publish(repository, ["a", "", "ü"])
    publish(repository, ["a", "b", "c"])
    penstock.pack("m", models.affine(repository.parent / "plain.onnx"), repository=repository)
    process = server(models={"m": {"version": 1}})
    stop = threading.Event()

    def client() -> Counter[tuple[str, Any]]:
        seen: Counter[tuple[str, Any]] = Counter()
        with grpc.insecure_channel(process.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as own:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(own)
            while not stop.is_set():
                seen[ask(stub, request())] += 1
        return seen

    def swap(versions: list[int]) -> Counter[tuple[str, Any]]:
        stop.clear()
        with ThreadPoolExecutor(16) as pool, grpc.insecure_channel(process.grpc) as channel:
            clients = [pool.submit(client) for _ in range(16)]
            try:
                for version in versions:
                    load(service_pb2_grpc.GRPCInferenceServiceStub(channel), version)
            finally:
                stop.set()
            return sum((future.result() for future in clients), Counter())

    same = swap([2, 1, 2, 1, 2])
    assert {code for code, _ in same} == {"OK"}
    assert len(same) == 2
    other = swap([3, 1, 3])
    assert {code for code, _ in other} <= {"OK", "INVALID_ARGUMENT"}
    refusals = {details for code, details in other if code != "OK"}
    assert refusals == {'unknown input "city"; expected inputs: "x"'}
    assert process.stop() == 0


# -- memory -------------------------------------------------------------------------------------------

GROWTH = """
import os, sys
import numpy as np, pyarrow as pa
from penstock import Engine
from penstock.errors import SignatureError

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

row = {"city": ["a"], "age": np.ones(1, "f4"), "owns": [True], "at": np.zeros(1, "M8[s]")}
bad = row | {"city": ["zz"]}
table = pa.table({name: pa.array(values) for name, values in row.items()})
with Engine(sys.argv[1]) as engine:
    transform = None
    def turn(reload):
        if reload:
            engine.load("m", 1)
        engine.submit("m", row).result(20)
        engine.predict("m", table)
        try:
            engine.submit("m", bad).result(20)
        except SignatureError:
            pass
    for i in range(40):
        turn(True)
    before = resident()
    for i in range(int(sys.argv[2])):
        turn(i % 20 == 0)
    print(resident() / before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat_over_reloads_and_requests(repository: Path, private_cache: None) -> None:
    publish(repository, ["a", "", "ü"])
    program = [sys.executable, "-c", GROWTH, str(repository), "3000"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.03


def test_an_engine_swaps_transforms_under_its_callers(repository: Path, private_cache: None) -> None:
    wanted = [publish(repository, levels).transform(RAW[:1]) for levels in (["a", "", "ü"], ["a", "b", "c"])]
    answers = {one.tobytes() for one in wanted}
    stop = threading.Event()
    with Engine(repository) as engine, ThreadPoolExecutor(8) as pool:

        def caller(submit: bool) -> int:
            count = 0
            while not stop.is_set():
                got = engine.submit("m", RAW[:1]).result(20) if submit else engine.predict("m", RAW[:1])
                assert got["y"].tobytes() in answers
                count += 1
            return count

        callers = [pool.submit(caller, bool(i % 2)) for i in range(8)]
        try:
            for version in (1, 2, 1, 2, 1):
                engine.load("m", version)
        finally:
            stop.set()
        assert all(future.result(20) for future in callers)

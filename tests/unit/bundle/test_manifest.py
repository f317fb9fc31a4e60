"""bundle.json: what is read back, and what is refused by name."""

import json
from typing import Any

import pytest

from penstock.bundle.manifest import GoldenFile, Manifest
from penstock.bundle.signature import Signature, TensorSpec
from penstock.errors import BundleError

SHA = "0" * 64
MANIFEST = Manifest(
    name="m",
    version=2,
    signature=Signature((TensorSpec("x", "FP32", (-1,)),), (TensorSpec("y", "FP32", (-1,)),), batched=True),
    files={"model.onnx": SHA, "golden.npz": SHA, "data/w.bin": SHA},
    golden=GoldenFile(file="golden.npz", rtol=1e-4, atol=0.0),
    metadata={"owner": {"team": "risk", "ids": [1, None, 2.5]}},
)


def changed(**fields: Any) -> bytes:
    data = json.loads(MANIFEST.encode()) | fields
    return json.dumps({key: value for key, value in data.items() if value != "absent"}).encode()


def test_it_is_read_back_as_it_was_written() -> None:
    assert Manifest.decode(MANIFEST.encode()) == MANIFEST
    assert MANIFEST.encode().startswith(b'{\n  "format": 1,')


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"\xff\xfe{", "malformed"),
        (b"[" * 100_000, "."),
        (b"[]", "Expected `object`"),
        (b"{}", "required field `format`"),
        (changed(format=2, surprise=1), "expected format 1, got 2; a newer version"),
        (changed(format=0), "expected format 1, got 0$"),
        (changed(surprise=1), "unknown field `surprise`"),
        (changed(version=0), r"`int` >= 1.*version"),
        (changed(version="2"), r"Expected `int`, got `str`.*version"),
        (changed(name="absent"), "required field `name`"),
        (changed(files={"golden.npz": SHA}), 'expected "model.onnx" among the files'),
        (changed(files={"model.onnx": SHA}), 'golden rows "golden.npz" are not among the files'),
        (changed(files={"model.onnx": "abc"}), "matching regex"),
        (changed(golden={"file": "golden.npz", "rtol": -1, "atol": 0}), ">= 0"),
        (changed(signature={"inputs": [], "outputs": [], "batched": True}), "at least one input"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        Manifest.decode(data, "here/bundle.json")
    assert str(caught.value).startswith("here/bundle.json: ")


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/",
        "",
        ".",
        "..",
        "a\\b",
        "C:x",
        "a\0b",
        "bundle.json",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(BundleError, match="file inside the bundle"):
        Manifest.decode(changed(files={"model.onnx": SHA, "golden.npz": SHA, path: SHA}))

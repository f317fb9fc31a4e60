"""Opening bundles: good ones, bare ones, and every way of being bad."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest

from penstock.bundle import Bundle
from penstock.bundle.pack import pack
from penstock.errors import BundleError


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A bundle with external data and golden rows."""
    model = models.dense(tmp_path / "export" / "net.onnx", external=True)
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype("f4")
    pack("net", model, repository=tmp_path / "models", golden={"input": rows})
    return tmp_path / "models" / "net" / "1"


def edit(packed: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads((packed / "bundle.json").read_bytes())
    change(data)
    (packed / "bundle.json").write_text(json.dumps(data))


def test_a_packed_bundle_opens(packed: Path) -> None:
    bundle = Bundle.open(packed)
    assert (bundle.name, bundle.version, bundle.graph_path) == ("net", 1, packed / "model.onnx")
    assert bundle.manifest is not None
    assert set(bundle.manifest.files) == {"model.onnx", "net.onnx.data", "golden.npz"}
    golden = bundle.golden()
    assert golden is not None
    assert golden.inputs["input"].shape == (3, 8)
    assert len(bundle.digest) == 64
    lazily = Bundle.open(packed, verify=False)
    assert lazily.digest == bundle.digest
    lazily.verify()


def test_a_bare_bundle_opens_and_its_digest_covers_its_data(tmp_path: Path) -> None:
    first = models.publish(tmp_path, "net", 1, models.dense, external=True)
    digest = Bundle.open(first).digest
    (first / "notes.txt").write_text("not part of the model")
    assert Bundle.open(first).digest == digest
    assert Bundle.open(first).manifest is None
    assert Bundle.open(first).golden() is None
    data = first / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:-1] + b"!")
    assert Bundle.open(first).digest != digest
    data.unlink()
    with pytest.raises(BundleError, match=r"model.onnx.data: the file is missing"):
        Bundle.open(first)


@pytest.mark.parametrize("file", ["model.onnx", "net.onnx.data", "golden.npz"])
def test_a_flipped_byte_is_named(packed: Path, file: str) -> None:
    path = packed / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        BundleError, match=rf"{file}: the file is damaged: expected sha256 \w{{12}}…, got \w{{12}}…"
    ):
        Bundle.open(packed)
    bundle = Bundle.open(packed, verify=False)
    with pytest.raises(BundleError, match="damaged"):
        bundle.verify()


@pytest.mark.parametrize("file", ["model.onnx", "net.onnx.data", "golden.npz"])
def test_a_missing_file_is_named(packed: Path, file: str) -> None:
    (packed / file).unlink()
    with pytest.raises(BundleError, match=f"{file}: the file is missing"):
        Bundle.open(packed)


def test_a_file_that_is_not_listed_is_named_and_hidden_ones_are_passed_over(packed: Path) -> None:
    (packed / ".nfs0001").touch()
    Bundle.open(packed)
    (packed / "more").mkdir()
    (packed / "more" / "weights.bin").touch()
    with pytest.raises(BundleError, match=r"more/weights.bin: the file is not listed"):
        Bundle.open(packed)


def test_a_link_that_leads_out_is_refused(packed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.bin"
    shutil.move(packed / "net.onnx.data", elsewhere)
    (packed / "net.onnx.data").symlink_to(elsewhere)
    with pytest.raises(BundleError, match="a link that leads out"):
        Bundle.open(packed)


def test_a_manifest_that_leads_out_is_refused(packed: Path) -> None:
    edit(packed, lambda data: data["files"].update({"../../../etc/passwd": "0" * 64}))
    with pytest.raises(BundleError, match="file inside the bundle"):
        Bundle.open(packed)


def test_a_bare_graph_that_leads_out_is_refused(tmp_path: Path) -> None:
    directory = models.publish(tmp_path, "net", 1, models.dense, external=True)
    graph = directory / "model.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"model.onnx.data", b"../../../etc/pw"))
    with pytest.raises(BundleError, match="file inside the bundle"):
        Bundle.open(directory)


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\x01", b'{"format": 1}', b'{"format": 99}'])
def test_a_malformed_manifest_is_named(packed: Path, content: bytes) -> None:
    (packed / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.json: "):
        Bundle.open(packed)


def test_a_bundle_under_another_name_is_refused(packed: Path) -> None:
    other = packed.with_name("2")
    shutil.copytree(packed, other)
    with pytest.raises(BundleError, match='expected model "net" version 2, got "net" version 1'):
        Bundle.open(other)
    assert Bundle.open(other, name="net", version=1).version == 1


def test_a_directory_that_is_no_version_is_refused(tmp_path: Path) -> None:
    models.affine(tmp_path / "m" / "latest" / "model.onnx")
    with pytest.raises(BundleError, match="named after its version"):
        Bundle.open(tmp_path / "m" / "latest")
    with pytest.raises(BundleError, match="the file is missing"):
        Bundle.open(tmp_path / "m" / "1")


def test_unreadable_files_are_bundle_errors(packed: Path) -> None:
    (packed / "golden.npz").unlink()
    (packed / "golden.npz").mkdir()
    with pytest.raises(BundleError, match=r"golden\.npz"):
        Bundle.open(packed)

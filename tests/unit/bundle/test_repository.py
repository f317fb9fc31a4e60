"""Repositories: only complete versions of plainly named models are seen."""

from pathlib import Path

import models
import pytest

from penstock.bundle.repository import Repository, is_model_name, parse_version
from penstock.errors import ConfigError, ModelNotFoundError


def test_only_whole_versions_are_seen(tmp_path: Path) -> None:
    for version in (1, 3, 10):
        models.publish(tmp_path, "m", version, models.affine)
    for other in ("0", "01", "-1", "x", "1.5", ".4", "4.tmp", "12345678901"):
        models.publish(tmp_path, "m", other, models.affine)  # type: ignore[arg-type]
    (tmp_path / "m" / "11").mkdir()
    (tmp_path / "m" / "12").touch()
    (tmp_path / "m" / "13" / "model.onnx").mkdir(parents=True)
    for name in (".hidden", "-dash", "spaced name", "ümlaut"):
        models.publish(tmp_path, name, 1, models.affine)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    repository = Repository(tmp_path)
    assert repository.models() == ["m"]
    assert repository.versions("m") == [1, 3, 10]
    assert repository.latest("m") == 10
    assert repository.path("m", 3) == tmp_path / "m" / "3"


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    models.publish(tmp_path, "m", 1, models.affine)
    repository = Repository(tmp_path)
    for name in ("other", "", ".", "..", "../m", "m/1", "m\0"):
        with pytest.raises(ModelNotFoundError, match="is not in the repository"):
            repository.versions(name)
        with pytest.raises(ModelNotFoundError):
            repository.latest(name)
    with pytest.raises(ModelNotFoundError, match=r'^model "m" has no version "2"$'):
        repository.path("m", 2)
    assert Repository(tmp_path / "missing").models() == []
    assert Repository(tmp_path / "m" / "1" / "model.onnx").models() == []


def test_a_manifest_without_its_graph_is_a_version(tmp_path: Path) -> None:
    (tmp_path / "m" / "2").mkdir(parents=True)
    (tmp_path / "m" / "2" / "bundle.json").touch()
    assert Repository(tmp_path).versions("m") == [2]


def test_a_root_is_checked(tmp_path: Path) -> None:
    Repository(tmp_path).check()
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(ConfigError, match=f'repository ".*/{name}": expected a directory: '):
            Repository(tmp_path / name).check()


def test_names_and_versions() -> None:
    assert all(map(is_model_name, ("a", "_a", "A.b-c_9", "9", "a" * 255)))
    assert not any(map(is_model_name, ("", "a" * 256, ".a", "-a", "a b", "a/b", "a\n", "é")))
    assert [
        parse_version(text) for text in ("1", "999999999", "0", "01", "1\n", "1000000000", "+1", "١")
    ] == [
        1,
        999999999,
        *[None] * 6,
    ]


def test_what_happens_later_is_seen(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert repository.models() == []
    directory = models.publish(tmp_path, "m", 1, models.affine)
    assert repository.models() == ["m"]
    (directory / "model.onnx").unlink()
    assert repository.models() == []

"""Digests of inputs, by one thread and by several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.score.digests import Digests
from penstock.score.folder import Folder
from penstock.score.location import locate
from penstock.score.source import identify


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(locate(tmp_path / "out"))
    folder.open()
    yield folder
    folder.close()


def write_files(directory: Path, count: int) -> dict[str, str]:
    """Return the SHA-256 of each file by its path."""
    directory.mkdir()
    digests = {}
    for number in range(count):
        content = bytes([number]) * (number * 100_000)
        path = directory / f"{number}"
        path.write_bytes(content)
        digests[str(path)] = hashlib.sha256(content).hexdigest()
    return digests


def digests_of(folder: Folder, paths: list[str]) -> Digests:
    locations = [locate(path) for path in paths]
    return Digests(folder, [(identify(location), location) for location in locations])


@pytest.mark.parametrize("threads", [1, 3, 64])
def test_every_file_once(threads: int, tmp_path: Path, folder: Folder) -> None:
    expected = write_files(tmp_path / "in", 12)
    digests = digests_of(folder, list(expected))
    digests.start()
    digests.hurry(threads)
    while digests.alive(0.1):
        pass
    assert digests.known == expected
    assert len(folder.sizes("_run/inputs")) == len(expected)


def test_a_file_that_is_gone_is_left_out(tmp_path: Path, folder: Folder) -> None:
    expected = write_files(tmp_path / "in", 3)
    digests = digests_of(folder, list(expected))
    gone = next(iter(expected))
    Path(gone).unlink()
    digests.start()
    digests.hurry(2)
    while digests.alive(0.1):
        pass
    assert digests.known == {path: digest for path, digest in expected.items() if path != gone}


def test_stopping_ends_every_thread(tmp_path: Path, folder: Folder) -> None:
    expected = write_files(tmp_path / "in", 12)
    digests = digests_of(folder, list(expected))
    digests.start()
    digests.hurry(4)
    digests.stop()
    assert not digests.alive(0)
    assert set(digests.known.items()) <= set(expected.items())

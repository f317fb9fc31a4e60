"""Which other files an ONNX graph keeps its tensors in.

A walk over the few protobuf fields that lead to ``TensorProto.external_data``, so that serving
needs no ``onnx`` package. Nothing is decoded but what stands on the way.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from penstock.errors import BundleError

__all__ = ["external_files"]

_MODEL: Final = {7: "graph", 25: "function"}
_PATHS: Final = {
    "model": _MODEL,
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Message to the fields that lead on, and to which message."""
_MAX_DEPTH: Final = 100


def external_files(graph_path: Path) -> tuple[str, ...]:
    """Return the locations, relative to the graph, of the files that hold its tensors.

    Parameters
    ----------
    graph_path : Path
        ONNX file.

    Returns
    -------
    tuple of str
        Sorted, each once; empty for a graph that holds all its tensors. Not checked for existence,
        nor for leading out of the directory.

    Raises
    ------
    BundleError
        When the file is not a protobuf message.
    """
    if graph_path.stat().st_size == 0:
        return ()
    with graph_path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find(b"location") < 0:
            return ()
        try:
            return tuple(sorted(set(_locations(data, 0, len(data), "model", 0))))
        except (IndexError, UnicodeDecodeError, RecursionError):
            raise BundleError(f"{graph_path}: expected an ONNX graph, got a damaged file") from None


def _locations(data: mmap.mmap, begin: int, end: int, message: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise RecursionError
    if message == "entry":
        entry = {number: data[first:last] for number, first, last in _fields(data, begin, end)}
        if entry.get(1) == b"location":
            yield entry.get(2, b"").decode()
        return
    onward = _PATHS[message]
    for number, first, last in _fields(data, begin, end):
        if number in onward:
            yield from _locations(data, first, last, onward[number], depth + 1)


def _fields(data: mmap.mmap, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of the length-delimited fields of a message."""
    at = begin
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > end:
                raise IndexError
            yield tag >> 3, at, at + size
            at += size
        else:
            raise IndexError
    if at != end:
        raise IndexError


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError

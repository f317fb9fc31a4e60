"""Counts what one version answers, on the thread that answered it. Read next: places.py, monitor.py."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from penstock.bundle.signature import Signature
from penstock.errors import SignatureError
from penstock.monitor._accumulator import BatchCounter
from penstock.monitor.places import Place, places, tensor_columns
from penstock.monitor.profile import Profile
from penstock.monitor.profiler import Profiler
from penstock.transform._columns import Binder

__all__ = ["Follower", "Observer"]

_log = logging.getLogger(__name__)

Ids = tuple[Sequence[str], Sequence[int]]


class Follower(Protocol):
    """Something that gets the same rows: the prediction log, a sample, rules."""

    def follow(
        self,
        columns: Mapping[str, Any],
        outputs: Mapping[str, np.ndarray[Any, Any]],
        rows: int,
        ids: Ids | None,
    ) -> None:
        """Take in rows that were answered; copies what it keeps."""


class Observer:
    """Sees the batches of one version: see :class:`penstock.engine.observer.Observer`.

    Parameters
    ----------
    name : str
        Of model and version, for the log.
    signature : Signature
    layout : Profile, optional
        What is counted; nothing where left out.
    followers : mapping of str to Follower
        By the name of the part that they are.
    check : callable, optional
        Refuses columns by raising SignatureError.
    wants_ids : bool
    full_rows : int, optional
        Calls ``on_full`` when so many rows were counted since :meth:`take`.
    on_full : callable, optional

    Notes
    -----
    Any thread may call anything. Whatever fails is counted by part in :attr:`failures`, and logged once a
    part: the answers are on their way already, and nothing here reaches them.
    """

    def __init__(
        self,
        name: str,
        signature: Signature,
        layout: Profile | None = None,
        *,
        followers: Mapping[str, Follower] | None = None,
        check: Callable[[Mapping[str, Any], int], None] | None = None,
        wants_ids: bool = False,
        full_rows: int | None = None,
        on_full: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.signature = signature
        self.checks = check is not None
        self.wants_ids = wants_ids
        self.batches = BatchCounter()
        self.failures: dict[str, int] = {}
        self._needs_python = False
        self.followers = dict(followers or {})
        self._check = check
        self._full_rows = full_rows
        self._on_full = on_full
        self._rows = 0
        self._entered = 0
        self._entering = threading.Lock()
        self._counter: _Counter | None = None
        if layout is not None:
            self.start(layout)

    def start(self, layout: Profile) -> None:
        """Count from here on; raises SignatureError where nothing of the layout is in the model."""
        self._counter = _Counter(layout, self.signature)
        self._needs_python = not self._counter.count_batches(self.batches, self._full_rows)
        self._hand_on()

    @property
    def followers(self) -> dict[str, Follower]:
        """Who else gets the rows, by part."""
        return self._followers

    @followers.setter
    def followers(self, followers: dict[str, Follower]) -> None:
        self._followers = followers
        self._hand_on()

    def _hand_on(self) -> None:
        """Let batches that were answered without Python come here, where somebody needs it."""
        self.batches.hand_on(self._needs_python or bool(self._followers))

    @property
    def placed(self) -> tuple[str, ...]:
        """Names of the features that are counted."""
        return () if self._counter is None else self._counter.profiler.names

    def check(self, columns: Mapping[str, Any], rows: int) -> None:
        """Refuse columns where a rule says so; raises SignatureError."""
        if self._check is not None:
            self._check(columns, rows)

    @property
    def busy(self) -> bool:
        """Whether somebody has entered who has not left."""
        return self._entered > 0

    def enter(self) -> None:
        """Take note that rows may come."""
        with self._entering:
            self._entered += 1

    def leave(self) -> None:
        """Take note that the rows came, or will not."""
        with self._entering:
            self._entered -= 1

    def observe(
        self, columns: Any, outputs: Mapping[str, np.ndarray[Any, Any]], rows: int, ids: Ids | None = None
    ) -> None:
        """Count rows, then hand them to the followers; never raises."""
        try:
            if self._counter is not None:
                self._counter.count(columns, outputs, rows)
                self._rows += rows  # after the count, so that take() never leaves rows behind for long
                if self._full_rows is not None and self._rows >= self._full_rows:
                    self.tell()
        except Exception as error:
            self._failed("counts", error)
        for part, follower in self.followers.items():
            try:
                follower.follow(columns, outputs, rows, ids)
            except Exception as error:
                self._failed(part, error)

    def tell(self) -> None:
        """Take note that a window has all its rows."""
        if self._on_full is not None:
            self._on_full()

    def take(self) -> Profile | None:
        """Return what was counted since the last call, which may be no row; None where nothing is counted."""
        counter = self._counter
        if counter is None:
            return None
        if not self.batches.take_rows() + self._rows:
            return counter.empty
        self._rows = 0
        return counter.profiler.profile(reset=True)

    def _failed(self, part: str, error: Exception) -> None:
        count = self.failures.get(part, 0) + 1
        self.failures[part] = count
        if count == 1:
            _log.error("monitoring of %s failed in its %s; serving goes on", self.name, part, exc_info=error)


class _Counter:
    """Finds the features of a layout in a batch and counts them."""

    def __init__(self, layout: Profile, signature: Signature) -> None:
        found = places(layout.features, signature.inputs, signature.outputs)
        if not found:
            raise SignatureError("no feature of the baseline is among the inputs and outputs of the model")
        self.profiler = Profiler(layout, names=list(found))
        self.empty = self.profiler.profile()
        self._places = found
        self._signature = signature
        widths = [max(len(tensor_columns(spec)), 1) for spec in signature.inputs]
        firsts = np.cumsum([0, *widths[:-1]]).tolist()
        self._firsts = {spec.name: first for spec, first in zip(signature.inputs, firsts, strict=True)}
        numeric = [(place.side, place.tensor) for place in found.values() if not place.text]
        self._tensors = list(dict.fromkeys(numeric))
        self._texts = {name: place for name, place in found.items() if place.text}
        self._binder = Binder(list(self._texts), ["string"] * len(self._texts)) if self._texts else None
        numbers = {key: index for index, key in enumerate(self._tensors)}
        texts = {name: index for index, name in enumerate(self._texts)}
        parts, columns = [], []
        for name, place in found.items():
            parts.append(len(self._tensors) if place.text else numbers[place.side, place.tensor])
            columns.append(texts[name] if place.text else place.column)
        self._part = np.array(parts, np.int32)
        self._column = np.array(columns, np.int64)

    def count_batches(self, batches: BatchCounter, full_rows: int | None) -> bool:
        """Count what is answered without Python, too; False, and nothing is done, where that cannot be."""
        tensors = {"input": self._signature.inputs, "output": self._signature.outputs}
        numbers = {
            (side, spec.name): number for side, specs in tensors.items() for number, spec in enumerate(specs)
        }
        lie = []
        for place in self._places.values():
            number = numbers[place.side, place.tensor]
            spec = tensors[place.side][number]
            if place.text and place.side == "output":
                return False
            dtype = None if place.text else spec.dtype
            lie.append((place.side == "output", number, place.column, len(tensor_columns(spec)), dtype))
        self.profiler.count_batches(batches, lie, full_rows)
        return True

    def count(self, columns: Any, outputs: Mapping[str, np.ndarray[Any, Any]], rows: int) -> None:
        if not isinstance(columns, dict):
            self._count_frame(columns, outputs)
            return
        try:
            parts: list[Any] = [
                (columns if side == "input" else outputs)[tensor] for side, tensor in self._tensors
            ]
            if self._binder is not None:
                texts = {name: self._text(place, columns, outputs) for name, place in self._texts.items()}
                parts += self._binder.bind(texts)
            self.profiler.update_parts(parts, self._part, self._column, rows)
        except (SignatureError, TypeError):
            # Columns as a caller of predict has them, not as arrays of the signature.
            self._count_frame(columns, outputs)

    def _count_frame(self, columns: Any, outputs: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Count columns that a caller has in a table, frame or dict, by name."""
        found = {}
        for name, place in self._places.items():
            if place.side == "output":
                found[name] = _column_of(outputs[place.tensor], place)
            elif isinstance(columns, np.ndarray):
                found[name] = columns[:, self._firsts[place.tensor] + place.column]
            else:
                found[name] = columns[name]
        self.profiler.update(found)

    @staticmethod
    def _text(place: Place, columns: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
        found = (columns if place.side == "input" else outputs)[place.tensor]
        return _column_of(found, place) if isinstance(found, np.ndarray) else found


def _column_of(array: np.ndarray[Any, Any], place: Place) -> np.ndarray[Any, Any]:
    return array[:, place.column] if array.ndim == 2 else array

"""What sees the answers of a loaded version: the engine's side of monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from penstock.batching import BatchObserver
    from penstock.bundle.bundle import Bundle
    from penstock.engine.pipeline import Pipeline

__all__ = ["Observer", "Watcher"]


class Observer(Protocol):
    """Sees every batch of one version. Any thread calls; nothing but :meth:`check` raises.

    Attributes
    ----------
    checks : bool
        :meth:`check` is worth calling.
    wants_ids : bool
        :meth:`observe` is to be told what clients call their requests.
    """

    checks: bool
    wants_ids: bool

    @property
    def batches(self) -> BatchObserver | None:
        """Who sees what is answered without Python; None where only :meth:`observe` can."""

    def check(self, columns: Mapping[str, Any], rows: int) -> None:
        """Look at columns before they are scored.

        Raises
        ------
        SignatureError
            When a rule refuses a value; the request is answered INVALID_ARGUMENT.
        """

    def enter(self) -> None:
        """Take note that rows are about to be scored which :meth:`observe` may be told of."""

    def leave(self) -> None:
        """Take note that :meth:`observe` was told, or will not be; once for each :meth:`enter`."""

    def observe(
        self,
        columns: Any,
        outputs: Mapping[str, Any],
        rows: int,
        ids: tuple[Sequence[str], Sequence[int]] | None = None,
    ) -> None:
        """Take in rows that were answered.

        Parameters
        ----------
        columns : mapping of str to array, or whatever :meth:`Engine.predict` takes
            As clients see them. They belong to the batch: what is kept is copied.
        outputs : mapping of str to ndarray
        rows : int
        ids : (sequence of str, sequence of int), optional
            Names of the requests, and the rows of each.
        """

    def tell(self) -> None:
        """Take note that :attr:`batches` saw so many rows that somebody should look."""


class Watcher(Protocol):
    """Watches all models of an engine. Any thread calls; nothing raises, or a model would not be served."""

    def open(self, bundle: Bundle, pipeline: Pipeline) -> Observer | None:
        """Return who is to see the answers of a version that is about to serve; None for nobody."""

    def activate(self, model: str, version: int) -> None:
        """Take note that requests which name no version go to this one from here on."""

    def release(self, observer: Observer) -> None:
        """Take note that a version has answered its last request; whoever entered may still observe."""

    def ending(self) -> None:
        """Take note that the engine closes: what is released from here on goes on in the next process."""

    def close(self) -> None:
        """Save what is to be saved, and end."""

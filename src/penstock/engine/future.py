"""What :meth:`Engine.submit` returns."""

from __future__ import annotations

from concurrent.futures import Future

from penstock.batching import Ticket
from penstock.engine.session import Arrays

__all__ = ["InferenceFuture"]


class InferenceFuture(Future[Arrays]):
    """The answer to come of one request.

    ``result()`` gives a dict of arrays or raises a :class:`~penstock.errors.PenstockError`.

    Attributes
    ----------
    version : int
        The model version that the request was bound to when it was admitted.
    """

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version
        self._ticket: Ticket | None = None

    def follow(self, ticket: Ticket) -> None:
        """Connect to the queue's side of the request."""
        self._ticket = ticket

    def cancel(self) -> bool:
        """Withdraw the request; false when it was answered already."""
        cancelled = super().cancel()
        if cancelled and self._ticket is not None:
            self._ticket.withdraw()
        return cancelled

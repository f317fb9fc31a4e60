"""What a sink is: one place that an alert is told to. Read next: courier.py, which calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from penstock.errors import PenstockError
from penstock.monitor.alerts import Alert

__all__ = ["DeliveryError", "RepeatingSink", "Sink", "SinkStatus"]


class DeliveryError(PenstockError, ConnectionError):
    """An alert did not reach its sink. The message is logged, so it holds no secret.

    Attributes
    ----------
    permanent : bool
        The receiver refused this alert itself; sending it again would not help.
    retry_after_s : float
        How long the receiver asks to be left alone; 0 where it did not say.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


class Sink(Protocol):
    """One place that alerts are told to.

    A sink makes one attempt and returns; retries, order, time limits and storage are its caller's.
    It is called by one thread at a time, always the same, and never by one that serves.
    """

    def send(self, alert: Alert) -> None:
        """Tell an alert, once.

        The same alert may come again, with the same `id` and `sequence`.

        Raises
        ------
        DeliveryError
            When it did not arrive. Any other exception is taken as one that may pass.
        """
        ...


@runtime_checkable
class RepeatingSink(Sink, Protocol):
    """A sink whose receiver forgets: what still fires is told again.

    Attributes
    ----------
    repeat_s : float
        Seconds between two times.
    """

    repeat_s: float


@dataclass(frozen=True)
class SinkStatus:
    """What became of the alerts of one sink since the process started.

    Attributes
    ----------
    sent : int
        Messages delivered; repetitions of what still fires do not count.
    failed_attempts : int
    dropped : int
        Messages given up: refused by the receiver, too old, or too many.
    waiting : int
        Messages not delivered yet, with the one on its way.
    last_error : str
        What the last attempt failed with; empty where it succeeded.
    """

    sent: int
    failed_attempts: int
    dropped: int
    waiting: int
    last_error: str

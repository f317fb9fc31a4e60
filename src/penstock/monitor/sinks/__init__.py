"""Where alerts go. Read first: dispatcher.py, then courier.py and sink.py."""

from penstock.monitor.sinks.backoff import Backoff
from penstock.monitor.sinks.dispatcher import Dispatcher
from penstock.monitor.sinks.open import open_sink
from penstock.monitor.sinks.sink import DeliveryError, RepeatingSink, Sink, SinkStatus

__all__ = ["Backoff", "DeliveryError", "Dispatcher", "RepeatingSink", "Sink", "SinkStatus", "open_sink"]

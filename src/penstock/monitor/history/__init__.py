"""What outlives the process: closed windows, their comparisons, the open window. Read first: history.py."""

from penstock.monitor.history.checkpoint import OpenWindow
from penstock.monitor.history.closed import ClosedWindow
from penstock.monitor.history.history import History

__all__ = ["ClosedWindow", "History", "OpenWindow"]

"""Statistics over time: data cut into windows, each compared with a baseline. Read first: cut.py."""

from penstock.monitor.timeline.counter import TimelineCounter
from penstock.monitor.timeline.cut import Cut
from penstock.monitor.timeline.timeline import Point, Span, Timeline

__all__ = ["Cut", "Point", "Span", "Timeline", "TimelineCounter"]

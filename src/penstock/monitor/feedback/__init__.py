"""Labels that come late, joined with what was answered. Read first: feedback.py."""

from penstock.monitor.feedback.feedback import Feedback, FeedbackFollower, FeedbackStatus
from penstock.monitor.feedback.result import JoinResult

__all__ = ["Feedback", "FeedbackFollower", "FeedbackStatus", "JoinResult"]

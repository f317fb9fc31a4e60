"""The prediction log: rows as they were answered, in Parquet files. Read first: log.py."""

from penstock.monitor.log.log import LogFollower, LogStatus, PredictionLog

__all__ = ["LogFollower", "LogStatus", "PredictionLog"]

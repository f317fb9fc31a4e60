"""Alerts: what moved, said once, within a budget of false alarms. Read first: alert.py."""

from penstock.monitor.alerts.alert import Alert, Finding

__all__ = ["Alert", "Finding"]

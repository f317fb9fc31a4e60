"""Alerts: what moved, said once, within a budget of false alarms. Read first: alert.py, then alarms.py."""

from penstock.monitor.alerts.alarms import Alarms
from penstock.monitor.alerts.alert import Alert, Finding
from penstock.monitor.alerts.budget import Budget
from penstock.monitor.alerts.watch import Watch

__all__ = ["Alarms", "Alert", "Budget", "Finding", "Watch"]

"""Data quality: what comes to a model and is not as it should be. Read first: rules.py, then checks.py."""

from penstock.monitor.rules.checks import DataCheck, data_checks
from penstock.monitor.rules.counts import DoorCounts, RuleCounts
from penstock.monitor.rules.expected import broken_in
from penstock.monitor.rules.findings import data_findings
from penstock.monitor.rules.rules import Rules

__all__ = [
    "DataCheck",
    "DoorCounts",
    "RuleCounts",
    "Rules",
    "broken_in",
    "data_checks",
    "data_findings",
]

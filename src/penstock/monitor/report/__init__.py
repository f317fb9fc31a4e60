"""Reports: the values (report.py), the table for a terminal (table.py), the page for a browser (page.py)."""

from penstock.monitor.report.report import DriftReport, FeatureDrift, Severity

__all__ = ["DriftReport", "FeatureDrift", "Severity"]

"""Transforms that are learned from data, by Penstock's own steps."""

from penstock.transform.fit.fit import Fitted, fit, fit_with_report

__all__ = ["Fitted", "fit", "fit_with_report"]

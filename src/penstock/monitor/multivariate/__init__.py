"""Checks of all features together, on samples of rows. Read first: reservoir.py, then checks.py."""

from penstock.monitor.multivariate.checks import domain_check, joint_checks, pca_check
from penstock.monitor.multivariate.multivariate_baseline import MultivariateBaseline, reference_rows
from penstock.monitor.multivariate.reservoir import Reservoir
from penstock.monitor.multivariate.row_sample import RowSample
from penstock.monitor.multivariate.table_sample import TableSample

__all__ = [
    "MultivariateBaseline",
    "Reservoir",
    "RowSample",
    "TableSample",
    "domain_check",
    "joint_checks",
    "pca_check",
    "reference_rows",
]

"""How large a statistic gets when nothing moved: p-values, noise levels and the correction over features.

Read first: checks.py, what alarms by default; then noise.py, which says how to read every other statistic.
"""

from penstock.monitor.calibration.check import Check
from penstock.monitor.calibration.checks import LEAST_ROWS, begin_checks, checks, checks_of_each
from penstock.monitor.calibration.holm import holm
from penstock.monitor.calibration.noise import noise

__all__ = ["LEAST_ROWS", "Check", "begin_checks", "checks", "checks_of_each", "holm", "noise"]

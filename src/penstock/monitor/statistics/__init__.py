"""Statistics of two profiles of one feature: one file each; by name in :data:`STATISTICS`.

All work on counts that merge exactly, none on raw values. What is much: ``penstock.monitor.calibration``.
"""

from penstock.monitor.statistics.chi_square import chi_square
from penstock.monitor.statistics.cramer_von_mises import cramer_von_mises
from penstock.monitor.statistics.g import g
from penstock.monitor.statistics.hellinger import hellinger
from penstock.monitor.statistics.jensen_shannon import jensen_shannon_distance, jensen_shannon_divergence
from penstock.monitor.statistics.kolmogorov_smirnov import kolmogorov_smirnov, kolmogorov_smirnov_bound
from penstock.monitor.statistics.l_infinity import l_infinity
from penstock.monitor.statistics.mean_shift import mean_shift
from penstock.monitor.statistics.missing import missing
from penstock.monitor.statistics.out_of_range import out_of_range
from penstock.monitor.statistics.psi import psi
from penstock.monitor.statistics.registry import STATISTICS, statistics_of, statistics_of_each
from penstock.monitor.statistics.unseen import unseen
from penstock.monitor.statistics.wasserstein import wasserstein

__all__ = [
    "STATISTICS",
    "chi_square",
    "cramer_von_mises",
    "g",
    "hellinger",
    "jensen_shannon_distance",
    "jensen_shannon_divergence",
    "kolmogorov_smirnov",
    "kolmogorov_smirnov_bound",
    "l_infinity",
    "mean_shift",
    "missing",
    "out_of_range",
    "psi",
    "statistics_of",
    "statistics_of_each",
    "unseen",
    "wasserstein",
]

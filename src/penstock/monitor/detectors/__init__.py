"""Sequential detectors of drift in one stream of numbers: a feature's mean, an error, a confidence."""

from penstock.monitor.detectors._detectors import Detector, WarningDetector
from penstock.monitor.detectors.adwin import ADWIN
from penstock.monitor.detectors.cusum import CUSUM
from penstock.monitor.detectors.ddm import DDM
from penstock.monitor.detectors.eddm import EDDM
from penstock.monitor.detectors.hddm_a import HDDM_A
from penstock.monitor.detectors.hddm_w import HDDM_W
from penstock.monitor.detectors.kswin import KSWIN
from penstock.monitor.detectors.page_hinkley import PageHinkley

__all__ = [
    "ADWIN",
    "CUSUM",
    "DDM",
    "DETECTORS",
    "EDDM",
    "HDDM_A",
    "HDDM_W",
    "KSWIN",
    "Detector",
    "PageHinkley",
    "WarningDetector",
]

DETECTORS: dict[str, type[Detector]] = {
    kind.__name__: kind for kind in (ADWIN, CUSUM, DDM, EDDM, HDDM_A, HDDM_W, KSWIN, PageHinkley)
}

# distutils: language = c++
"""Compiled detectors: csrc/monitor/detectors for Python; the contracts are in _detectors.pyi."""

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.pair cimport pair
from libcpp.string cimport string
from libcpp.vector cimport vector

from types import MappingProxyType

import numpy as np

from penstock.errors import SignatureError
from penstock.monitor.detectors.encoding import decode, encode

cdef extern from "<mutex>" namespace "std" nogil:
    cdef cppclass mutex:
        void lock()
        cbool try_lock()
        void unlock()

ctypedef const char* name_t

cdef extern from "monitor/detectors/any_detector.h" namespace "penstock" nogil:
    cdef struct DetectorStatus:
        int64_t taken
        int64_t ignored
        int64_t detections
        cbool drift
        cbool warning

    cdef cppclass AnyDetector:
        cbool update(double x)
        void update_many(const double* x, int64_t n, vector[int64_t]* found) except +
        void reset()
        DetectorStatus status()
        void estimates(vector[pair[name_t, double]]* out) except +
        string save() except +
        cbool load(const char* data, size_t size) except +
        mutex& mutex()

    cdef cppclass DetectorOf[T](AnyDetector):
        DetectorOf(...) except +

cdef extern from "monitor/detectors/mean.h" namespace "penstock":
    cdef enum class Side:
        kUp
        kDown
        kBoth

cdef extern from "monitor/detectors/adwin.h" namespace "penstock":
    cdef cppclass CppAdwin "penstock::Adwin":
        pass

cdef extern from "monitor/detectors/cusum.h" namespace "penstock":
    cdef cppclass CppCusum "penstock::Cusum":
        pass

cdef extern from "monitor/detectors/ddm.h" namespace "penstock":
    cdef cppclass CppDdm "penstock::Ddm":
        pass

cdef extern from "monitor/detectors/eddm.h" namespace "penstock":
    cdef cppclass CppEddm "penstock::Eddm":
        pass

cdef extern from "monitor/detectors/hddm_a.h" namespace "penstock":
    cdef cppclass CppHddmA "penstock::HddmA":
        pass

cdef extern from "monitor/detectors/hddm_w.h" namespace "penstock":
    cdef cppclass CppHddmW "penstock::HddmW":
        pass

cdef extern from "monitor/detectors/kswin.h" namespace "penstock":
    cdef cppclass CppKswin "penstock::Kswin":
        pass

cdef extern from "monitor/detectors/page_hinkley.h" namespace "penstock":
    cdef cppclass CppPageHinkley "penstock::PageHinkley":
        pass


cdef Side _side(str mode):
    return {"up": Side.kUp, "down": Side.kDown, "both": Side.kBoth}[mode]


cdef class Detector:
    """See _detectors.pyi."""

    cdef unique_ptr[AnyDetector] any
    cdef readonly object parameters

    cdef void hold(self, AnyDetector* made, dict parameters):
        self.any.reset(made)
        self.parameters = MappingProxyType(parameters)

    cdef AnyDetector* locked(self) except NULL:
        """Return the detector with its mutex held: the caller unlocks it."""
        cdef AnyDetector* any = self.any.get()
        if any is NULL:
            raise TypeError("expected a constructed detector, got one without parameters")
        if not any.mutex().try_lock():
            with nogil:
                any.mutex().lock()
        return any

    def update(self, x):
        if isinstance(x, (float, int, np.generic)):
            return self._update_one(x)
        return self._update_many(x)

    cdef object _update_one(self, double x):
        cdef AnyDetector* any = self.locked()
        cdef cbool found = any.update(x)
        any.mutex().unlock()
        return found

    cdef object _update_many(self, object x):
        array = np.asarray(x, np.float64, order="C")
        if array.ndim == 0:
            return self._update_one(array[()])
        if array.ndim != 1:
            raise SignatureError(f"expected one value or an array of shape (n,), got shape {array.shape}")
        cdef const double[::1] values = array
        cdef int64_t n = values.shape[0]
        cdef vector[int64_t] found
        cdef AnyDetector* any = self.locked()
        any.mutex().unlock()
        if n > 0:
            with nogil:
                any.update_many(&values[0], n, &found)
        indices = np.empty(<int64_t>found.size(), np.int64)
        cdef int64_t[::1] out = indices
        cdef int64_t i
        for i in range(<int64_t>found.size()):
            out[i] = found[i]
        return indices

    def reset(self):
        cdef AnyDetector* any = self.locked()
        any.reset()
        any.mutex().unlock()

    def estimates(self):
        cdef vector[pair[name_t, double]] out
        cdef AnyDetector* any = self.locked()
        try:
            any.estimates(&out)
        finally:
            any.mutex().unlock()
        return {pair.first.decode(): pair.second for pair in out}

    cdef DetectorStatus status(self) except *:
        cdef AnyDetector* any = self.locked()
        cdef DetectorStatus status = any.status()
        any.mutex().unlock()
        return status

    @property
    def drift(self):
        return self.status().drift

    @property
    def n(self):
        return self.status().taken

    @property
    def ignored(self):
        return self.status().ignored

    @property
    def detections(self):
        return self.status().detections

    @property
    def width(self):
        return int(self.estimates()["width"])

    def _save(self):
        cdef AnyDetector* any = self.locked()
        try:
            return <bytes>any.save()
        finally:
            any.mutex().unlock()

    def _load(self, bytes state not None):
        cdef const char* data = state
        cdef AnyDetector* any = self.locked()
        try:
            return any.load(data, len(state))
        finally:
            any.mutex().unlock()

    def to_bytes(self):
        return encode(self)

    @classmethod
    def from_bytes(cls, data):
        return decode(data, cls)

    def __reduce__(self):
        return type(self).from_bytes, (self.to_bytes(),)

    def __repr__(self):
        settings = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({settings})"


cdef class WarningDetector(Detector):
    """See _detectors.pyi."""

    @property
    def warning(self):
        return self.status().warning


cdef class ADWIN(Detector):
    """Adwin of csrc/monitor/detectors/adwin.h."""

    def __init__(self, *, double delta, int64_t clock, int64_t max_buckets, int64_t min_window_length,
                 int64_t grace_period, bint restart):
        self.hold(
            new DetectorOf[CppAdwin](delta, clock, max_buckets, min_window_length, grace_period, restart),
            dict(delta=delta, clock=clock, max_buckets=max_buckets, min_window_length=min_window_length,
                 grace_period=grace_period, restart=restart))


cdef class CUSUM(Detector):
    """Cusum of csrc/monitor/detectors/cusum.h."""

    def __init__(self, *, object mean, object standard_deviation, double allowance, double threshold,
                 int64_t warm_start, str mode):
        cdef double target = NAN if mean is None else mean
        cdef double deviation = NAN if standard_deviation is None else standard_deviation
        cdef int64_t learned = warm_start if mean is None else 0
        self.hold(
            new DetectorOf[CppCusum](target, deviation, allowance, threshold, learned, _side(mode)),
            dict(mean=mean, standard_deviation=standard_deviation, allowance=allowance, threshold=threshold,
                 warm_start=warm_start, mode=mode))


cdef class DDM(WarningDetector):
    """Ddm of csrc/monitor/detectors/ddm.h."""

    def __init__(self, *, int64_t warm_start, double warning_threshold, double drift_threshold):
        self.hold(
            new DetectorOf[CppDdm](warm_start, warning_threshold, drift_threshold),
            dict(warm_start=warm_start, warning_threshold=warning_threshold,
                 drift_threshold=drift_threshold))


cdef class EDDM(WarningDetector):
    """Eddm of csrc/monitor/detectors/eddm.h."""

    def __init__(self, *, int64_t warm_start, double alpha, double beta):
        self.hold(
            new DetectorOf[CppEddm](warm_start, alpha, beta),
            dict(warm_start=warm_start, alpha=alpha, beta=beta))


cdef class HDDM_A(WarningDetector):
    """HddmA of csrc/monitor/detectors/hddm_a.h."""

    def __init__(self, *, double drift_confidence, double warning_confidence, bint two_sided):
        self.hold(
            new DetectorOf[CppHddmA](drift_confidence, warning_confidence, two_sided),
            dict(drift_confidence=drift_confidence, warning_confidence=warning_confidence,
                 two_sided=two_sided))


cdef class HDDM_W(WarningDetector):
    """HddmW of csrc/monitor/detectors/hddm_w.h."""

    def __init__(self, *, double drift_confidence, double warning_confidence, double weight,
                 bint two_sided):
        self.hold(
            new DetectorOf[CppHddmW](drift_confidence, warning_confidence, weight, two_sided),
            dict(drift_confidence=drift_confidence, warning_confidence=warning_confidence, weight=weight,
                 two_sided=two_sided))


cdef class KSWIN(Detector):
    """Kswin of csrc/monitor/detectors/kswin.h."""

    def __init__(self, *, double alpha, int64_t window_size, int64_t stat_size, uint64_t seed):
        self.hold(
            new DetectorOf[CppKswin](alpha, window_size, stat_size, seed),
            dict(alpha=alpha, window_size=window_size, stat_size=stat_size, seed=seed))


cdef class PageHinkley(Detector):
    """PageHinkley of csrc/monitor/detectors/page_hinkley.h."""

    def __init__(self, *, int64_t min_instances, double delta, double threshold, double alpha, str mode):
        self.hold(
            new DetectorOf[CppPageHinkley](min_instances, delta, threshold, alpha, _side(mode)),
            dict(min_instances=min_instances, delta=delta, threshold=threshold, alpha=alpha, mode=mode))

# distutils: language = c++
"""Compiled accumulators: csrc/monitor/accumulator.h for Python; the contracts are in _accumulator.pyi."""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

import math

import numpy as np

from penstock.errors import ConfigError, SignatureError, UnsupportedError

from penstock.transform._columns cimport Columns, ColumnView, Layout

cnp.import_array()

cdef extern from "monitor/accumulator.h" namespace "penstock" nogil:
    cdef cppclass Kernels:
        const char* name

    const Kernels* find_kernels(const char* name)

    cdef cppclass FeatureLayout:
        cbool numeric
        vector[double] edges
        double low
        double high
        vector[string] categories

    cdef cppclass Item "penstock::Frequent::Item":
        string text
        int64_t count

    cdef cppclass Frequent:
        vector[Item] items()

    cdef cppclass NumericCounts:
        int64_t missing
        int64_t infinite
        int64_t finite
        int64_t below
        int64_t above
        double mean
        double squares
        double minimum
        double maximum
        vector[int64_t] histogram
        vector[uint8_t] registers

    cdef cppclass CategoricalCounts:
        int64_t missing
        int64_t unseen
        vector[int64_t] counts
        Frequent top
        vector[uint8_t] registers

    cdef cppclass FeatureCounts:
        NumericCounts numeric
        CategoricalCounts categorical

    cdef cppclass Counts:
        int64_t rows
        vector[FeatureCounts] features

    cdef cppclass CppAccumulator "penstock::Accumulator":
        CppAccumulator(const vector[FeatureLayout]&, const Kernels*) except +
        void update(const ColumnView*, int64_t) except +
        Counts counts() except +
        Counts take() except +
        void reset()

    int64_t kRegisters

cdef enum:
    _EDGES_AT_MOST = 65535


cdef FeatureLayout _layout_of(object feature) except *:
    cdef FeatureLayout layout
    layout.numeric = feature.kind == "numeric"
    if not layout.numeric:
        for text in feature.categories:
            layout.categories.push_back(text.encode())
        return layout
    edges = np.asarray(feature.edges, dtype=np.float64)
    if len(edges) > _EDGES_AT_MOST or np.isnan(edges).any() or (np.diff(edges) <= 0).any():
        raise ConfigError(
            f'feature "{feature.name}": expected at most {_EDGES_AT_MOST} edges that increase strictly'
        )
    layout.edges = edges.tolist()
    layout.low = -math.inf if math.isnan(feature.minimum) else feature.minimum
    layout.high = math.inf if math.isnan(feature.maximum) else feature.maximum
    return layout


cdef bint _is_text(const ColumnView& view) noexcept nogil:
    cdef Layout layout = view.layout if view.dictionary == NULL else view.dictionary.layout
    return layout >= Layout.kText32 and layout <= Layout.kTextRefs


cdef object _array_of(const vector[int64_t]& values):
    cdef cnp.npy_intp size = <cnp.npy_intp>values.size()
    cdef cnp.ndarray array = cnp.PyArray_SimpleNew(1, &size, cnp.NPY_INT64)
    if size > 0:
        memcpy(cnp.PyArray_DATA(array), values.data(), <size_t>size * sizeof(int64_t))
    return array


cdef object _registers_of(const vector[uint8_t]& registers):
    """Registers as bytes; none of them set is no bytes."""
    cdef bytes found = PyBytes_FromStringAndSize(<const char*>registers.data(), kRegisters)
    return found if found.strip(b"\0") else b""


cdef dict _numeric_counts(const NumericCounts& counts):
    cdef bint some = counts.finite > 0
    return {
        "missing": counts.missing,
        "infinite": counts.infinite,
        "below": counts.below,
        "above": counts.above,
        "mean": counts.mean if some else math.nan,
        "m2": counts.squares if some else math.nan,
        "minimum": counts.minimum if some else math.nan,
        "maximum": counts.maximum if some else math.nan,
        "histogram": _array_of(counts.histogram),
        "registers": _registers_of(counts.registers),
    }


cdef dict _categorical_counts(CategoricalCounts& counts):
    cdef vector[Item] kept = counts.top.items()
    cdef dict top = {}
    cdef size_t i
    for i in range(kept.size()):
        text = (<bytes>kept[i].text).decode("utf-8", "backslashreplace")
        top[text] = top.get(text, 0) + kept[i].count
    return {
        "missing": counts.missing,
        "unseen": counts.unseen,
        "counts": _array_of(counts.counts),
        "unseen_top": tuple(sorted(top.items(), key=lambda pair: (-pair[1], pair[0]))),
        "registers": _registers_of(counts.registers),
    }


@cython.final
cdef class Accumulator:
    """Counts of the columns of one layout."""

    cdef unique_ptr[CppAccumulator] accumulator
    cdef vector[uint8_t] numeric
    cdef bint only_numeric
    cdef readonly str vectors

    def __cinit__(self, features, *, vectors=None):
        cdef vector[FeatureLayout] layouts
        cdef bytes name = b"" if vectors is None else vectors.encode()
        cdef const char* wanted = NULL
        if vectors is not None:
            wanted = name
        cdef const Kernels* kernels = find_kernels(wanted)
        if kernels == NULL:
            raise UnsupportedError(f"this processor or build has no {vectors!r}")
        self.vectors = (<bytes>kernels.name).decode()
        self.only_numeric = True
        for feature in features:
            layouts.push_back(_layout_of(feature))
            self.numeric.push_back(layouts.back().numeric)
            self.only_numeric = self.only_numeric and layouts.back().numeric
        try:
            self.accumulator.reset(new CppAccumulator(layouts, kernels))
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def update(self, Columns columns not None):
        """Count all rows of bound columns."""
        cdef size_t i
        cdef int64_t rows = columns.rows
        if columns.views.size() != self.numeric.size():
            raise SignatureError(f"expected {self.numeric.size()} columns, got {columns.views.size()}")
        for i in range(self.numeric.size()):
            if _is_text(columns.views[i]) == <bint>self.numeric[i]:
                raise SignatureError(f"column {i}: expected {'numbers' if self.numeric[i] else 'text'}")
        cdef const ColumnView* first = columns.views.data()
        with nogil:
            self.accumulator.get().update(first, rows)

    def update_matrix(self, cnp.ndarray matrix not None):
        """Count all rows of a matrix of floats or doubles."""
        cdef int number = cnp.PyArray_TYPE(matrix)
        cdef vector[ColumnView] views
        cdef const char* first
        cdef int64_t rows
        cdef size_t i, count = self.numeric.size()
        if (not self.only_numeric or cnp.PyArray_NDIM(matrix) != 2
                or <size_t>cnp.PyArray_DIM(matrix, 1) != count):
            raise SignatureError(
                f"expected a matrix of shape (n, {count}) for {count} columns of numbers, "
                f"got shape {(<object>matrix).shape}"
            )
        if number not in (cnp.NPY_FLOAT32, cnp.NPY_FLOAT64) or not cnp.PyArray_ISBEHAVED_RO(matrix):
            raise SignatureError(f"expected aligned float32 or float64, got {matrix.dtype}")
        rows = cnp.PyArray_DIM(matrix, 0)
        first = cnp.PyArray_BYTES(matrix)
        views.resize(count)
        for i in range(count):
            views[i].layout = Layout.kFloat if number == cnp.NPY_FLOAT32 else Layout.kDouble
            views[i].length = rows
            views[i].values = <const void*>(first + <int64_t>i * cnp.PyArray_STRIDE(matrix, 1))
            views[i].stride = cnp.PyArray_STRIDE(matrix, 0)
        with nogil:
            self.accumulator.get().update(views.data(), rows)

    def counts(self, *, bint reset=False):
        """Return the rows and what was counted of each column; all of one moment."""
        cdef Counts found
        with nogil:
            found = self.accumulator.get().take() if reset else self.accumulator.get().counts()
        features = []
        cdef size_t i
        for i in range(found.features.size()):
            if self.numeric[i]:
                features.append(_numeric_counts(found.features[i].numeric))
            else:
                features.append(_categorical_counts(found.features[i].categorical))
        return found.rows, features

    def reset(self):
        """Forget everything that was counted."""
        with nogil:
            self.accumulator.get().reset()

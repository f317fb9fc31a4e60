# distutils: language = c++
"""Compiled accumulators: csrc/monitor/accumulator.h for Python; the contracts are in _accumulator.pyi."""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

import math

import numpy as np

from penstock.errors import ConfigError, SignatureError, UnsupportedError

from penstock.batching._queue cimport BatchObserver, CppBatchObserver
from penstock.transform._columns cimport Columns, ColumnView, Layout, layout_of

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
        vector[vector[double]] fit(const ColumnView*, int64_t, int) except +
        void update(const ColumnView*, int64_t) except +
        Counts counts() except +
        Counts take() except +
        void reset()

    int64_t kRegisters

cdef extern from "monitor/batch_counter.h" namespace "penstock" nogil:
    cdef cppclass FeaturePlace:
        cbool is_output
        size_t tensor
        size_t first_byte
        size_t row_bytes
        Layout layout

    cdef cppclass CppBatchCounter "penstock::BatchCounter"(CppBatchObserver):
        void count(shared_ptr[CppAccumulator] accumulator, vector[FeaturePlace] places, int64_t full_rows)
        void hand_on(cbool others)
        int64_t take_rows()

cdef extern from "monitor/edges.h" namespace "penstock" nogil:
    cdef cppclass Edges:
        vector[double] edges

    Edges cpp_choose_edges "penstock::choose_edges"(const double*, int64_t, int) except +

cdef enum:
    _EDGES_AT_MOST = 65535

cdef int64_t _NEVER = INT64_MAX


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


cdef object _doubles_of(const vector[double]& values):
    cdef cnp.npy_intp size = <cnp.npy_intp>values.size()
    cdef cnp.ndarray array = cnp.PyArray_SimpleNew(1, &size, cnp.NPY_FLOAT64)
    if size > 0:
        memcpy(cnp.PyArray_DATA(array), values.data(), <size_t>size * sizeof(double))
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


cdef int _view_of_columns(Columns columns, int64_t number, ColumnView* view) except -1:
    if number < 0 or <size_t>number >= columns.views.size():
        raise SignatureError(f"expected a column below {columns.views.size()}, got {number}")
    view[0] = columns.views[number]
    return 0


cdef int _view_of_array(cnp.ndarray array, int64_t number, ColumnView* view) except -1:
    cdef int dimensions = cnp.PyArray_NDIM(array)
    cdef int64_t width = cnp.PyArray_DIM(array, 1) if dimensions == 2 else 1
    if dimensions not in (1, 2) or number < 0 or number >= width or not cnp.PyArray_ISBEHAVED_RO(array):
        raise SignatureError(
            f"expected an aligned array with a column {number}, got shape {(<object>array).shape}"
        )
    view.layout = layout_of(cnp.PyArray_TYPE(array))
    view.length = cnp.PyArray_DIM(array, 0)
    view.stride = cnp.PyArray_STRIDE(array, 0)
    view.values = <const void*>cnp.PyArray_BYTES(array)
    if dimensions == 2:
        view.values = <const void*>(cnp.PyArray_BYTES(array) + number * cnp.PyArray_STRIDE(array, 1))
    return 0


cdef const void* _data_of(cnp.ndarray array, int number) except NULL:
    cdef bint typed = cnp.PyArray_EquivTypenums(cnp.PyArray_TYPE(array), number)
    if not typed or not cnp.PyArray_IS_C_CONTIGUOUS(array):
        raise SignatureError(f"expected contiguous places, got {array.dtype}")
    return cnp.PyArray_DATA(array)


def choose_edges(const double[::1] values not None, int bins):
    """Choose the edges of at most so many bins; without the GIL."""
    cdef const double* first = &values[0] if values.shape[0] else NULL
    cdef int64_t n = values.shape[0]
    cdef Edges found
    with nogil:
        found = cpp_choose_edges(first, n, bins)
    return _doubles_of(found.edges)


@cython.final
cdef class Accumulator:
    """Counts of the columns of one layout."""

    cdef shared_ptr[CppAccumulator] accumulator
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
            self.accumulator = make_shared[CppAccumulator](layouts, kernels)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def fit(self, Columns columns not None, int bins):
        """Choose the edges of numbers from bound columns, and count those."""
        return self.fit_parts([columns], np.zeros(self.numeric.size(), np.int32),
                              np.arange(self.numeric.size()), columns.rows, bins)

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

    cdef vector[ColumnView] _views(self, list parts, cnp.ndarray part, cnp.ndarray column,
                                   int64_t rows) except *:
        cdef vector[ColumnView] views
        cdef const int32_t* in_part
        cdef const int64_t* in_column
        cdef size_t i, count = self.numeric.size()
        cdef int64_t number
        cdef object held
        if <size_t>cnp.PyArray_SIZE(part) != count or <size_t>cnp.PyArray_SIZE(column) != count:
            raise SignatureError(f"expected the places of {count} features, got {part.size}")
        # Typed memoryviews would take longer to make than to read.
        in_part = <const int32_t*>_data_of(part, cnp.NPY_INT32)
        in_column = <const int64_t*>_data_of(column, cnp.NPY_INT64)
        views.resize(count)
        for i in range(count):
            if not 0 <= in_part[i] < len(parts):
                raise SignatureError(f"feature {i}: expected a part below {len(parts)}, got {in_part[i]}")
            held = parts[in_part[i]]
            number = in_column[i]
            if isinstance(held, Columns):
                _view_of_columns(<Columns>held, number, &views[i])
            else:
                _view_of_array(<cnp.ndarray?>held, number, &views[i])
            if views[i].length != rows:
                raise SignatureError(f"feature {i}: expected {rows} rows, got {views[i].length}")
            if _is_text(views[i]) == <bint>self.numeric[i]:
                raise SignatureError(f"feature {i}: expected {'numbers' if self.numeric[i] else 'text'}")
        return views

    def fit_parts(self, list parts not None, cnp.ndarray part not None, cnp.ndarray column not None,
                  int64_t rows, int bins):
        """Choose the edges of numbers from rows, and count them; the arguments are those of update_parts."""
        cdef vector[ColumnView] views = self._views(parts, part, column, rows)
        cdef vector[vector[double]] edges
        cdef size_t i
        with nogil:
            edges = self.accumulator.get().fit(views.data(), rows, bins)
        return [_doubles_of(edges[i]) for i in range(edges.size())]

    def update_parts(self, list parts not None, cnp.ndarray part not None, cnp.ndarray column not None,
                     int64_t rows):
        """Count rows whose columns lie in several places.

        Parameters
        ----------
        parts : list of ndarray of numbers, shape (rows,) or (rows, k), or of bound Columns
        part, column : ndarray of int32 and of int64, shape (n_features,), contiguous
            Where each feature is: the part, and the column of it.
        rows : int
        """
        cdef vector[ColumnView] views = self._views(parts, part, column, rows)
        with nogil:
            self.accumulator.get().update(views.data(), rows)

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


@cython.final
cdef class BatchCounter(BatchObserver):
    """Counts what was answered without Python: csrc/monitor/batch_counter.h."""

    cdef shared_ptr[CppBatchCounter] counter

    def __cinit__(self):
        self.counter = make_shared[CppBatchCounter]()
        self.observer = <shared_ptr[CppBatchObserver]>self.counter

    def count(self, Accumulator accumulator not None, places, object full_rows=None):
        """Count from here on."""
        cdef vector[FeaturePlace] native
        cdef FeaturePlace place
        for is_output, tensor, column, columns, dtype in places:
            place.is_output = is_output
            place.tensor = tensor
            place.layout = Layout.kTextRefs
            if dtype is not None:
                place.layout = layout_of(dtype.num)
                place.first_byte = column * dtype.itemsize
                place.row_bytes = columns * dtype.itemsize
            native.push_back(place)
        if native.size() != accumulator.numeric.size():
            raise ValueError(
                f"expected the places of {accumulator.numeric.size()} features, got {native.size()}")
        self.counter.get().count(
            accumulator.accumulator, move(native), _NEVER if full_rows is None else <int64_t>full_rows)

    def hand_on(self, bint others):
        """Leave everything to executors, who show it to others too."""
        self.counter.get().hand_on(others)

    def take_rows(self):
        """Return how many rows were seen since the last call."""
        return self.counter.get().take_rows()

# distutils: language = c++
"""Binding: from what a caller has to views of its columns; the contracts are in _columns.pyi."""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.math cimport NAN
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport strcmp
from libcpp.string cimport string
from libcpp.vector cimport vector

from penstock.transform._columns cimport Arena, ColumnView, Layout

from collections.abc import Mapping

import numpy as np

from penstock.errors import SignatureError
from penstock.imports import imported
from penstock.transform.frames import array_from_pandas, column_arrays, in_one_piece
from penstock.transform.objects import is_missing_object, typed_array
from penstock.transform.spec import TYPES

cnp.import_array()

cdef extern from "Python.h" nogil:
    bint PyUnicode_CheckExact(PyObject* item)
    bint PyUnicode_IS_COMPACT_ASCII(PyObject* text)
    void* PyUnicode_DATA(PyObject* text)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject* text)

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* memory) nogil

cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        string_view()
        string_view(const char* data, size_t size)
        const char* data()
        size_t size()

cdef extern from "columns/arrow_abi.h" nogil:
    ctypedef struct ArrowSchema:
        const char* format
        const char* name
        int64_t n_children
        ArrowSchema** children
        ArrowSchema* dictionary
        void (*release)(ArrowSchema*) noexcept

    ctypedef struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void** buffers
        ArrowArray** children
        ArrowArray* dictionary
        void (*release)(ArrowArray*) noexcept

    ctypedef struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream*, ArrowSchema*) noexcept nogil
        int (*get_next)(ArrowArrayStream*, ArrowArray*) noexcept nogil
        const char* (*get_last_error)(ArrowArrayStream*) noexcept

cdef extern from "columns/arrow.h" namespace "penstock" nogil:
    cdef enum class ColumnType(uint8_t):
        kBool
        kString
        kFloat32
        kFloat64
        kDate32
        kNanoseconds
        kNull

    cdef enum class ArrowProblem(uint8_t):
        kNone
        kType
        kLength
        kBuffers
        kCode

    bint type_of(const ArrowSchema& schema, ColumnType* type)
    string type_name(const ArrowSchema& schema)
    ArrowProblem view_array(const ArrowSchema& schema, const ArrowArray& array, int64_t offset,
                            int64_t length, Arena* arena, ColumnView* view, int64_t* row) except +

cdef extern from "columns/values.h" namespace "penstock" nogil:
    void view_missing(ColumnType type, int64_t length, Arena* arena, ColumnView* view) except +
    bint is_missing(const ColumnView& view, int64_t row)
    string_view text_at(const ColumnView& view, int64_t row)
    double number_at(const ColumnView& view, int64_t row)
    int64_t integer_at(const ColumnView& view, int64_t row)
    int64_t first_inexact(const ColumnView& view)
    int64_t scale_times(int64_t factor, Arena* arena, ColumnView* view) except +
    int64_t view_prefixed(const void* data, int64_t size_bytes, int64_t length, Arena* arena,
                          ColumnView* view) except +

# In the order of ColumnType; "number", which stands for any number, comes last.
_NAMES = (*TYPES[1:], "null", TYPES[0])
cdef uint8_t _NUMBER = len(_NAMES) - 1
cdef enum:
    _TYPES_AT_MOST = 32
    _NUMPY_TYPES = 32
    _TEXTS_AHEAD = 16

# What a column of one type is to a transform that wants another: as a caller has it, and as a tensor.
cdef enum Fit:
    _REFUSED
    _FITS
    _FITS_WHERE_EXACT
    _SCALED

cdef uint8_t[2][_TYPES_AT_MOST][_TYPES_AT_MOST] _FIT
cdef int64_t[_TYPES_AT_MOST] _PER_DAY

# numpy's type numbers: how a column of each lies, and its type.
cdef uint8_t[_NUMPY_TYPES] _LAYOUT_OF
cdef uint8_t[_NUMPY_TYPES] _TYPE_OF
cdef uint8_t _UNKNOWN = 255


def _fill_tables():
    lossless = {"float64": ("float32", "int8", "int16", "int32", "uint8", "uint16", "uint32"),
                "float32": ("int8", "int16", "uint8", "uint16")}
    numbers = _NAMES[:11]
    times = {"date32": 1, "timestamp[s]": 86400, "timestamp[ms]": 86400000, "timestamp[us]": 86400000000,
             "timestamp[ns]": 86400000000000}
    for i, want in enumerate(_NAMES):
        _PER_DAY[i] = times.get(want, 0)
        for j, got in enumerate(_NAMES):
            fit = _REFUSED
            if want == got or got == "null" or (want == "number" and got in numbers):
                fit = _FITS
            elif want == "float64" and got in ("int64", "uint64"):
                fit = _FITS_WHERE_EXACT
            elif want in times and got in times and times[got] < times[want]:
                fit = _SCALED
            elif got in lossless.get(want, ()):
                fit = _FITS
            elif want.startswith(("int", "uint")) and got.startswith(("int", "uint")):
                fit = _FITS if np.can_cast(got, want) else _REFUSED
            _FIT[0][i][j] = fit
            # Tensors have no type for times: they hold the days, or the units, since 1970.
            is_count = got == ("int32" if want == "date32" else "int64")
            _FIT[1][i][j] = _FITS if want in times and is_count else fit
    for i in range(_NUMPY_TYPES):
        _TYPE_OF[i] = _UNKNOWN
    for number, layout, name in (
        ("?", Layout.kBool, "bool"), ("e", Layout.kHalf, "float32"),
        ("f", Layout.kFloat, "float32"), ("d", Layout.kDouble, "float64"),
    ):
        _LAYOUT_OF[<int>np.dtype(number).num] = <uint8_t>layout
        _TYPE_OF[<int>np.dtype(number).num] = _NAMES.index(name)
    signed = {1: Layout.kInt8, 2: Layout.kInt16, 4: Layout.kInt32, 8: Layout.kInt64}
    unsigned = {1: Layout.kUint8, 2: Layout.kUint16, 4: Layout.kUint32, 8: Layout.kUint64}
    for code in "bBhHiIlLqQ":
        kind = np.dtype(code)
        _LAYOUT_OF[<int>kind.num] = <uint8_t>((signed if kind.kind == "i" else unsigned)[kind.itemsize])
        _TYPE_OF[<int>kind.num] = _NAMES.index(kind.name)


_fill_tables()


cdef Layout layout_of(int number) except *:
    if not 0 <= number < _NUMPY_TYPES or _TYPE_OF[number] == _UNKNOWN:
        raise SignatureError("expected an array of numbers")
    return <Layout>_LAYOUT_OF[number]


cdef object _wrong_type(str name, uint8_t want, str got):
    hint = ""
    wanted = _NAMES[want]
    if wanted == "number":
        wanted = "a number"
    elif got in _NAMES and _PER_DAY[want] == 0 and wanted != "string" and got != "string":
        hint = f"; cast it to {wanted}"
    elif wanted.startswith("timestamp") and got.startswith("timestamp"):
        hint = f"; cast it to {wanted}"
    return SignatureError(
        f'column "{name}": expected {wanted}, got {got}{hint}', name=name, reason="datatype"
    )


cdef object _quoted(tuple names):
    return ", ".join([f'"{name}"' for name in names])


cdef object _class_name(object value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@cython.final
cdef class PrefixedText:
    """Texts as a BYTES tensor lays them: each its length as a little-endian uint32, then its bytes."""

    cdef readonly object buffer
    cdef readonly int64_t rows

    def __init__(self, buffer, int64_t rows):
        self.buffer = buffer
        self.rows = rows

    def __len__(self):
        return self.rows


@cython.final
cdef class _Held:
    """References to the objects that texts lie in; the garbage collector need not walk over them."""

    cdef PyObject** items
    cdef int64_t count

    def __cinit__(self, int64_t at_most):
        self.items = <PyObject**>malloc(sizeof(PyObject*) * (at_most + 1))
        if self.items == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int64_t i
        for i in range(self.count):
            Py_XDECREF(self.items[i])
        free(self.items)

    cdef void hold(self, PyObject* item) noexcept:
        Py_INCREF(<object>item)
        self.items[self.count] = item
        self.count += 1


@cython.final
cdef class _Chunk:
    """One Arrow array that this side has to release."""

    cdef ArrowArray array

    def __dealloc__(self):
        if self.array.release != NULL:
            self.array.release(&self.array)


@cython.final
cdef class _StreamSchema:
    cdef ArrowSchema schema

    def __dealloc__(self):
        if self.schema.release != NULL:
            self.schema.release(&self.schema)


@cython.final
cdef class Columns:
    """Columns of one batch, bound: what a program runs over."""

    def __len__(self):
        return self.rows

    @property
    def types(self):
        """The type of each column, as the program has to be for it."""
        return types_of(self.key)

    def value(self, Py_ssize_t column, int64_t row):
        """One value: a str, a number, or None where it is missing."""
        if not 0 <= column < <Py_ssize_t>self.views.size() or not 0 <= row < self.rows:
            raise IndexError(f"column {column}, row {row}")
        cdef const ColumnView* view = <const ColumnView*>&self.views[column]
        cdef const ColumnView* plain = view if view.dictionary == NULL else view.dictionary
        cdef string_view text
        if is_missing(view[0], row):
            return None
        if plain.layout >= Layout.kText32 and plain.layout <= Layout.kTextRefs:
            text = text_at(view[0], row)
            return PyUnicode_DecodeUTF8(text.data(), <Py_ssize_t>text.size(), "replace")
        if plain.layout == Layout.kBool or plain.layout == Layout.kBits:
            return integer_at(view[0], row) != 0
        if plain.layout == Layout.kHalf or plain.layout == Layout.kFloat or plain.layout == Layout.kDouble:
            return number_at(view[0], row)
        value = integer_at(view[0], row)
        if plain.layout == Layout.kUint64:
            return value % 2**64
        return None if value == INT64_MIN and plain.layout == Layout.kInt64 else value


def types_of(bytes key):
    """Spell out a key of Columns."""
    return tuple([_NAMES[code] for code in key])


@cython.final
cdef class Binder:
    """Binds data to the columns of one transform."""

    cdef readonly tuple names
    cdef readonly tuple types
    cdef Py_ssize_t count
    cdef bint tensors
    cdef vector[uint8_t] want
    # Of the Arrow schema that came last: all names, and the place of each column of the transform among them.
    cdef vector[string] seen
    cdef vector[int64_t] place
    # The pyarrow schema that came last, its capsule, and the class of its record batches.
    cdef tuple known
    # That schema, where `place` is of it.
    cdef const ArrowSchema* placed

    def __init__(self, names, types, *, bint tensors=False):
        self.names = tuple(names)
        self.types = tuple(types)
        self.tensors = tensors
        self.count = len(self.names)
        for name in self.types:
            self.want.push_back(_NAMES.index(name))

    def bind(self, data):
        """Return the columns of data, one Columns for each chunk; at least one."""
        if type(data) is dict:
            return [self.bind_mapping(data)]
        if self.known is not None and type(data) is <object>self.known[2]:
            return [self._bind_batch(data)]
        if isinstance(data, np.ndarray):
            return [self._bind_matrix(data)]
        pandas = imported("pandas")
        if pandas is not None and isinstance(data, pandas.DataFrame):
            return [self._bind_frame(data)]
        if hasattr(data, "__arrow_c_array__"):
            return [self._bind_batch(data)]
        if hasattr(data, "__arrow_c_stream__"):
            return self._bind_stream(data)
        if isinstance(data, Mapping):
            return [self.bind_mapping(dict(data))]
        raise SignatureError(
            "expected a dict of columns, a data frame, an Arrow record batch or table, or a numpy array, "
            f"got {_class_name(data)}"
        )

    cpdef Columns bind_mapping(self, dict data):
        """Bind a dict of columns."""
        cdef Columns columns = self._begin()
        cdef Py_ssize_t i
        cdef PyObject* value
        cdef uint8_t* key = <uint8_t*>PyBytes_AS_STRING(columns.key)
        cdef int64_t rows
        for i in range(self.count):
            value = PyDict_GetItemWithError(data, self.names[i])
            if value == NULL:
                raise self._missing(self.names[i])
            key[i] = self._bind_value(columns, i, <object>value)
            rows = columns.views[i].length
            if i == 0:
                columns.rows = rows
            elif rows != columns.rows:
                raise SignatureError(
                    f'column "{self.names[i]}" has {rows} rows; column "{self.names[0]}" has {columns.rows}',
                    name=self.names[i], reason="rows",
                )
        columns.extra = len(data) - self.count
        return columns

    def tensor(self, Columns columns not None, Py_ssize_t i, dtype, bytes missing=None):
        """Return a bound column as the array that its tensor holds."""
        cdef int64_t rows = columns.rows
        cdef cnp.ndarray array
        if not 0 <= i < self.count:
            raise IndexError(f"column {i}")
        cdef const ColumnView* view = <const ColumnView*>&columns.views[i]
        if dtype == np.object_:
            return self._texts(i, view, rows, missing)
        if dtype.kind == "f":
            array = np.empty(rows, np.float64)
            _write_floats(view, rows, <double*>cnp.PyArray_DATA(array))
            return np.asarray(array, dtype)
        array = np.empty(rows, np.int64)
        cdef int64_t row = _write_integers(
            view, rows, _PER_DAY[self.want[i]] > 1, <int64_t*>cnp.PyArray_DATA(array)
        )
        if row >= 0:
            raise self._no_missing(i, row)
        if _PER_DAY[self.want[i]] == 1:
            for row in np.flatnonzero(array != np.asarray(array, dtype))[:1]:
                if array[row] == INT64_MIN:
                    raise self._no_missing(i, row)
                raise SignatureError(f'column "{self.names[i]}", row {row}: out of range for {self.types[i]}',
                                     name=self.names[i], reason="range")
        return array.view(dtype) if dtype == np.uint64 else np.asarray(array, dtype)

    cdef object _texts(self, Py_ssize_t i, const ColumnView* view, int64_t rows, bytes missing):
        cdef cnp.ndarray array = np.empty(rows, dtype=object)
        cdef string_view text
        cdef int64_t row
        for row in range(rows):
            if not is_missing(view[0], row):
                text = text_at(view[0], row)
                array[row] = text.data()[:text.size()]
            elif missing is None:
                raise self._no_missing(i, row)
            else:
                array[row] = missing
        return array

    cdef object _no_missing(self, Py_ssize_t i, int64_t row):
        return SignatureError(
            f'column "{self.names[i]}", row {row}: a missing value, '
            f"which a tensor of {self.types[i]} cannot hold",
            name=self.names[i], reason="missing",
        )

    cdef Columns _begin(self):
        cdef Columns columns = Columns.__new__(Columns)
        columns.views.resize(self.count)
        columns.owners = []
        columns.key = PyBytes_FromStringAndSize(NULL, self.count)
        return columns

    cdef object _missing(self, str name):
        return SignatureError(f'missing column "{name}"; expected columns: {_quoted(self.names)}', name=name,
                              reason="missing")

    cdef uint8_t _fit(self, Columns columns, Py_ssize_t i, uint8_t got) except 255:
        """Check a bound column against what is wanted; return the type that the program shall see."""
        cdef uint8_t want = self.want[i]
        cdef ColumnView* view = &columns.views[i]
        cdef uint8_t fit = _FIT[self.tensors][want][got]
        cdef int64_t row
        if fit == _REFUSED:
            raise _wrong_type(self.names[i], want, _NAMES[got])
        if got == <uint8_t>ColumnType.kNull:
            view_missing(<ColumnType>want, view.length, &columns.arena, view)
            return <uint8_t>ColumnType.kFloat64 if want == _NUMBER else want
        if fit == _FITS_WHERE_EXACT:
            row = first_inexact(view[0])
            if row >= 0:
                raise SignatureError(
                    f'column "{self.names[i]}", row {row}: expected float64, got {_NAMES[got]} '
                    f"{integer_at(view[0], row) % 2**64 if got == 8 else integer_at(view[0], row)}, "
                    "which float64 cannot hold exactly; cast it to float64"
                )
        elif fit == _SCALED:
            row = scale_times(_PER_DAY[want] // _PER_DAY[got], &columns.arena, view)
            if row >= 0:
                raise SignatureError(
                    f'column "{self.names[i]}", row {row}: {_NAMES[got]} is out of range for {_NAMES[want]}'
                )
        return got if want == _NUMBER else want

    # Python objects and numpy.

    cdef uint8_t _bind_value(self, Columns columns, Py_ssize_t i, object value) except 255:
        if type(value) is np.ndarray:
            return self._bind_array(columns, i, <cnp.ndarray>value)
        if isinstance(value, PrefixedText):
            return self._bind_prefixed(columns, i, value)
        if isinstance(value, list | tuple):
            return self._bind_list(columns, i, value)
        pandas = imported("pandas")
        if pandas is not None:
            if isinstance(value, pandas.Series | pandas.Index):
                value = value.array
            if isinstance(value, pandas.api.extensions.ExtensionArray):
                return self._bind_value(columns, i, array_from_pandas(value))
        if hasattr(value, "__arrow_c_array__"):
            return self._bind_arrow(columns, i, value)
        if hasattr(value, "__arrow_c_stream__"):
            return self._bind_arrow(columns, i, in_one_piece(value))
        masked = imported("numpy.ma")
        if masked is not None and isinstance(value, masked.MaskedArray):
            raise SignatureError(
                f'column "{self.names[i]}": expected a plain array, got a masked one; fill it first'
            )
        if isinstance(value, np.ndarray):
            return self._bind_array(columns, i, np.asarray(value))
        if isinstance(value, str | bytes | int | float) or value is None or isinstance(value, np.generic):
            raise SignatureError(
                f'column "{self.names[i]}": expected an array or a list, got {_class_name(value)}; '
                "one row is a list of one value"
            )
        raise SignatureError(
            f'column "{self.names[i]}": expected an array or a list, got {_class_name(value)}'
        )

    cdef uint8_t _bind_array(self, Columns columns, Py_ssize_t i, cnp.ndarray array) except 255:
        cdef int dimensions = cnp.PyArray_NDIM(array)
        cdef int number = cnp.PyArray_TYPE(array)
        cdef ColumnView* view = &columns.views[i]
        if dimensions != 1 and not (dimensions == 2 and cnp.PyArray_DIM(array, 1) == 1):
            shape = "[" + ",".join([str(size) for size in (<object>array).shape]) + "]"
            raise SignatureError(f'column "{self.names[i]}": expected shape [-1], got {shape}')
        if number < _NUMPY_TYPES and _TYPE_OF[number] != _UNKNOWN:
            if not cnp.PyArray_ISBEHAVED_RO(array):
                array = array.astype(array.dtype.newbyteorder("="))
            columns.owners.append(array)
            self._view(view, array, <Layout>_LAYOUT_OF[number])
            return self._fit(columns, i, _TYPE_OF[number])
        if dimensions == 2:
            array = array[:, 0]
        if number == cnp.NPY_OBJECT:
            return self._bind_objects(columns, i, array, False)
        if array.dtype.kind in "UST":
            if self.want[i] != <uint8_t>ColumnType.kString:
                raise _wrong_type(self.names[i], self.want[i], "string")
            return self._bind_objects(columns, i, array.astype(object), False)
        if number == cnp.NPY_DATETIME:
            return self._bind_times(columns, i, array)
        raise _wrong_type(self.names[i], self.want[i], str(array.dtype))

    cdef void _view(self, ColumnView* view, cnp.ndarray array, Layout layout) noexcept:
        view.layout = layout
        view.length = cnp.PyArray_DIM(array, 0)
        view.values = cnp.PyArray_DATA(array)
        view.stride = cnp.PyArray_STRIDE(array, 0)

    cdef uint8_t _bind_times(self, Columns columns, Py_ssize_t i, object array) except 255:
        unit, step = np.datetime_data(array.dtype)
        if unit in ("W", "M", "Y") or (unit == "D" and step != 1):
            array, unit = array.astype("datetime64[D]"), "D"
        elif unit in ("h", "m") or (unit in ("s", "ms", "us", "ns") and step != 1):
            unit = "s" if unit in ("h", "m") else unit
            array = array.astype(f"datetime64[{unit}]")
        name = "date32" if unit == "D" else f"timestamp[{unit}]"
        if name not in _NAMES:
            raise _wrong_type(self.names[i], self.want[i], str(array.dtype))
        cdef cnp.ndarray ticks = array.astype(array.dtype.newbyteorder("="), copy=False).view(np.int64)
        if not cnp.PyArray_ISALIGNED(ticks):
            ticks = ticks.copy()
        columns.owners.append(ticks)
        self._view(&columns.views[i], ticks, Layout.kInt64)
        return self._fit(columns, i, _NAMES.index(name))

    cdef uint8_t _bind_list(self, Columns columns, Py_ssize_t i, object values) except 255:
        cdef cnp.ndarray array
        cdef uint8_t want = self.want[i]
        cdef int number
        if want != <uint8_t>ColumnType.kString and _PER_DAY[want] == 0:
            try:
                array = np.asarray(values)
            except (ValueError, OverflowError):
                raise SignatureError(
                    f'column "{self.names[i]}": expected one value a row, got a list of lists'
                ) from None
            number = cnp.PyArray_TYPE(array)
            if number < _NUMPY_TYPES and _TYPE_OF[number] != _UNKNOWN and cnp.PyArray_DIM(array, 0) > 0:
                if _FIT[self.tensors][want][_TYPE_OF[number]] != _REFUSED or cnp.PyArray_NDIM(array) != 1:
                    return self._bind_array(columns, i, array)
        array = np.empty(len(values), dtype=object)
        for row, value in enumerate(values):
            array[row] = value
        return self._bind_objects(columns, i, array, True)

    cdef uint8_t _bind_objects(self, Columns columns, Py_ssize_t i, cnp.ndarray array,
                               bint rounds) except 255:
        if self.want[i] == <uint8_t>ColumnType.kString:
            return self._bind_texts(columns, i, array)
        name, want = self.names[i], _NAMES[<int>self.want[i]]
        return self._bind_arrow(columns, i, typed_array(name, want, array, rounds=rounds))

    cdef uint8_t _bind_texts(self, Columns columns, Py_ssize_t i, cnp.ndarray array) except 255:
        cdef ColumnView* view = &columns.views[i]
        cdef int64_t rows = cnp.PyArray_DIM(array, 0)
        cdef string_view* texts = <string_view*>columns.arena.allocate(sizeof(string_view) * (rows + 1))
        cdef _Held held = _Held(rows)
        cdef const char* data = cnp.PyArray_BYTES(array)
        cdef int64_t stride = cnp.PyArray_STRIDE(array, 0)
        cdef PyObject* item
        cdef int64_t row
        for row in range(rows):
            if row + _TEXTS_AHEAD < rows:
                prefetch((<PyObject**>(data + (row + _TEXTS_AHEAD) * stride))[0])
            item = (<PyObject**>(data + row * stride))[0]
            if item != NULL and PyUnicode_CheckExact(item) and PyUnicode_IS_COMPACT_ASCII(item):
                texts[row] = string_view(
                    <const char*>PyUnicode_DATA(item), <size_t>PyUnicode_GET_LENGTH(item)
                )
            else:
                texts[row] = self._text_of(i, row, None if item == NULL else <object>item)
            # The array is the caller's: it may let go of the text while a program runs.
            if texts[row].data() != NULL:
                held.hold(item)
        columns.owners.append(held)
        view.layout = Layout.kTextRefs
        view.length = rows
        view.values = texts
        view.stride = sizeof(string_view)
        return <uint8_t>ColumnType.kString

    cdef string_view _text_of(self, Py_ssize_t i, int64_t row, object item) except *:
        cdef const char* text
        cdef Py_ssize_t size = 0
        if isinstance(item, str):
            try:
                text = PyUnicode_AsUTF8AndSize(item, &size)
            except UnicodeEncodeError:
                raise SignatureError(f'column "{self.names[i]}", row {row}: not valid UTF-8',
                                     name=self.names[i], reason="text") from None
            return string_view(text, <size_t>size)
        if isinstance(item, bytes):
            return string_view(PyBytes_AS_STRING(item), <size_t>PyBytes_GET_SIZE(item))
        if item is None or is_missing_object(item):
            return string_view()
        raise SignatureError(
            f'column "{self.names[i]}", row {row}: expected str, bytes or None, got {_class_name(item)}',
            name=self.names[i], reason="datatype",
        )

    cdef uint8_t _bind_prefixed(self, Columns columns, Py_ssize_t i, PrefixedText text) except 255:
        if self.want[i] != <uint8_t>ColumnType.kString:
            raise _wrong_type(self.names[i], self.want[i], "string")
        cdef cnp.ndarray buffer
        if isinstance(text.buffer, np.ndarray) and text.buffer.flags.c_contiguous:
            buffer = text.buffer.view(np.uint8) if text.buffer.dtype != np.uint8 else text.buffer
        else:
            buffer = np.frombuffer(text.buffer, dtype=np.uint8)
        columns.owners.append(buffer)
        cdef int64_t found = view_prefixed(
            cnp.PyArray_DATA(buffer), cnp.PyArray_SIZE(buffer), text.rows, &columns.arena, &columns.views[i]
        )
        if found != text.rows:
            raise SignatureError(
                f'column "{self.names[i]}": expected {text.rows} length-prefixed texts in '
                f"{cnp.PyArray_SIZE(buffer)} bytes, got " + (
                    "a text that reaches past the end, or bytes left over" if found < 0 else f"{found}"
                )
            )
        return self.want[i]

    cdef Columns _bind_matrix(self, object matrix):
        if type(matrix) is not np.ndarray:
            masked = imported("numpy.ma")
            if masked is not None and isinstance(matrix, masked.MaskedArray):
                raise SignatureError("expected a plain array, got a masked one; fill it first")
            matrix = np.asarray(matrix)
        if matrix.ndim != 2:
            shape = "[" + ",".join(str(size) for size in matrix.shape) + "]"
            raise SignatureError(f"expected an array of shape [-1,{self.count}], got {shape}")
        if matrix.shape[1] != self.count:
            raise SignatureError(
                f"expected {self.count} columns ({_quoted(self.names)}), got an array with {matrix.shape[1]}"
            )
        cdef Columns columns = self._begin()
        cdef uint8_t* key = <uint8_t*>PyBytes_AS_STRING(columns.key)
        cdef Py_ssize_t i
        columns.rows = matrix.shape[0]
        for i in range(self.count):
            key[i] = self._bind_array(columns, i, matrix[:, i])
        return columns

    cdef Columns _bind_frame(self, object frame):
        """Bind a pandas frame column by column: converting the whole frame costs many times more."""
        cdef dict named = {}
        names = frame.columns.tolist()
        wanted = set(self.names)
        for name, values in zip(names, column_arrays(frame)):
            if name in wanted:
                if name in named:
                    raise _repeated(name)
                named[name] = values if type(values) is np.ndarray else array_from_pandas(values)
        columns = self.bind_mapping(named)
        columns.extra = len(names) - self.count
        return columns

    # Arrow.

    cdef uint8_t _bind_arrow(self, Columns columns, Py_ssize_t i, object array) except 255:
        schema_capsule, array_capsule = array.__arrow_c_array__()
        cdef ArrowSchema* schema = <ArrowSchema*>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
        cdef ArrowArray* values = <ArrowArray*>PyCapsule_GetPointer(array_capsule, "arrow_array")
        columns.owners.append(array_capsule)
        return self._view_arrow(columns, i, schema, values, 0, values.length)

    cdef uint8_t _view_arrow(self, Columns columns, Py_ssize_t i, const ArrowSchema* schema,
                             const ArrowArray* array, int64_t offset, int64_t length) except 255:
        cdef ColumnType got
        cdef int64_t row = -1
        cdef ArrowProblem problem
        if not type_of(schema[0], &got):
            raise self._unreadable(i, schema)
        problem = view_array(schema[0], array[0], offset, length, &columns.arena, &columns.views[i], &row)
        if problem == ArrowProblem.kCode:
            raise SignatureError(
                f'column "{self.names[i]}", row {row}: the dictionary code is outside the dictionary'
            )
        if problem != ArrowProblem.kNone:
            raise SignatureError(f'column "{self.names[i]}": the Arrow array is not well formed')
        return self._fit(columns, i, <uint8_t>got)

    cdef object _unreadable(self, Py_ssize_t i, const ArrowSchema* schema):
        return _wrong_type(self.names[i], self.want[i], type_name(schema[0]).decode(errors="replace"))

    cdef Columns _bind_batch(self, object batch):
        cdef _Chunk chunk
        cdef tuple known = self.known
        cdef const ArrowSchema* schema
        if known is None:
            pyarrow = imported("pyarrow")
            record_batch = None if pyarrow is None else pyarrow.RecordBatch
        else:
            record_batch = known[2]
        if type(batch) is record_batch and getattr(batch, "is_cpu", True):
            # Most of what an export costs is the schema, and batches of one kind come one after another.
            if known is None or not known[0].equals(batch.schema):
                known = (batch.schema, batch.schema.__arrow_c_schema__(), record_batch)
                self.placed = NULL
                self.known = known
            chunk = _Chunk()
            batch._export_to_c(<uintptr_t>&chunk.array)
            schema = <const ArrowSchema*>PyCapsule_GetPointer(known[1], "arrow_schema")
            if self.placed != schema:
                self._place(schema)
                if self.known is known:
                    self.placed = schema
            return self._bind_children(schema, &chunk.array, chunk)
        schema_capsule, array_capsule = batch.__arrow_c_array__()
        schema = <const ArrowSchema*>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
        cdef ArrowArray* array = <ArrowArray*>PyCapsule_GetPointer(array_capsule, "arrow_array")
        return self._bind_struct(schema, array, array_capsule)

    cdef list _bind_stream(self, object data):
        capsule = data.__arrow_c_stream__()
        cdef ArrowArrayStream* stream = <ArrowArrayStream*>PyCapsule_GetPointer(capsule, "arrow_array_stream")
        cdef _StreamSchema schema = _StreamSchema()
        cdef _Chunk chunk
        cdef int status
        cdef list chunks = []
        # The GIL is let go: a reader may need it on a thread of its own.
        with nogil:
            status = stream.get_schema(stream, &schema.schema)
        self._check_stream(stream, status)
        while True:
            chunk = _Chunk()
            with nogil:
                status = stream.get_next(stream, &chunk.array)
            self._check_stream(stream, status)
            if chunk.array.release == NULL:
                break
            chunks.append(self._bind_struct(&schema.schema, &chunk.array, chunk))
        if not chunks:
            chunks.append(self._bind_struct(&schema.schema, NULL, None))
        return chunks

    cdef int _check_stream(self, ArrowArrayStream* stream, int status) except -1:
        if status == 0:
            return 0
        cdef const char* text = stream.get_last_error(stream)
        detail = f"error {status}" if text == NULL else (<bytes>text).decode(errors="replace")
        raise SignatureError(f"reading the Arrow stream failed: {detail}")

    cdef Columns _bind_struct(self, const ArrowSchema* schema, const ArrowArray* array, object owner):
        """Bind a record batch; without an array, the columns of none."""
        self._place(schema)
        return self._bind_children(schema, array, owner)

    cdef int _place(self, const ArrowSchema* schema) except -1:
        """Find the columns of the transform among those of a record batch."""
        if strcmp(schema.format, "+s") != 0:
            raise SignatureError("expected Arrow data with named columns: a record batch or a table")
        if not self._is_same_schema(schema):
            self._look_up(schema)
        return 0

    cdef Columns _bind_children(self, const ArrowSchema* schema, const ArrowArray* array, object owner):
        cdef Columns columns
        cdef uint8_t* key
        cdef Py_ssize_t i
        cdef const ArrowSchema* child
        cdef ColumnType got
        # Another thread may bind another schema whenever Python runs.
        cdef vector[int64_t] place = self.place
        columns = self._begin()
        key = <uint8_t*>PyBytes_AS_STRING(columns.key)
        columns.extra = schema.n_children - self.count
        if array == NULL:
            for i in range(self.count):
                child = schema.children[place[i]]
                if not type_of(child[0], &got):
                    raise self._unreadable(i, child)
                key[i] = self._fit(columns, i, <uint8_t>got)
            return columns
        if array.n_children != schema.n_children:
            raise SignatureError("the Arrow record batch is not well formed")
        if array.null_count != 0 and array.n_buffers > 0 and array.buffers[0] != NULL:
            raise SignatureError("expected a record batch, got a struct array with nulls")
        columns.rows = array.length
        columns.owners.append(owner)
        for i in range(self.count):
            key[i] = self._view_arrow(
                columns, i, schema.children[place[i]], array.children[place[i]], array.offset,
                array.length,
            )
        return columns

    cdef bint _is_same_schema(self, const ArrowSchema* schema) noexcept:
        cdef int64_t i
        if <int64_t>self.seen.size() != schema.n_children or self.place.size() == 0:
            return False
        for i in range(schema.n_children):
            if strcmp(self.seen[i].c_str(), _name_of(schema.children[i])) != 0:
                return False
        return True

    cdef int _look_up(self, const ArrowSchema* schema) except -1:
        cdef vector[string] seen
        cdef vector[int64_t] place
        cdef dict places = {}
        cdef set repeated = set()
        cdef int64_t i
        for i in range(schema.n_children):
            seen.push_back(string(_name_of(schema.children[i])))
            name = (<bytes>_name_of(schema.children[i])).decode(errors="replace")
            if name in places:
                repeated.add(name)
            places[name] = i
        for name in self.names:
            if name not in places:
                raise self._missing(name)
            if name in repeated:
                raise _repeated(name)
            place.push_back(places[name])
        self.placed = NULL
        self.seen.swap(seen)
        self.place.swap(place)
        return 0


cdef void _write_floats(const ColumnView* view, int64_t rows, double* values) noexcept nogil:
    cdef int64_t row
    for row in range(rows):
        values[row] = NAN if is_missing(view[0], row) else number_at(view[0], row)


cdef int64_t _write_integers(const ColumnView* view, int64_t rows, bint has_missing,
                             int64_t* values) noexcept nogil:
    """Returns the row of a missing value that has no place among the integers, -1 where there is none."""
    cdef int64_t row
    for row in range(rows):
        if is_missing(view[0], row):
            if not has_missing:
                return row
            values[row] = INT64_MIN
        else:
            values[row] = integer_at(view[0], row)
    return -1


cdef const char* _name_of(const ArrowSchema* schema) noexcept:
    if schema.name == NULL:
        return b""
    return schema.name


def _repeated(str name):
    return SignatureError(f'expected one column "{name}", got more than one')

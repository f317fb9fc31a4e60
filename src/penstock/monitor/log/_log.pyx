# distutils: language = c++
"""Chunks of answered rows, and the index of their ids: csrc/monitor/log; the contracts are in _log.pyi."""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

import numpy as np

from penstock.errors import ConfigError
from penstock.transform._columns import PrefixedText

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    int PyArray_SetBaseObject(cnp.ndarray array, object base) except -1

cdef extern from "Python.h":
    bint PyUnicode_CheckExact(PyObject* item)
    bint PyUnicode_IS_COMPACT_ASCII(PyObject* text)
    void* PyUnicode_DATA(PyObject* text)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject* text)

cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        string_view()
        string_view(const char* data, size_t size)
        const char* data()
        size_t size()

cdef extern from "transform/hash.h" namespace "penstock" nogil:
    uint64_t xxh64(const void* data, size_t size_bytes, uint64_t seed)

cdef extern from "monitor/log/texts.h" namespace "penstock" nogil:
    string_view kept_id(string_view id, string* storage) except +

cdef extern from "monitor/log/chunk.h" namespace "penstock" nogil:
    cdef cppclass Entry:
        int64_t time_us
        uint64_t hash
        uint64_t number
        int32_t version
        int32_t first
        int32_t rows
        int32_t of

    cdef cppclass Texts:
        vector[int32_t] offsets
        string data
        vector[uint8_t] validity
        int64_t missing

    cdef cppclass Run "penstock::Chunk::Run":
        int64_t row
        int64_t rows

    cdef cppclass CppChunk "penstock::Chunk":
        CppChunk(const vector[int64_t]& widths) except +
        int64_t rows()
        size_t size_bytes()
        const vector[Entry]& entries()
        const vector[int32_t]& id_offsets()
        const string& id_data()
        const string& values(size_t column)
        void begin()
        void choose(const Entry& entry, string_view id, int64_t row) except +
        int64_t chosen_rows()
        void add_values(size_t column, const char* data, int64_t stride) except +
        void add_prefixed(size_t column, const char* data, size_t size_bytes, int64_t rows) except +
        const vector[Run]& runs()
        void add_text(size_t column, string_view text) except +
        void commit() except +
        void rollback() except +
        void clear() except +
        Texts texts(size_t column) except +
        Texts row_ids(string_view prefix) except +

cdef extern from "monitor/log/index.h" namespace "penstock" nogil:
    cdef cppclass Found:
        int64_t entry
        int64_t row

    cdef cppclass Place "penstock::Index::Place":
        int64_t time_us
        int32_t version

    cdef cppclass CppIndex "penstock::Index":
        CppIndex(const vector[Entry]& entries, const vector[int32_t]& id_offsets, string id_data) except +
        CppIndex(const CppIndex& older, const CppIndex& newer) except +
        int64_t rows()
        const vector[Place]& places()
        size_t size_bytes()
        Found find(string_view id) except +
        const vector[uint64_t]& hashes()

    int64_t split_row(string_view id, string_view* request)

cdef enum:
    _MISMATCH = -1

# Another constant than the hash itself, so that the second choice does not depend on the first.
cdef uint64_t _SECOND = 0x9E3779B97F4A7C15ULL


cdef struct Source:
    const char* data
    int64_t stride
    int64_t size_bytes
    bint prefixed


cdef inline uint64_t _mixed(uint64_t x) noexcept nogil:
    x ^= x >> 30
    x *= 0xBF58476D1CE4E5B9ULL
    x ^= x >> 27
    x *= 0x94D049BB133111EBULL
    return x ^ (x >> 31)


cdef const char* _start_of(const uint8_t[::1] data) noexcept:
    return <const char*>&data[0] if data.shape[0] > 0 else NULL


cdef object _view(object owner, const void* data, cnp.npy_intp size, int type_number):
    """An array over memory of the owner; a null pointer where there is none."""
    if size == 0:
        return np.empty(0, cnp.PyArray_DescrFromType(type_number))
    cdef cnp.ndarray array = cnp.PyArray_SimpleNewFromData(1, &size, type_number, <void*>data)
    Py_INCREF(owner)
    PyArray_SetBaseObject(array, owner)
    cnp.PyArray_CLEARFLAGS(array, cnp.NPY_ARRAY_WRITEABLE)
    return array


cdef tuple _arrow_texts(const Texts& texts):
    cdef cnp.npy_intp size = <cnp.npy_intp>texts.offsets.size()
    cdef cnp.ndarray offsets = cnp.PyArray_SimpleNew(1, &size, cnp.NPY_INT32)
    memcpy(cnp.PyArray_DATA(offsets), texts.offsets.data(), <size_t>size * sizeof(int32_t))
    data = PyBytes_FromStringAndSize(texts.data.data(), <Py_ssize_t>texts.data.size())
    validity = None
    if not texts.validity.empty():
        validity = PyBytes_FromStringAndSize(
            <const char*>texts.validity.data(), <Py_ssize_t>texts.validity.size()
        )
    return offsets, data, validity, texts.missing


cdef string_view _utf8(object text, list kept) except *:
    """The bytes of a str, or of bytes; what they lie in is kept where it is not the object itself."""
    cdef Py_ssize_t size = 0
    cdef const char* data
    cdef PyObject* item = <PyObject*>text
    if PyUnicode_CheckExact(item) and PyUnicode_IS_COMPACT_ASCII(item):
        return string_view(<const char*>PyUnicode_DATA(item), <size_t>PyUnicode_GET_LENGTH(item))
    if isinstance(text, bytes):
        return string_view(PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text))
    try:
        data = PyUnicode_AsUTF8AndSize(text, &size)
        return string_view(data, <size_t>size)
    except UnicodeEncodeError:  # a lone surrogate
        encoded = (<str>text).encode("utf-8", "backslashreplace")
        kept.append(encoded)
        return string_view(PyBytes_AS_STRING(encoded), <size_t>PyBytes_GET_SIZE(encoded))


@cython.final
cdef class Chunk:
    """Rows of one layout, copied column by column."""

    cdef unique_ptr[CppChunk] chunk
    cdef readonly tuple slots
    cdef readonly tuple tensor_counts
    cdef readonly int64_t refused
    cdef Py_ssize_t inputs_wanted  # -1: any number
    cdef Py_ssize_t outputs_wanted
    cdef vector[Source] sources
    cdef vector[int] type_numbers  # -1: text
    cdef vector[int64_t] items
    cdef vector[int64_t] columns
    cdef vector[bint] of_outputs
    cdef list tensors

    def __init__(self, slots, tuple tensor_counts=None):
        cdef vector[int64_t] widths
        self.tensor_counts = tensor_counts
        self.inputs_wanted, self.outputs_wanted = (-1, -1) if tensor_counts is None else tensor_counts
        self.slots = tuple(slots)
        self.tensors = [slot.tensor for slot in self.slots]
        for slot in self.slots:
            text = slot.dtype is None
            widths.push_back(0 if text else slot.dtype.itemsize * slot.items)
            self.type_numbers.push_back(-1 if text else slot.dtype.num)
            self.items.push_back(slot.items)
            self.columns.push_back(slot.column)
            self.of_outputs.push_back(slot.output)
        self.sources.resize(self.type_numbers.size())
        self.chunk.reset(new CppChunk(widths))

    def __len__(self):
        return self.chunk.get().rows()

    @property
    def size_bytes(self):
        """Bytes that the rows take."""
        return self.chunk.get().size_bytes()

    @property
    def requests(self):
        """Entries: requests, or parts of them."""
        return self.chunk.get().entries().size()

    def append(self, int32_t version, int64_t time_us, dict columns not None, dict outputs not None,
               list ids, object counts, int64_t rows, *, uint64_t share=0xFFFFFFFFFFFFFFFFULL,
               object doubtful=None, uint64_t doubtful_share=0, uint64_t number=0, bint named=False,
               int64_t room=0x7FFFFFFFFFFFFFFFLL):
        """Copy the rows of one batch."""
        return self._append(version, time_us, columns, outputs, ids, counts, rows, share, doubtful,
                            doubtful_share, number, named, room)

    cdef int64_t _append(self, int32_t version, int64_t time_us, dict columns, dict outputs, list ids,
                         object counts, int64_t rows, uint64_t share, object doubtful,
                         uint64_t doubtful_share, uint64_t number, bint named, int64_t room) except -2:
        cdef CppChunk* chunk = self.chunk.get()
        cdef Py_ssize_t slot
        self.refused = 0
        chunk.begin()
        try:
            self._choose(version, time_us, ids, counts, rows, share, doubtful, doubtful_share, number, named)
            if chunk.chosen_rows() == 0:
                return 0
            if chunk.chosen_rows() > room:
                self.refused = chunk.chosen_rows()
                chunk.rollback()
                return 0
            if self.inputs_wanted >= 0 and (
                len(columns) != self.inputs_wanted or len(outputs) != self.outputs_wanted
            ):
                chunk.rollback()
                return _MISMATCH
            for slot in range(<Py_ssize_t>self.sources.size()):
                if not self._find(slot, outputs if self.of_outputs[slot] else columns, rows):
                    chunk.rollback()
                    return _MISMATCH
            for slot in range(<Py_ssize_t>self.sources.size()):
                self._add(slot, rows)
            chunk.commit()
        except BaseException:
            chunk.rollback()
            raise
        return chunk.chosen_rows()

    cdef int _choose(self, int32_t version, int64_t time_us, list ids, object counts, int64_t rows,
                     uint64_t share, object doubtful, uint64_t doubtful_share, uint64_t number,
                     bint named) except -1:
        cdef CppChunk* chunk = self.chunk.get()
        cdef Entry entry
        cdef string_view id
        cdef string storage
        cdef list kept = None
        cdef list numbers = counts if type(counts) is list else list(counts)
        cdef Py_ssize_t i, count = PyList_GET_SIZE(numbers)
        cdef int64_t begin = 0, of
        cdef const uint8_t[::1] doubts
        if doubtful is not None:
            doubts = doubtful
        if ids is not None and PyList_GET_SIZE(ids) != count:
            raise ConfigError(f"expected one id for each of {count} requests, got {len(ids)}")
        entry.version = version
        entry.time_us = time_us
        for i in range(count):
            of = <object>PyList_GET_ITEM(numbers, i)
            if of < 0 or of > 0x7FFFFFFF or begin + of > rows:
                raise ConfigError(f"expected requests of {rows} rows together, got {sum(numbers)}")
            id = string_view()
            if ids is not None:
                if kept is None:
                    kept = []
                id = _utf8(<object>PyList_GET_ITEM(ids, i), kept)
                if id.size() > 256:
                    id = kept_id(id, &storage)
            entry.first = 0
            entry.rows = <int32_t>of
            entry.of = <int32_t>of
            if id.size() > 0:
                entry.hash = xxh64(id.data(), id.size(), 0)
            elif named:
                begin += of
                continue
            else:
                entry.number = number + i
                entry.hash = _mixed(entry.number + _SECOND)
            if of == 0:
                continue
            if entry.hash <= share:
                chunk.choose(entry, id, begin)
            elif doubtful is not None and _mixed(entry.hash ^ _SECOND) <= doubtful_share:
                self._choose_doubtful(entry, id, begin, doubts)
            begin += of
        if begin != rows:
            raise ConfigError(f"expected requests of {rows} rows together, got {begin}")
        return 0

    cdef int _choose_doubtful(self, Entry entry, string_view id, int64_t begin,
                              const uint8_t[::1] doubts) except -1:
        cdef int32_t row = 0, of = entry.of
        while row < of:
            if not doubts[begin + row]:
                row += 1
                continue
            entry.first = row
            while row < of and doubts[begin + row]:
                row += 1
            entry.rows = row - entry.first
            self.chunk.get().choose(entry, id, begin + entry.first)
        return 0

    cdef bint _find(self, Py_ssize_t slot, dict tensors, int64_t rows) except -1:
        """Find where the values of a slot lie; False where they are not what the layout says."""
        cdef PyObject* found = PyDict_GetItemWithError(tensors, <object>PyList_GET_ITEM(self.tensors, slot))
        if found == NULL:
            return False
        cdef object value = <object>found
        cdef Source* source = &self.sources[slot]
        cdef cnp.ndarray array
        cdef int64_t column = self.columns[slot]
        cdef int dimensions
        source.prefixed = False
        if not cnp.PyArray_CheckExact(value):
            if self.type_numbers[slot] >= 0 or type(value) is not PrefixedText or column >= 0:
                return False
            return self._find_prefixed(source, value, rows)
        array = value
        dimensions = cnp.PyArray_NDIM(array)
        if dimensions == 0 or cnp.PyArray_DIM(array, 0) != rows:
            return False
        if cnp.PyArray_TYPE(array) != (
            cnp.NPY_OBJECT if self.type_numbers[slot] < 0 else self.type_numbers[slot]
        ) or not cnp.PyArray_ISNOTSWAPPED(array):
            return False
        source.data = cnp.PyArray_BYTES(array)
        source.stride = cnp.PyArray_STRIDE(array, 0)
        if column >= 0:
            if dimensions != 2 or cnp.PyArray_DIM(array, 1) <= column:
                return False
            source.data += column * cnp.PyArray_STRIDE(array, 1)
            return True
        if cnp.PyArray_SIZE(array) != rows * self.items[slot]:
            return False
        return dimensions == 1 or self.items[slot] == 1 or cnp.PyArray_IS_C_CONTIGUOUS(array) or (
            dimensions == 2 and cnp.PyArray_STRIDE(array, 1) == cnp.PyArray_ITEMSIZE(array)
        )

    cdef bint _find_prefixed(self, Source* source, object text, int64_t rows) except -1:
        cdef object buffer = text.buffer
        cdef int64_t count = text.rows
        if count != rows or not cnp.PyArray_CheckExact(buffer):
            return False
        if cnp.PyArray_TYPE(<cnp.ndarray>buffer) != cnp.NPY_UINT8:
            return False
        if not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>buffer):
            return False
        source.data = cnp.PyArray_BYTES(<cnp.ndarray>buffer)
        source.size_bytes = cnp.PyArray_SIZE(<cnp.ndarray>buffer)
        source.prefixed = True
        return True

    cdef int _add(self, Py_ssize_t slot, int64_t rows) except -1:
        cdef CppChunk* chunk = self.chunk.get()
        cdef const Source* source = &self.sources[slot]
        cdef list kept
        cdef Run run
        cdef size_t i
        cdef int64_t row
        cdef PyObject* item
        if source.prefixed:
            chunk.add_prefixed(slot, source.data, source.size_bytes, rows)
        elif self.type_numbers[slot] >= 0:
            chunk.add_values(slot, source.data, source.stride)
        else:
            kept = []
            for i in range(chunk.runs().size()):
                run = chunk.runs()[i]
                for row in range(run.row, run.row + run.rows):
                    item = (<PyObject**>(source.data + row * source.stride))[0]
                    if item != NULL and isinstance(<object>item, (str, bytes)):
                        chunk.add_text(slot, _utf8(<object>item, kept))
                        kept.clear()
                    else:
                        chunk.add_text(slot, string_view())
        return 0

    def clear(self):
        """Forget the rows, and keep the memory for the next ones."""
        self.chunk.get().clear()

    def values(self, Py_ssize_t slot):
        """The numbers of a column, over the memory of this chunk; (rows, items) where there are several."""
        self._check(slot, text=False)
        cdef const string* data = &self.chunk.get().values(slot)
        array = _view(self, data.data(), <cnp.npy_intp>data.size(), cnp.NPY_UINT8)
        array = array.view(self.slots[slot].dtype)
        return array if self.items[slot] == 1 else array.reshape(-1, self.items[slot])

    def texts(self, Py_ssize_t slot):
        """A column of texts, as Arrow lays them."""
        self._check(slot, text=True)
        cdef Texts texts
        cdef CppChunk* chunk = self.chunk.get()
        with nogil:
            texts = chunk.texts(slot)
        return _arrow_texts(texts)

    def row_ids(self, str prefix):
        """The id of each row, as Arrow lays texts."""
        cdef bytes encoded = prefix.encode()
        cdef string_view start = string_view(PyBytes_AS_STRING(encoded), <size_t>PyBytes_GET_SIZE(encoded))
        cdef Texts texts
        cdef CppChunk* chunk = self.chunk.get()
        with nogil:
            texts = chunk.row_ids(start)
        return _arrow_texts(texts)

    def rows(self):
        """Of each row: the time in microseconds, the version, and the row within its request."""
        cdef cnp.npy_intp count = <cnp.npy_intp>self.chunk.get().rows()
        cdef cnp.ndarray times = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_INT64)
        cdef cnp.ndarray versions = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_INT32)
        cdef cnp.ndarray places = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_INT32)
        cdef int64_t* time = <int64_t*>cnp.PyArray_DATA(times)
        cdef int32_t* version = <int32_t*>cnp.PyArray_DATA(versions)
        cdef int32_t* place = <int32_t*>cnp.PyArray_DATA(places)
        cdef const vector[Entry]* entries = &self.chunk.get().entries()
        cdef int64_t at = 0
        cdef int32_t row
        cdef size_t i
        with nogil:
            for i in range(entries.size()):
                for row in range(entries[0][i].rows):
                    time[at] = entries[0][i].time_us
                    version[at] = entries[0][i].version
                    place[at] = entries[0][i].first + row
                    at += 1
        return times, versions, places

    def index(self):
        """An index of the ids, which does not need this chunk."""
        return Index._of(self)

    cdef int _check(self, Py_ssize_t slot, bint text) except -1:
        if not 0 <= slot < len(self.slots) or (self.type_numbers[slot] < 0) != text:
            raise IndexError(f"slot {slot}")
        return 0


cdef class Intake:
    """What a buffer does for nearly every batch: see :class:`penstock.monitor.log.buffer.RowBuffer`."""

    cdef readonly object lock
    cdef public Chunk current
    cdef public int64_t rows
    cdef public int64_t dropped_rows
    cdef public int64_t full_bytes
    cdef public uint64_t number
    cdef int64_t most_rows
    cdef int64_t most_bytes
    cdef int64_t chunk_rows
    cdef int64_t chunk_bytes
    cdef uint64_t share
    cdef uint64_t doubtful_share
    cdef bint named

    def __init__(self, object lock, *, int64_t most_rows, int64_t most_bytes, int64_t chunk_rows,
                 int64_t chunk_bytes, uint64_t share, uint64_t doubtful_share, bint named):
        self.lock = lock
        self.most_rows, self.most_bytes = most_rows, most_bytes
        self.chunk_rows, self.chunk_bytes = chunk_rows, chunk_bytes
        self.share, self.doubtful_share, self.named = share, doubtful_share, named

    def put(self, int32_t version, double time_s, dict columns, dict outputs, int64_t rows, object ids,
            object doubtful):
        """Copy a batch to the current chunk; None where there is none or it is of another layout."""
        cdef Chunk chunk = self.current
        cdef int64_t kept, room, size_bytes
        cdef list names = None
        cdef object counts
        if chunk is None:
            return None
        if ids is None:
            counts = [rows]
        else:
            found, counts = ids
            names = found if type(found) is list else list(found)
        size_bytes = chunk.chunk.get().size_bytes()
        room = self.most_rows - self.rows if self.full_bytes + size_bytes <= self.most_bytes else 0
        kept = chunk._append(
            version, <int64_t>(time_s * 1e6), columns, outputs, names, counts, rows, self.share, doubtful,
            self.doubtful_share, self.number, self.named, room
        )
        if kept < 0:
            return None
        self.number += len(counts)
        self.rows += kept
        self.dropped_rows += chunk.refused
        return chunk.chunk.get().rows() >= self.chunk_rows or size_bytes >= self.chunk_bytes

    def take(self, int32_t version, double time_s, object columns, object outputs, int64_t rows, object ids,
             object doubtful):
        """Copy a batch, or leave it to the slower way."""
        cdef object full = None
        if type(columns) is dict and type(outputs) is dict:
            self.lock.acquire()
            try:
                full = self.put(version, time_s, columns, outputs, rows, ids, doubtful)
                if full:
                    self.fill()
            finally:
                self.lock.release()
        return full is not None


@cython.final
cdef class Index:
    """Ids of answered requests, and which rows are theirs."""

    cdef unique_ptr[CppIndex] index

    def __init__(self):
        raise TypeError("expected Chunk.index(), Index.merged() or Index.of_rows()")

    @staticmethod
    cdef Index _of(Chunk chunk):
        cdef Index self = Index.__new__(Index)
        cdef const CppChunk* held = chunk.chunk.get()
        cdef CppIndex* made
        with nogil:
            made = new CppIndex((<CppChunk*>held).entries(), (<CppChunk*>held).id_offsets(),
                                (<CppChunk*>held).id_data())
        self.index.reset(made)
        return self

    @staticmethod
    def merged(Index older not None, Index newer not None):
        """Both, the rows of the newer after those of the older."""
        cdef Index self = Index.__new__(Index)
        cdef const CppIndex* first = older.index.get()
        cdef const CppIndex* second = newer.index.get()
        cdef CppIndex* made
        with nogil:
            made = new CppIndex(first[0], second[0])
        self.index.reset(made)
        return self

    @staticmethod
    def of_rows(const int32_t[::1] offsets not None, const uint8_t[::1] data not None,
                const int64_t[::1] times_us not None, const int32_t[::1] versions not None):
        """An index of rows that each have an id of their own."""
        cdef Index self = Index.__new__(Index)
        cdef vector[Entry] entries
        cdef vector[int32_t] ends
        cdef string ids, storage
        cdef Entry entry
        cdef string_view id
        cdef Py_ssize_t i
        cdef const char* begin = _start_of(data)
        if len(offsets) != len(times_us) + 1 or len(versions) != len(times_us):
            raise ConfigError("expected as many times and versions as ids")
        entry.first = 0
        entry.rows = entry.of = 1
        with nogil:
            ends.push_back(0)
            for i in range(times_us.shape[0]):
                id = kept_id(string_view(begin + offsets[i], <size_t>(offsets[i + 1] - offsets[i])), &storage)
                entry.hash = xxh64(id.data(), id.size(), 0)
                entry.time_us = times_us[i]
                entry.version = versions[i]
                entries.push_back(entry)
                ids.append(id.data(), id.size())
                ends.push_back(<int32_t>ids.size())
        self.index.reset(new CppIndex(entries, ends, ids))
        return self

    def __len__(self):
        return self.index.get().rows()

    @property
    def size_bytes(self):
        """Bytes that the index takes."""
        return self.index.get().size_bytes()

    def find(self, const int32_t[::1] offsets not None, const uint8_t[::1] data not None,
             int64_t[::1] entries not None, int64_t[::1] rows not None):
        """Look up ids; write entry and row of those that are there and leave the others."""
        cdef const CppIndex* index = self.index.get()
        cdef const char* begin = _start_of(data)
        cdef Py_ssize_t i
        cdef Found found
        if len(offsets) != len(rows) + 1 or len(entries) != len(rows):
            raise ConfigError("expected a place for each id")
        with nogil:
            for i in range(rows.shape[0]):
                if rows[i] >= 0:
                    continue
                found = (<CppIndex*>index).find(
                    string_view(begin + offsets[i], <size_t>(offsets[i + 1] - offsets[i]))
                )
                if found.entry >= 0:
                    entries[i] = found.entry
                    rows[i] = found.row

    def times_us(self):
        """When each entry was answered, in microseconds since the epoch."""
        cdef const vector[Place]* places = &self.index.get().places()
        cdef cnp.npy_intp count = <cnp.npy_intp>places.size()
        cdef cnp.ndarray times = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_INT64)
        cdef size_t i
        for i in range(places.size()):
            (<int64_t*>cnp.PyArray_DATA(times))[i] = places[0][i].time_us
        return times

    def versions(self):
        """The version that answered each entry."""
        cdef const vector[Place]* places = &self.index.get().places()
        cdef cnp.npy_intp count = <cnp.npy_intp>places.size()
        cdef cnp.ndarray versions = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_INT32)
        cdef size_t i
        for i in range(places.size()):
            (<int32_t*>cnp.PyArray_DATA(versions))[i] = places[0][i].version
        return versions

    def hashes(self):
        """The hashes of all ids, in order."""
        cdef const vector[uint64_t]* hashes = &self.index.get().hashes()
        return _view(self, hashes.data(), <cnp.npy_intp>hashes.size(), cnp.NPY_UINT64)


def request_hashes(const int32_t[::1] offsets not None, const uint8_t[::1] data not None):
    """Hashes of ids as :class:`Index` has them: of the whole, and of what stands before a row's number."""
    cdef cnp.npy_intp count = offsets.shape[0] - 1
    cdef cnp.ndarray whole = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_UINT64)
    cdef cnp.ndarray request = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_UINT64)
    cdef uint64_t* first = <uint64_t*>cnp.PyArray_DATA(whole)
    cdef uint64_t* second = <uint64_t*>cnp.PyArray_DATA(request)
    cdef const char* begin = _start_of(data)
    cdef string storage
    cdef string_view id, before, kept
    cdef Py_ssize_t i
    with nogil:
        for i in range(count):
            id = string_view(begin + offsets[i], <size_t>(offsets[i + 1] - offsets[i]))
            kept = kept_id(id, &storage)
            first[i] = xxh64(kept.data(), kept.size(), 0)
            second[i] = first[i]
            if split_row(id, &before) >= 0:
                kept = kept_id(before, &storage)
                second[i] = xxh64(kept.data(), kept.size(), 0)
    return whole, request

"""Raw columns of a batch, bound: views of memory (csrc/transform/column.h) and whoever owns it."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t
from libcpp.vector cimport vector


cdef extern from "transform/column.h" namespace "penstock" nogil:
    cdef enum class Layout(uint8_t):
        kBits
        kBool
        kInt8
        kInt16
        kInt32
        kInt64
        kUint8
        kUint16
        kUint32
        kUint64
        kHalf
        kFloat
        kDouble
        kText32
        kText64
        kTextView
        kTextRefs
        kDictionary

    cdef cppclass ColumnView:
        ColumnView()
        Layout layout
        int64_t length
        const void* values
        int64_t stride
        int64_t bit_offset
        const void* offsets
        const void* const* buffers
        const uint8_t* validity
        int64_t validity_offset
        Layout codes
        const ColumnView* dictionary


cdef extern from "columns/arena.h" namespace "penstock" nogil:
    cdef cppclass Arena:
        void* allocate(size_t size_bytes) except +
        void* allocate_zeroed(size_t size_bytes) except +


cdef class Columns:
    # In the order of the columns of the transform, each of at least `rows` values.
    cdef vector[ColumnView] views
    cdef readonly int64_t rows
    # Columns that came and that the transform does not read.
    cdef readonly int64_t extra
    # The type that each column has for the program, a byte each.
    cdef readonly bytes key
    # What the views point into.
    cdef Arena arena
    cdef list owners


# How numbers of a type of numpy's, by its number, lie; raises SignatureError where it is none of numbers.
cdef Layout layout_of(int number) except *

# distutils: language = c++
"""Compiled transforms: csrc/transform/program.h for Python. What the instructions are: instructions.py."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

import numpy as np

from penstock.errors import TransformError
from penstock.transform.instructions import ELEMENTS, KINDS, OPS

from penstock.batching._queue cimport CppRunner, Runner
from penstock.transform._columns cimport Columns, ColumnView, Layout, layout_of

cnp.import_array()

cdef extern from "transform/program.h" namespace "penstock" nogil:
    cdef enum class Kind(uint8_t):
        kFloat

    cdef enum class Op(uint8_t):
        kLoad

    cdef enum class Element(uint8_t):
        kFloat

    cdef cppclass CppTable "penstock::Table":
        cbool text
        vector[string] texts
        vector[double] numbers
        vector[int32_t] codes
        int32_t missing
        int32_t unknown

    cdef cppclass CppInstruction "penstock::Instruction":
        Op op
        cbool wide
        int32_t dst
        vector[int32_t] src
        vector[double] numbers
        vector[int64_t] integers
        int32_t table

    cdef cppclass OutputSpec:
        Element element
        int64_t width

    cdef cppclass OutputView:
        void* data
        int64_t row_bytes
        cbool zeroed

    cdef cppclass RefusedValue:
        int64_t row
        int32_t instruction

    cdef cppclass CppProgram "penstock::Program":
        CppProgram(vector[Kind], vector[CppInstruction], vector[CppTable], vector[string], int32_t,
                   vector[OutputSpec]) except +
        cbool run(const ColumnView*, int64_t, const OutputView*, int, RefusedValue*) except +
        vector[uint64_t] unknown_counts()
        uint64_t rows()

cdef extern from "transform/runner.h" namespace "penstock" nogil:
    cdef cppclass TransformRunner(CppRunner):
        TransformRunner(shared_ptr[const CppProgram] program, vector[Layout] layouts,
                        vector[OutputSpec] outputs, vector[size_t] fills, shared_ptr[const CppRunner] model)

# From here on the time without the GIL is worth more than giving it up and taking it back.
cdef int64_t _ROWS_WITHOUT_GIL = 64

# numpy's type numbers and sizes, in the order of Element.
cdef int[4] _TYPES = [cnp.NPY_FLOAT32, cnp.NPY_FLOAT64, cnp.NPY_INT32, cnp.NPY_INT64]
cdef int[4] _SIZES = [4, 8, 4, 8]


cdef int _index_of(object name, tuple names, str where) except -1:
    try:
        return names.index(name)
    except ValueError:
        raise TransformError(f"{where}: expected one of {', '.join(names)}, got {name!r}") from None


cdef CppTable _table_of(object table) except *:
    cdef CppTable result
    cdef object categories = table.categories
    result.text = not isinstance(categories, np.ndarray) or categories.dtype.kind not in "biuf"
    if result.text:
        for text in categories:
            result.texts.push_back(text.encode())
    else:
        result.numbers = categories.astype(np.float64).tolist()
    result.codes = np.asarray(table.codes, dtype=np.int32).tolist()
    result.missing = table.missing
    result.unknown = table.unknown
    return result


cdef CppInstruction _instruction_of(object instruction, str where) except *:
    cdef CppInstruction result
    result.op = <Op>_index_of(instruction.op, OPS, where)
    result.wide = instruction.wide
    result.dst = instruction.dst
    result.src = instruction.src
    result.numbers = instruction.numbers
    result.integers = instruction.integers
    result.table = instruction.table
    return result


@cython.final
cdef class Program:
    """A transform, compiled: see csrc/transform/program.h. Immutable; any number of threads may run it.

    Parameters
    ----------
    registers : sequence of str
        What each register holds, of :data:`~penstock.transform.instructions.KINDS`.
    instructions : sequence of Instruction
    tables : sequence of Table
    texts : sequence of str
        Constants.
    columns : int
        How many raw columns there are.
    outputs : sequence of (str, int)
        Dtype and width of each output.

    Raises
    ------
    TransformError
        Names the instruction that is not as it should be.
    """

    cdef shared_ptr[CppProgram] program
    cdef vector[OutputSpec] outputs
    cdef size_t columns

    def __cinit__(self, registers, instructions, tables, texts, int32_t columns, outputs):
        cdef vector[Kind] kinds
        cdef vector[CppInstruction] steps
        cdef vector[CppTable] lookups
        cdef vector[string] constants
        cdef OutputSpec output
        for i, kind in enumerate(registers):
            kinds.push_back(<Kind>_index_of(kind, KINDS, f"register {i}"))
        for i, instruction in enumerate(instructions):
            steps.push_back(_instruction_of(instruction, f"instruction {i}"))
        for table in tables:
            lookups.push_back(_table_of(table))
        for text in texts:
            constants.push_back(text.encode())
        for i, (dtype, width) in enumerate(outputs):
            output.element = <Element>_index_of(str(dtype), ELEMENTS, f"output {i}")
            output.width = width
            self.outputs.push_back(output)
        self.columns = columns
        try:
            self.program.reset(new CppProgram(kinds, steps, lookups, constants, columns, self.outputs))
        except ValueError as error:
            raise TransformError(str(error)) from None

    def run(self, Columns columns not None, list outputs not None, int threads=1, *, cbool zeroed=False):
        """Transform all rows of the columns.

        Parameters
        ----------
        columns : Columns
        outputs : list of ndarray
            One for each output: (rows, width), its rows contiguous, of its dtype; overwritten.
        threads : int, default 1
            At most so many, the caller's among them; no result depends on it.
        zeroed : bool, default False
            The outputs are zero already.

        Returns
        -------
        (row, instruction) or None
            The lowest row with a value that a lookup refuses, and which lookup; the outputs are then
            unspecified. None when all is well.

        Notes
        -----
        Fewer than 64 rows keep the GIL: they take less time than giving it up.
        """
        cdef OutputView few[8]
        cdef vector[OutputView] many
        cdef OutputView* views = few
        cdef RefusedValue refusal
        cdef cnp.ndarray array
        cdef int64_t rows = columns.rows
        cdef const ColumnView* first = columns.views.data()
        cdef CppProgram* program = self.program.get()
        cdef cbool done
        cdef Py_ssize_t i
        if columns.views.size() != self.columns:
            raise TransformError(f"expected {self.columns} columns, got {columns.views.size()}")
        if <size_t>len(outputs) != self.outputs.size():
            raise TransformError(f"expected {self.outputs.size()} outputs, got {len(outputs)}")
        if self.outputs.size() > 8:
            many.resize(self.outputs.size())
            views = many.data()
        for i in range(len(outputs)):
            self._check(outputs[i], rows, i)
            array = outputs[i]
            views[i].data = cnp.PyArray_DATA(array)
            views[i].row_bytes = cnp.PyArray_STRIDE(array, 0)
            views[i].zeroed = zeroed
        try:
            if rows < _ROWS_WITHOUT_GIL:
                done = program.run(first, rows, views, threads, &refusal)
            else:
                with nogil:
                    done = program.run(first, rows, views, threads, &refusal)
        except ValueError as error:
            raise TransformError(str(error)) from None
        return None if done else (refusal.row, refusal.instruction)

    cdef int _check(self, object output, int64_t rows, Py_ssize_t i) except -1:
        cdef int element = <int>self.outputs[i].element
        cdef int64_t width = self.outputs[i].width
        cdef cnp.ndarray array
        if cnp.PyArray_Check(output):
            array = output
            if (cnp.PyArray_NDIM(array) == 2
                    and cnp.PyArray_DIM(array, 0) == rows and cnp.PyArray_DIM(array, 1) == width
                    and cnp.PyArray_EquivTypenums(cnp.PyArray_TYPE(array), _TYPES[element])
                    and cnp.PyArray_ISNOTSWAPPED(array) and cnp.PyArray_ISWRITEABLE(array)
                    and (rows == 0 or width < 2 or cnp.PyArray_STRIDE(array, 1) == _SIZES[element])):
                return 0
        got = f"{output.dtype} {output.shape}" if isinstance(output, np.ndarray) else type(output).__name__
        raise TransformError(
            f"output {i}: expected a writeable {ELEMENTS[element]} ({rows}, {width}) with contiguous rows, "
            f"got {got}")

    @property
    def rows(self):
        """How many rows were transformed so far."""
        return self.program.get().rows()

    def runner(self, list layouts not None, list fills not None, Runner model not None):
        """Return what transforms the tensors of requests and runs a model over the result, without Python.

        Parameters
        ----------
        layouts : list of dtype or None
            Of the tensor of each raw column; None where it holds text.
        fills : list of int
            The input of the model that each output fills, as a matrix.
        model : Runner
        """
        cdef vector[Layout] native
        cdef vector[size_t] filled = fills
        cdef Runner runner = Runner()
        if <size_t>len(layouts) != self.columns or filled.size() != self.outputs.size():
            raise TransformError(f"expected {self.columns} layouts and {self.outputs.size()} inputs to fill")
        for dtype in layouts:
            native.push_back(Layout.kTextRefs if dtype is None else layout_of(dtype.num))
        runner.runner = <shared_ptr[const CppRunner]>make_shared[TransformRunner](
            <shared_ptr[const CppProgram]>self.program, native, self.outputs, filled, model.runner)
        return runner

    def unknown_counts(self):
        """Return how many values each instruction found unknown and did not refuse, so far."""
        return list(self.program.get().unknown_counts())

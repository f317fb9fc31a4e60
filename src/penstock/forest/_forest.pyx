# distutils: language = c++
"""Compiled ensembles of small decision trees: csrc/forest/forest.h for Python."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.vector cimport vector

import numpy as np

from penstock.batching._queue cimport CppRunner, Runner

cnp.import_array()

cdef extern from "forest/forest.h" namespace "penstock" nogil:
    int kMostLeaves

    cdef enum class Link(uint8_t):
        kNone

    cdef cppclass ForestNodes:
        vector[int32_t] roots
        vector[int32_t] true_child
        vector[int32_t] false_child
        vector[int32_t] feature
        vector[float] threshold
        vector[uint8_t] test
        vector[uint8_t] missing_is_true
        vector[int64_t] first_vote
        vector[int32_t] vote_target
        vector[float] vote_value

    cdef cppclass ForestOutput:
        Link link
        float divisor
        vector[float] base
        vector[int64_t] labels
        float cut

    cdef cppclass CppForest "penstock::Forest":
        CppForest(const ForestNodes&, int32_t, ForestOutput, const char*) except +
        int32_t columns()
        int32_t width()
        cbool has_labels()
        void run(const float*, int64_t, int64_t, float*, int64_t*) except +

cdef extern from "forest/runner.h" namespace "penstock" nogil:
    cdef cppclass ForestRunner(CppRunner):
        ForestRunner(shared_ptr[const CppForest] forest, vector[cbool] labels)

MOST_LEAVES = kMostLeaves
LINKS = ("none", "complement", "sigmoids", "sigmoid", "softmax")


ctypedef fused number:
    uint8_t
    int32_t
    int64_t
    float


cdef vector[number] _vector(const number[::1] array):
    cdef vector[number] result
    if array.shape[0]:
        result.assign(&array[0], &array[0] + array.shape[0])
    return result


cdef vector[int32_t] _int32s(object array) except *:
    return _vector[int32_t](np.ascontiguousarray(array, dtype=np.int32))


cdef vector[int64_t] _int64s(object array) except *:
    return _vector[int64_t](np.ascontiguousarray(array, dtype=np.int64))


cdef vector[float] _floats(object array) except *:
    return _vector[float](np.ascontiguousarray(array, dtype=np.float32))


cdef vector[uint8_t] _bytes(object array) except *:
    return _vector[uint8_t](np.ascontiguousarray(array, dtype=np.uint8))


@cython.final
cdef class Forest:
    """An ensemble of trees, compiled. Immutable; any number of threads may run it.

    Parameters
    ----------
    nodes : Nodes
        See :class:`penstock.forest.ensemble.Nodes`.
    targets : int
    output : Output
        See :class:`penstock.forest.ensemble.Output`.
    kernel : str, optional
        ``avx512``, ``avx2`` or ``none``; the best that this processor has where left out.

    Raises
    ------
    ValueError
        When it is no forest, a tree has more than :data:`MOST_LEAVES` leaves, or the kernel is not there.
    """

    cdef shared_ptr[CppForest] forest

    def __cinit__(self, object nodes, int32_t targets, object output, *, object kernel=None):
        cdef ForestNodes native
        cdef ForestOutput finish
        cdef bytes name
        cdef const char* chosen = NULL
        if kernel is not None:
            name = kernel.encode()
            chosen = name
        native.roots = _int32s(nodes.roots)
        native.true_child = _int32s(nodes.true_child)
        native.false_child = _int32s(nodes.false_child)
        native.feature = _int32s(nodes.feature)
        native.threshold = _floats(nodes.threshold)
        native.test = _bytes(nodes.test)
        native.missing_is_true = _bytes(nodes.missing_is_true)
        native.first_vote = _int64s(nodes.first_vote)
        native.vote_target = _int32s(nodes.vote_target)
        native.vote_value = _floats(nodes.vote_value)
        finish.link = <Link><int>LINKS.index(output.link)
        finish.divisor = output.divisor
        finish.base = _floats(output.base)
        finish.labels = _int64s(output.labels)
        finish.cut = output.cut
        self.forest.reset(new CppForest(native, targets, finish, chosen))

    @property
    def columns(self):
        """How many columns a row has at least."""
        return self.forest.get().columns()

    def runner(self, list labels not None):
        """Return what answers requests without Python.

        Parameters
        ----------
        labels : list of bool
            For each output of the signature, whether it is the label; else it is the scores.
        """
        cdef vector[cbool] native = labels
        cdef Runner runner = Runner()
        runner.runner = <shared_ptr[const CppRunner]>make_shared[ForestRunner](
            <shared_ptr[const CppForest]>self.forest, native)
        return runner

    def run(self, const float[:, ::1] x not None):
        """Score rows, without the GIL.

        Parameters
        ----------
        x : ndarray of float32, shape (n_rows, n_columns), C-contiguous

        Returns
        -------
        scores : ndarray of float32, shape (n_rows, n_outputs)
        labels : ndarray of int64, shape (n_rows,), or None
            None where the forest has no labels.

        Raises
        ------
        ValueError
            When there are too few columns.
        """
        cdef int64_t rows = x.shape[0]
        if x.shape[1] < self.forest.get().columns():
            raise ValueError(f"expected at least {self.forest.get().columns()} columns, got {x.shape[1]}")
        cdef cnp.npy_intp shape[2]
        shape[0] = rows
        shape[1] = self.forest.get().width()
        cdef cnp.ndarray scores = cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT32, 0)
        cdef cnp.ndarray labels = None
        cdef int64_t* label_data = NULL
        if self.forest.get().has_labels():
            labels = cnp.PyArray_EMPTY(1, shape, cnp.NPY_INT64, 0)
            label_data = <int64_t*>cnp.PyArray_DATA(labels)
        cdef float* score_data = <float*>cnp.PyArray_DATA(scores)
        if rows == 0:
            return scores, labels
        with nogil:
            self.forest.get().run(&x[0, 0] if x.shape[1] else NULL, rows, x.shape[1], score_data, label_data)
        return scores, labels

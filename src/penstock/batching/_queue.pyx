# distutils: language = c++
"""Queue, batches, targets and routes of csrc/queue for Python; the contracts are in those headers."""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, uint32_t
from libc.string cimport memcpy
from libcpp.memory cimport make_shared
from libcpp.utility cimport move

import numpy as np

from penstock.errors import InferenceError

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    int PyArray_SetBaseObject(cnp.ndarray array, object base) except -1

cdef extern from *:
    """
    #include <array>
    #include <vector>
    #include "queue/clock.h"
    #include "queue/target.h"
    namespace penstock {
    template <typename H> std::vector<double> histogram_bounds(const H& h) {
      return {h.bounds().begin(), h.bounds().end()};
    }
    template <typename H> std::vector<uint64_t> histogram_counts(const H& h) {
      return {h.counts().begin(), h.counts().end()};
    }
    inline std::vector<uint64_t> code_counts(const TargetStatistics& s) {
      return {s.requests.begin(), s.requests.end()};
    }
    inline std::vector<uint64_t> decision_counts(const TargetStatistics& s) {
      return {s.decisions.begin(), s.decisions.end()};
    }
    inline std::string refusal_name(size_t i) { return std::string(kRefusalReasons[i]); }
    inline Refusal make_refusal(size_t reason, int input) {
      return {static_cast<RefusalReason>(reason), input};
    }
    inline std::string reason_name(size_t i) { return batch_reason_name(static_cast<BatchReason>(i)); }
    inline DataType datatype_at(const std::string& name) { return *datatype_from_name(name); }
    inline Status make_status(int code, std::string message, std::string detail) {
      return {static_cast<Code>(code), std::move(message), std::move(detail)};
    }
    inline int code_number(const Status& status) { return static_cast<int>(status.code); }
    }
    """
    vector[double] histogram_bounds "penstock::histogram_bounds"(const SecondsHistogram&)
    vector[double] rows_bounds "penstock::histogram_bounds"(const RowsHistogram&)
    vector[uint64_t] histogram_counts "penstock::histogram_counts"(const SecondsHistogram&)
    vector[uint64_t] rows_counts "penstock::histogram_counts"(const RowsHistogram&)
    vector[uint64_t] code_counts "penstock::code_counts"(const TargetStatistics&)
    vector[uint64_t] decision_counts "penstock::decision_counts"(const TargetStatistics&)
    string refusal_name "penstock::refusal_name"(size_t i)
    Refusal make_refusal "penstock::make_refusal"(size_t reason, int input)
    size_t refusal_reasons "penstock::kRefusalReasonCount"
    string reason_name "penstock::reason_name"(size_t i)
    DataType datatype_at "penstock::datatype_at"(const string& name)
    Status make_status "penstock::make_status"(int code, string message, string detail) nogil
    int code_number "penstock::code_number"(const Status& status)
    int64_t now_ns "penstock::now_ns"() nogil


# numpy's type numbers, in the order of DataType.
cdef int[13] _TYPES = [
    cnp.NPY_BOOL, cnp.NPY_UINT8, cnp.NPY_UINT16, cnp.NPY_UINT32, cnp.NPY_UINT64, cnp.NPY_INT8, cnp.NPY_INT16,
    cnp.NPY_INT32, cnp.NPY_INT64, cnp.NPY_FLOAT16, cnp.NPY_FLOAT32, cnp.NPY_FLOAT64, cnp.NPY_OBJECT,
]


REFUSAL_REASONS = tuple([refusal_name(i).decode() for i in range(refusal_reasons)])
# What refusals without an input of the model go by: labels are bounded.
_NO_INPUT = {"unknown": "other"}


cdef bint _has_type(cnp.ndarray array, int type_number) noexcept:
    return cnp.PyArray_EquivTypenums(cnp.PyArray_TYPE(array), type_number) and cnp.PyArray_ISNOTSWAPPED(array)


cdef object _type_of(object got):
    return getattr(got, "dtype", type(got).__name__)


cdef CppSignature _signature_of(object signature) except *:
    cdef CppSignature result
    cdef CppTensorSpec spec
    for tensors, is_input in ((signature.inputs, True), (signature.outputs, False)):
        for tensor in tensors:
            spec.name = tensor.name.encode()
            spec.datatype = datatype_at(tensor.datatype.encode())
            spec.shape = tensor.shape
            if is_input:
                result.inputs.push_back(spec)
            else:
                result.outputs.push_back(spec)
    result.batched = signature.batched
    return result


cdef bytes _encode_text(cnp.ndarray array, cnp.int64_t[::1] offsets, int64_t per_row):
    """Length-prefix the str or bytes elements of an object array; offsets[i] is where row i begins."""
    cdef bytearray out = bytearray()
    cdef Py_ssize_t size = 0
    cdef const char* data
    cdef uint32_t length
    cdef int64_t index = 0
    for element in array.flat:
        if offsets is not None and index % per_row == 0:
            offsets[index // per_row] = len(out)
        if isinstance(element, bytes):
            data = PyBytes_AS_STRING(element)
            size = PyBytes_GET_SIZE(element)
        elif isinstance(element, str):
            data = PyUnicode_AsUTF8AndSize(element, &size)
        else:
            raise TypeError(f"expected str or bytes elements, got {type(element).__name__}")
        length = <uint32_t>size
        out += (<const char*>&length)[:4]
        out += data[:size]
        index += 1
    return bytes(out)


cdef object _decode_text(const char* data, size_t size_bytes, tuple shape):
    """Read length-prefixed UTF-8 elements, already checked, into an object array of str."""
    cdef cnp.ndarray flat = np.empty(int(np.prod(shape, dtype=np.int64)), dtype=object)
    cdef const char* p = data
    cdef const char* end = data + size_bytes
    cdef uint32_t length
    cdef Py_ssize_t i = 0
    while p < end:
        memcpy(&length, p, 4)
        flat[i] = PyUnicode_DecodeUTF8(p + 4, length, NULL)
        p += 4 + length
        i += 1
    return flat.reshape(shape)


@cython.final
cdef class Routes:
    """What fronts look models up in: see csrc/queue/routes.h."""

    def __cinit__(self):
        self.routes = make_shared[CppRoutes]()

    def publish(self, dict models):
        """Replace the table.

        Parameters
        ----------
        models : dict of str to (active, reason, versions)
            ``active`` is a Target or None; ``versions`` maps a number to (Target or None, reason).
        """
        cdef RouteTable table
        cdef ModelRoute* route
        cdef VersionRoute entry
        cdef Target target
        for name, (active, reason, versions) in models.items():
            route = &table[name.encode()]
            route.reason = reason.encode()
            if active is not None:
                route.active = (<Target?>active).target
            for number, (loaded, why) in versions.items():
                entry = VersionRoute()
                entry.reason = why.encode()
                if loaded is not None:
                    target = <Target?>loaded
                    entry.target = target.target
                route.versions[<int64_t>number] = entry
        self.routes.get().publish(move(table))


@cython.final
cdef class Runner:
    """Runs batches without Python: see csrc/queue/runner.h. Made by what is compiled."""


cdef class BatchObserver:
    """Sees what a runner answered: see csrc/queue/batch_observer.h. Made by what counts."""


@cython.final
cdef class Target:
    """One loaded version as the queue sees it: see csrc/queue/target.h.

    Parameters
    ----------
    model : str
    version : int
    signature : Signature
    queue : Queue
    runner : Runner, optional
        Answers little requests where they come in.
    observer : BatchObserver, optional
        Sees what the runner answered.
    wants_ids : bool
        And is to be told what clients call such requests.
    """

    def __cinit__(self, str model not None, int64_t version, object signature, Queue queue not None, *,
                  Runner runner=None, BatchObserver observer=None, bint wants_ids=False):
        cdef CppSignature native = _signature_of(signature)
        cdef shared_ptr[Intake] intake = <shared_ptr[Intake]>queue.queue
        cdef shared_ptr[const CppRunner] native_runner
        cdef shared_ptr[CppBatchObserver] native_observer
        if observer is not None:
            native_observer = observer.observer
        if runner is not None:
            native_runner = runner.runner
        self.model = model
        self.version = version
        self.signature = signature
        self.target = make_shared[CppTarget](
            <string>model.encode(), version, native, intake, native_runner, native_observer, <cbool>wants_ids)

    def retire(self):
        """Take no new requests; those that hold this version go on."""
        self.target.get().retire()

    def wait_drained(self, double timeout_s):
        """Block without the GIL until no request holds this version; False when the time ran out."""
        cdef int64_t timeout = <int64_t>(timeout_s * 1e9)
        cdef bint drained
        with nogil:
            drained = self.target.get().wait_drained(timeout)
        return drained

    @property
    def key(self):
        """Identifies the target while it lives; batches carry it."""
        return <size_t>self.target.get()

    @property
    def holds(self):
        """How many requests and batches hold this version."""
        return self.target.get().holds()

    def learn(self, int64_t rows, double seconds):
        """Teach the cost model that a batch of `rows` took `seconds`."""
        self.target.get().learn(rows, seconds * 1e9)

    def count(self, int code):
        """Count a request that was answered with a gRPC status code outside the queue."""
        self.target.get().count(<Code>code)

    def refuse(self, str name not None, str reason not None, *, bint answered=True):
        """Count a request that was refused before it was queued.

        Parameters
        ----------
        name : str
            Of the input; one that the model does not have stands for none.
        reason : str
            One of REFUSAL_REASONS; see csrc/wire/refusal.h.
        answered : bool, default True
            Count an answer INVALID_ARGUMENT too; false where somebody else does.

        Raises
        ------
        ValueError
            When there is no such reason.
        """
        cdef int index = -1
        cdef Refusal refusal
        for i, spec in enumerate(self.signature.inputs):
            if spec.name == name:
                index = i
        refusal = make_refusal(REFUSAL_REASONS.index(reason), index)
        if answered:
            self.target.get().refuse(refusal)
        else:
            self.target.get().count_refusal(refusal)

    def statistics(self):
        """Return what the version did since it was loaded, as a dict of plain values."""
        cdef TargetStatistics s = self.target.get().statistics()
        cdef vector[uint64_t] codes = code_counts(s)
        cdef vector[uint64_t] decisions = decision_counts(s)
        cdef dict refusals = {}
        cdef size_t i
        for i in range(s.refusals.size()):
            index = s.refusals[i].refusal.input
            reason = REFUSAL_REASONS[<size_t>s.refusals[i].refusal.reason]
            name = self.signature.inputs[index].name if index >= 0 else _NO_INPUT.get(reason, "")
            refusals[name, reason] = s.refusals[i].count
        return {
            "requests": list(codes),
            "decisions": {reason_name(i).decode(): decisions[i] for i in range(decisions.size())},
            "rows": s.rows,
            "batches": s.batches,
            "last_inference_ms": s.last_inference_ms,
            "queue_s": (histogram_bounds(s.queue_s), histogram_counts(s.queue_s), s.queue_s.sum()),
            "execution_s": (histogram_bounds(s.execution_s), histogram_counts(s.execution_s),
                            s.execution_s.sum()),
            "request_s": (histogram_bounds(s.request_s), histogram_counts(s.request_s), s.request_s.sum()),
            "batch_rows": (rows_bounds(s.batch_rows), rows_counts(s.batch_rows), s.batch_rows.sum()),
            "refusals": refusals,
            "cost": (s.cost.base_ns * 1e-9, s.cost.row_ns * 1e-9, s.cost.spread_ns * 1e-9),
        }


@cython.final
cdef class Ticket:
    """The queue's side of one request from Python: keeps its arrays, answers its future."""

    def withdraw(self):
        """Drop the request if it has not run yet; harmless afterwards."""
        if self.request != NULL:
            self.request.withdraw()


cdef void _on_deliver(void* ticket_pointer, PythonRequest* request, const BatchOutputs& outputs,
                      int64_t first_row) noexcept with gil:
    cdef Ticket ticket = <Ticket>ticket_pointer
    ticket.request = NULL
    ticket.arrays = None
    future = ticket.future
    ticket.future = None
    Py_DECREF(ticket)
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = _copy_outputs(
            ticket.signature, request.bound.outputs, request.bound.rows, outputs, first_row)
    except Exception as error:  # whatever went wrong, the caller must learn of it
        future.set_exception(error)
    else:
        future.set_result(result)


cdef void _on_fail(void* ticket_pointer, const Status& status) noexcept with gil:
    cdef Ticket ticket = <Ticket>ticket_pointer
    ticket.request = NULL
    ticket.arrays = None
    future = ticket.future
    ticket.future = None
    Py_DECREF(ticket)
    if future.set_running_or_notify_cancel():
        future.set_exception(ticket.error_of(code_number(status), status.message.decode("utf-8", "replace")))


cdef dict _copy_outputs(object signature, vector[uint16_t] wanted, int64_t rows,
                        const BatchOutputs& outputs, int64_t first_row):
    cdef dict result = {}
    cdef string_view view
    cdef cnp.ndarray array
    cdef cbool batched = signature.batched
    cdef uint16_t index
    for index in wanted:
        spec = signature.outputs[index]
        view = slice_rows(outputs.columns[index], batched, first_row, rows)
        shape = list(outputs.columns[index].shape)
        if batched:
            shape[0] = rows
        if spec.datatype == "BYTES":
            result[spec.name] = _decode_text(view.data(), view.size(), tuple(shape))
        else:
            array = np.empty(shape, dtype=spec.dtype)
            if view.size() > 0:
                memcpy(cnp.PyArray_DATA(array), view.data(), view.size())
            result[spec.name] = array
    return result


@cython.final
cdef class Queue:
    """The queue of one deployment: see csrc/queue/queue.h.

    Parameters
    ----------
    max_batch_rows, max_queue_rows : int
    latency_slo_s, promote_after_s : float
    executors : int
        Threads that will call :meth:`next`.
    """

    def __cinit__(self, *, int64_t max_batch_rows=256, int64_t max_queue_rows=4096, double latency_slo_s=0.02,
                  double promote_after_s=0.5, int32_t executors=1):
        cdef QueueSettings settings
        settings.max_batch_rows = max_batch_rows
        settings.max_queue_rows = max_queue_rows
        settings.latency_slo_ns = <int64_t>(latency_slo_s * 1e9)
        settings.promote_after_ns = <int64_t>(promote_after_s * 1e9)
        settings.executors = executors
        self.queue = make_shared[CppQueue](settings)

    def next(self):
        """Block without the GIL until there is a batch for Python to run, to show or to tell of.

        What is compiled runs meanwhile, without the GIL. None once the queue is closed.
        """
        cdef Batch batch = Batch.__new__(Batch)
        batch.queue = self.queue
        with nogil:
            batch.batch = self.queue.get().next()
        if batch.batch.get() == NULL:
            return None
        return batch

    def submit(self, Target target not None, object future, dict inputs not None, int64_t rows, *,
               list outputs=None, object timeout_s=None, int priority=0, str request_id="", object error_of):
        """Admit one request.

        Parameters
        ----------
        target : Target
        future : concurrent.futures.Future
            Gets a dict of arrays, or the exception that ``error_of(code, message, detail)`` makes.
        inputs : dict of str to ndarray
            One C-contiguous array for each input of the signature, checked; not to be changed before
            the answer.
        rows : int
            1 when the model is not batched.
        outputs : list of int, optional
            Indices into the signature's outputs; all when None.
        timeout_s : float, optional
        priority : int
            0 is served first, 2 last.
        request_id : str
            What the caller calls it; see :meth:`Batch.request_ids`.

        Returns
        -------
        Ticket or None
            None when the target is retired: look it up again.
        """
        cdef Ticket ticket = Ticket.__new__(Ticket)
        cdef PythonRequest* request
        cdef BoundInput bound
        cdef cnp.ndarray array
        cdef Request* base
        cdef list kept = []
        cdef int64_t begin = now_ns()
        cdef Py_ssize_t first_variable = 1 if target.signature.batched else 0
        cdef vector[uint16_t] wanted = range(len(target.signature.outputs)) if outputs is None else outputs
        cdef int64_t deadline = INT64_MAX
        # A year is as good as for ever, and keeps the sum from overflowing.
        if timeout_s is not None and timeout_s < 31_536_000:
            deadline = begin + <int64_t>(max(timeout_s, 0.0) * 1e9)
        for spec in target.signature.inputs:
            array = inputs[spec.name]
            kept.append(_encode_text(array, None, 1) if spec.datatype == "BYTES" else array)
        request = new PythonRequest(<void*>ticket, &_on_deliver, &_on_fail)
        request.target = TargetHold.of(target.target)
        if request.target.get() == NULL:
            del request
            return None
        for spec, held in zip(target.signature.inputs, kept):
            if isinstance(held, bytes):
                bound.data = <const uint8_t*>PyBytes_AS_STRING(held)
                bound.size_bytes = PyBytes_GET_SIZE(held)
            else:
                array = held
                bound.data = <const uint8_t*>cnp.PyArray_DATA(array)
                bound.size_bytes = cnp.PyArray_NBYTES(array)
            request.bound.inputs.push_back(bound)
            shape = inputs[spec.name].shape
            for d in range(first_variable, len(spec.shape)):
                if spec.shape[d] < 0:
                    request.bound.variable_dims.push_back(shape[d])
        request.bound.outputs = wanted
        request.bound.rows = rows
        request.arrival_ns = begin
        request.deadline_ns = deadline
        request.priority = priority
        request.id = request_id.encode("utf-8", "surrogatepass")
        ticket.request = request
        ticket.future = future
        ticket.arrays = kept
        ticket.signature = target.signature
        ticket.error_of = error_of
        Py_INCREF(ticket)
        base = request
        with nogil:
            self.queue.get().submit(&base, 1)
        return ticket

    @property
    def waiting_rows(self):
        """Rows that wait."""
        return self.queue.get().waiting_rows()

    def close(self):
        """Answer what waits with UNAVAILABLE and let the executors go."""
        with nogil:
            self.queue.get().close()


cdef cnp.ndarray _borrowed(cnp.ndarray array, object owner):
    """Return an array that keeps the owner of its memory, read-only."""
    Py_INCREF(owner)
    PyArray_SetBaseObject(array, owner)
    cnp.PyArray_CLEARFLAGS(array, cnp.NPY_ARRAY_WRITEABLE)
    return array


cdef cnp.ndarray _view(const uint8_t* data, const vector[int64_t]& shape, DataType datatype, object owner):
    """Return numbers that lie in somebody's memory as an array."""
    cdef cnp.npy_intp dims[64]
    cdef Py_ssize_t d
    for d in range(<Py_ssize_t>shape.size()):
        dims[d] = shape[d]
    cdef cnp.ndarray array = cnp.PyArray_SimpleNewFromData(
        <int>shape.size(), dims, _TYPES[<int>datatype], <void*>data)
    return _borrowed(array, owner)


@cython.final
cdef class Batch:
    """Rows that one executor runs: see csrc/queue/batch.h. Only from :meth:`Queue.next`."""

    def __init__(self):
        raise TypeError("batches come from Queue.next")

    @property
    def key(self):
        """The :attr:`Target.key` of the version that the requests hold."""
        return <size_t>&self.batch.get().target()

    @property
    def rows(self):
        """Rows of all requests together."""
        return self.batch.get().rows()

    @property
    def requests(self):
        """How many requests share the batch."""
        return self.batch.get().request_count()

    @property
    def answered(self):
        """Whether it was answered without Python."""
        return not self.batch.get().outputs().columns.empty()

    @property
    def seen(self):
        """Whether its observer saw it without Python too, and is only to be told of it."""
        return self.batch.get().is_seen()

    def request_ids(self):
        """Return what clients call the requests, and the rows of each, in their order; before the answer.

        Of an answered batch they are kept where its target is observed with them.

        Returns
        -------
        ids : list of str
            Empty where a client gave none; bytes that are not UTF-8 are escaped.
        rows : list of int
        """
        cdef const vector[Request*]* requests = &self.batch.get().requests()
        cdef list ids = []
        cdef list rows = []
        cdef string_view view
        cdef Request* request
        cdef size_t i
        cdef const vector[pair[string, int64_t]]* answered = &self.batch.get().answered_ids()
        for i in range(answered.size()):
            ids.append((<bytes>answered.at(i).first).decode("utf-8", "backslashreplace"))
            rows.append(answered.at(i).second)
        for i in range(requests.size()):
            request = requests.at(i)
            view = request.client_id()
            ids.append(PyUnicode_DecodeUTF8(view.data(), <Py_ssize_t>view.size(), b"backslashreplace"))
            rows.append(request.bound.rows)
        return ids, rows

    def inputs(self, object signature, object text=None):
        """Return the gathered inputs as a dict of arrays over the batch's own memory, read-only.

        Parameters
        ----------
        signature : Signature
            Of the target.
        text : callable, optional
            Makes a BYTES input of its length-prefixed elements, an array of uint8, and their number. An
            object array of str where left out.
        """
        cdef dict result = {}
        cdef const BatchInput* column
        cdef cnp.ndarray array
        cdef cnp.npy_intp dims[1]
        cdef Py_ssize_t i = 0
        if self.batch.get().inputs().empty():  # a part of another batch
            self.batch.get().gather(self.queue.get().pool())
        cdef const CppSignature* native = &self.batch.get().target().signature()
        cdef DataType datatype
        for spec in signature.inputs:
            column = &self.batch.get().inputs()[i]
            datatype = native.inputs[i].datatype
            i += 1
            if datatype == DataType.kBytes:
                if text is None:
                    result[spec.name] = _decode_text(<const char*>column.buffer.data(), column.size_bytes,
                                                     tuple(column.shape))
                    continue
                dims[0] = <cnp.npy_intp>column.size_bytes
                array = cnp.PyArray_SimpleNewFromData(1, dims, cnp.NPY_UINT8, <void*>column.buffer.data())
                result[spec.name] = text(_borrowed(array, self), column.shape[0])
            else:
                result[spec.name] = _view(column.buffer.data(), column.shape, datatype, self)
        return result

    def outputs(self, object signature):
        """Return the outputs of an answered batch as a dict of arrays over its memory, read-only."""
        cdef dict result = {}
        cdef const OutputColumn* column
        cdef const CppSignature* native = &self.batch.get().target().signature()
        cdef Py_ssize_t i = 0
        for spec in signature.outputs:
            column = &self.batch.get().outputs().columns[i]
            result[spec.name] = _view(column.data, column.shape, native.outputs[i].datatype, self)
            i += 1
        return result

    def complete(self, object signature, dict outputs not None):
        """Answer every request with its rows.

        Parameters
        ----------
        signature : Signature
            Of the target.
        outputs : dict of str to ndarray
            Every output of the signature; first dimension `rows` when the model is batched.

        Raises
        ------
        InferenceError
            When an output is missing or not as the signature says; nothing was answered then.
        """
        cdef BatchOutputs result
        cdef OutputColumn column
        cdef cnp.ndarray array
        cdef cnp.int64_t[::1] offsets
        cdef list kept = []
        cdef CppBatch* batch = self.batch.get()
        cdef int64_t rows = batch.rows()
        cdef const CppSignature* native = &batch.target().signature()
        cdef cbool batched = native.batched
        cdef DataType datatype
        cdef Py_ssize_t i = 0
        cdef int d
        for spec in signature.outputs:
            got = outputs.get(spec.name)
            datatype = native.outputs[i].datatype
            i += 1
            if got is None:
                raise InferenceError(f'output "{spec.name}": the model returned none')
            if not cnp.PyArray_Check(got) or not _has_type(<cnp.ndarray>got, _TYPES[<int>datatype]):
                raise InferenceError(f'output "{spec.name}": expected {spec.datatype}, got {_type_of(got)}')
            array = got
            if batched and (cnp.PyArray_NDIM(array) == 0 or cnp.PyArray_DIM(array, 0) != rows):
                raise InferenceError(f'output "{spec.name}": expected {rows} rows, got shape {got.shape}')
            if not cnp.PyArray_IS_C_CONTIGUOUS(array):
                array = np.ascontiguousarray(got)
            column = OutputColumn()
            for d in range(cnp.PyArray_NDIM(array)):
                column.shape.push_back(cnp.PyArray_DIM(array, d))
            if datatype == DataType.kBytes:
                offsets = np.zeros(rows + 1, dtype=np.int64)
                per_row = array.size // rows if batched else max(array.size, 1)
                encoded = _encode_text(array, offsets if per_row else None, per_row)
                offsets[rows if batched else 1] = len(encoded)
                kept.append((encoded, offsets))
                column.data = <const uint8_t*>PyBytes_AS_STRING(encoded)
                column.size_bytes = PyBytes_GET_SIZE(encoded)
                column.offsets = <const int64_t*>&offsets[0]
            else:
                kept.append(array)
                column.data = <const uint8_t*>cnp.PyArray_DATA(array)
                column.size_bytes = cnp.PyArray_NBYTES(array)
                column.row_bytes = column.size_bytes // <size_t>rows if batched else 0
            result.columns.push_back(column)
        with nogil:
            batch.complete(&result)

    def split(self):
        """Take two or more requests apart into two batches; this one is empty afterwards."""
        cdef vector[unique_ptr[CppBatch]] parts = self.batch.get().split()
        cdef list result = []
        cdef Batch part
        cdef size_t i
        for i in range(parts.size()):
            part = Batch.__new__(Batch)
            part.queue = self.queue
            part.batch = move(parts[i])
            result.append(part)
        return result

    def fail(self, int code, str message not None, str detail=""):
        """Answer every request with a gRPC status code.

        Parameters
        ----------
        code : int
        message : str
            May be shown to clients.
        detail : str
            For the log only.
        """
        cdef Status status = make_status(code, message.encode(), detail.encode("utf-8", "replace"))
        with nogil:
            self.batch.get().fail(status)

"""C++ interface of the queue (csrc/queue) and its Python classes, for other extensions to cimport."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.map cimport map as cmap
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport pair
from libcpp.vector cimport vector


cdef extern from "wire/status.h" namespace "penstock" nogil:
    cdef enum class Code(uint8_t):
        kOk
        kInternal

    cdef cppclass Status:
        Code code
        string message
        string detail


cdef extern from "wire/signature.h" namespace "penstock" nogil:
    cdef enum class DataType(uint8_t):
        kBytes

    cdef cppclass CppTensorSpec "penstock::TensorSpec":
        string name
        DataType datatype
        vector[int64_t] shape

    cdef cppclass CppSignature "penstock::Signature":
        CppSignature()
        vector[CppTensorSpec] inputs
        vector[CppTensorSpec] outputs
        cbool batched


cdef extern from "wire/refusal.h" namespace "penstock" nogil:
    cdef enum class RefusalReason(uint8_t):
        pass

    cdef cppclass Refusal:
        RefusalReason reason
        int input


cdef extern from "wire/infer_request.h" namespace "penstock" nogil:
    cdef cppclass BoundInput:
        const uint8_t* data
        size_t size_bytes

    cdef cppclass BoundRequest:
        vector[BoundInput] inputs
        vector[int64_t] variable_dims
        vector[uint16_t] outputs
        int64_t rows
        vector[string] converted


cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        const char* data()
        size_t size()


cdef extern from "wire/infer_response.h" namespace "penstock" nogil:
    cdef cppclass OutputColumn:
        OutputColumn()
        const uint8_t* data
        size_t size_bytes
        vector[int64_t] shape
        const int64_t* offsets
        size_t row_bytes

    cdef cppclass BatchOutputs:
        BatchOutputs()
        vector[OutputColumn] columns

    string_view slice_rows(const OutputColumn& column, cbool batched, int64_t first, int64_t rows)


cdef extern from "queue/cost_model.h" namespace "penstock" nogil:
    cdef struct CostEstimate:
        double base_ns
        double row_ns
        double spread_ns
        cbool known


cdef extern from "queue/histogram.h" namespace "penstock" nogil:
    cdef cppclass SecondsHistogram:
        double sum()

    cdef cppclass RowsHistogram:
        double sum()


cdef extern from "queue/runner.h" namespace "penstock" nogil:
    cdef cppclass BufferPool:
        pass

    cdef cppclass Buffer "penstock::BufferPool::Buffer":
        uint8_t* data()

    cdef cppclass BatchInput:
        Buffer buffer
        size_t size_bytes
        vector[int64_t] shape

    cdef cppclass RunOutputs:
        vector[OutputColumn] columns

    cdef cppclass CppRunner "penstock::Runner":
        pass


cdef extern from "queue/batch_observer.h" namespace "penstock" nogil:
    cdef cppclass CppBatchObserver "penstock::BatchObserver":
        pass


cdef extern from "queue/target.h" namespace "penstock" nogil:
    cdef cppclass Intake:
        pass

    cdef cppclass RefusalCount:
        Refusal refusal
        uint64_t count

    cdef cppclass TargetStatistics:
        uint64_t rows
        uint64_t batches
        int64_t last_inference_ms
        SecondsHistogram queue_s
        SecondsHistogram execution_s
        SecondsHistogram request_s
        RowsHistogram batch_rows
        CostEstimate cost
        vector[RefusalCount] refusals

    cdef cppclass CppTarget "penstock::Target":
        CppTarget(string model, int64_t version, CppSignature signature, shared_ptr[Intake] intake,
                  shared_ptr[const CppRunner] runner, shared_ptr[CppBatchObserver] observer,
                  cbool wants_ids)
        const CppSignature& signature()
        void retire()
        cbool wait_drained(int64_t timeout_ns)
        int64_t holds()
        void count(Code code)
        void refuse(Refusal refusal)
        void count_refusal(Refusal refusal)
        void learn(int64_t rows, double ns)
        TargetStatistics statistics()

    cdef cppclass TargetHold:
        @staticmethod
        TargetHold of(const shared_ptr[CppTarget]& target)
        CppTarget* get()


cdef extern from "queue/request.h" namespace "penstock" nogil:
    cdef cppclass Request:
        BoundRequest bound
        void withdraw()
        string_view client_id()


cdef extern from "queue/python_request.h" namespace "penstock" nogil:
    cdef cppclass PythonRequest(Request):
        PythonRequest(void* ticket,
                      void (*deliver)(void*, PythonRequest*, const BatchOutputs&, int64_t) noexcept,
                      void (*fail)(void*, const Status&) noexcept)
        TargetHold target
        string id
        int64_t arrival_ns
        int64_t deadline_ns
        uint8_t priority


cdef extern from "queue/batch.h" namespace "penstock" nogil:
    cdef cppclass CppBatch "penstock::Batch":
        CppTarget& target()
        int64_t rows()
        size_t request_count()
        const vector[BatchInput]& inputs()
        const vector[Request*]& requests()
        const RunOutputs& outputs()
        const vector[pair[string, int64_t]]& answered_ids()
        void complete(BatchOutputs* outputs)
        void fail(const Status& status)
        void gather(BufferPool* pool) except +
        cbool is_seen()
        vector[unique_ptr[CppBatch]] split()


cdef extern from "queue/queue.h" namespace "penstock" nogil:
    cdef struct QueueSettings:
        int64_t max_batch_rows
        int64_t max_queue_rows
        int64_t latency_slo_ns
        int64_t promote_after_ns
        int32_t executors

    cdef cppclass CppQueue "penstock::Queue"(Intake):
        CppQueue(QueueSettings settings)
        void submit(Request** requests, size_t count)
        unique_ptr[CppBatch] next() except +
        void close()
        BufferPool* pool()
        int64_t waiting_rows()


cdef extern from "queue/routes.h" namespace "penstock" nogil:
    cdef cppclass VersionRoute:
        VersionRoute()
        shared_ptr[CppTarget] target
        string reason

    cdef cppclass ModelRoute:
        shared_ptr[CppTarget] active
        string reason
        cmap[int64_t, VersionRoute] versions

    cdef cppclass RouteTable:
        ModelRoute& operator[](const string& model)

    cdef cppclass CppRoutes "penstock::Routes":
        void publish(RouteTable table)


cdef class Routes:
    cdef shared_ptr[CppRoutes] routes


cdef class Runner:
    cdef shared_ptr[const CppRunner] runner


cdef class BatchObserver:
    cdef shared_ptr[CppBatchObserver] observer


cdef class Queue:
    cdef shared_ptr[CppQueue] queue


cdef class Target:
    cdef shared_ptr[CppTarget] target
    cdef readonly str model
    cdef readonly int64_t version
    cdef readonly object signature


cdef class Batch:
    cdef unique_ptr[CppBatch] batch
    cdef shared_ptr[CppQueue] queue


cdef class Ticket:
    cdef PythonRequest* request
    cdef object future
    cdef object arrays
    cdef object signature
    cdef object error_of

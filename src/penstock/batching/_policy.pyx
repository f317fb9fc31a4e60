# distutils: language = c++
"""Python face of csrc/queue/policy.h and cost_model.h."""

from libc.stdint cimport INT64_MAX, int32_t, int64_t

from collections import namedtuple

BatchDecision = namedtuple("BatchDecision", ["max_rows", "reason", "expected_s"])
BatchDecision.__doc__ = "How many rows the next batch may hold, why, and how many seconds it should take."


cdef extern from "queue/cost_model.h" namespace "penstock" nogil:
    cdef struct CostEstimate:
        double base_ns
        double row_ns
        double spread_ns
        bint known

    cdef cppclass CppCostModel "penstock::CostModel":
        void observe(int64_t rows, double ns)
        const CostEstimate& estimate()


cdef extern from "queue/policy.h" namespace "penstock" nogil:
    cdef enum class BatchReason:
        pass

    cdef struct PolicyState:
        int64_t now_ns
        int64_t waiting_rows
        int64_t head_rows
        int64_t oldest_arrival_ns
        int64_t head_deadline_ns
        int32_t executors
        int64_t max_batch_rows
        int64_t latency_slo_ns
        CostEstimate cost

    cdef cppclass CppDecision "penstock::BatchDecision":
        int64_t max_rows
        BatchReason reason
        double expected_ns

    cdef struct CppUrgency "penstock::Urgency":
        int32_t level
        int64_t due_ns

    CppDecision decide_batch(const PolicyState& state) noexcept
    bint misses_deadline_ "penstock::misses_deadline"(
        int64_t now_ns, int64_t deadline_ns, int64_t rows, int64_t max_batch_rows,
        const CostEstimate& cost) noexcept
    bint runs_at_once_ "penstock::runs_at_once"(
        int64_t rows, int64_t max_batch_rows, const CostEstimate& cost) noexcept
    CppUrgency urgency_of(int32_t priority, int64_t arrival_ns, int64_t deadline_ns, int64_t now_ns,
                          int64_t promote_after_ns) noexcept
    const char* batch_reason_name(BatchReason reason)


cdef int64_t _ns(object seconds):
    return INT64_MAX if seconds is None else <int64_t>(seconds * 1e9)


cdef class CostModel:
    """What a batch of n rows costs, ``base_s + row_s · n``, learned from samples.

    Examples
    --------
    >>> model = CostModel()
    >>> for rows in (1, 8, 64, 256) * 8:
    ...     model.observe(rows, 1e-4 + 2e-6 * rows)
    >>> round(model.row_s * 1e6, 2)
    2.0
    """

    cdef CppCostModel model

    def observe(self, int64_t rows, double seconds):
        """Learn that a batch of `rows` took `seconds`; outliers count little."""
        self.model.observe(rows, seconds * 1e9)

    @property
    def known(self):
        """Whether there was a sample yet."""
        return self.model.estimate().known

    @property
    def base_s(self):
        """Cost of a batch whatever its size, in seconds."""
        return self.model.estimate().base_ns * 1e-9

    @property
    def row_s(self):
        """Cost of one more row, in seconds."""
        return self.model.estimate().row_ns * 1e-9

    @property
    def spread_s(self):
        """Typical distance of a sample from the line, in seconds."""
        return self.model.estimate().spread_ns * 1e-9


def decide(CostModel cost not None, *, double now_s, int64_t waiting_rows, int64_t head_rows=1,
           double oldest_arrival_s=0.0, object head_deadline_s=None, int32_t executors=1,
           int64_t max_batch_rows=256, double latency_slo_s=0.02):
    """Decide what an idle executor runs next: the policy as a pure function.

    Parameters
    ----------
    cost : CostModel
        What was learned of the pipeline.
    now_s, oldest_arrival_s, head_deadline_s : float
        Seconds on one monotonic clock; no deadline is None.
    waiting_rows, head_rows : int
        Rows that may share the batch, and rows of the most urgent request.
    executors, max_batch_rows, latency_slo_s
        As configured.

    Returns
    -------
    BatchDecision
    """
    if waiting_rows < 1 or head_rows < 1 or max_batch_rows < 1 or executors < 1:
        raise ValueError("waiting_rows, head_rows, max_batch_rows and executors must be at least 1")
    cdef PolicyState state
    state.now_ns = _ns(now_s)
    state.waiting_rows = waiting_rows
    state.head_rows = head_rows
    state.oldest_arrival_ns = _ns(oldest_arrival_s)
    state.head_deadline_ns = _ns(head_deadline_s)
    state.executors = executors
    state.max_batch_rows = max_batch_rows
    state.latency_slo_ns = _ns(latency_slo_s)
    state.cost = cost.model.estimate()
    cdef CppDecision decision = decide_batch(state)
    return BatchDecision(decision.max_rows, batch_reason_name(decision.reason).decode(),
                         decision.expected_ns * 1e-9)


def misses_deadline(CostModel cost not None, *, double now_s, object deadline_s, int64_t rows=1,
                    int64_t max_batch_rows=256):
    """Whether a request of `rows` that starts now would miss its deadline."""
    return misses_deadline_(_ns(now_s), _ns(deadline_s), rows, max_batch_rows, cost.model.estimate())


def runs_at_once(CostModel cost not None, *, int64_t rows, int64_t max_batch_rows=256):
    """Whether rows that came while nothing waited are run where they came in, without an executor."""
    return runs_at_once_(rows, max_batch_rows, cost.model.estimate())


def urgency(*, int32_t priority, double arrival_s, object deadline_s, double now_s, double promote_after_s):
    """Return (level, due in seconds): the order in which requests are served, smallest first."""
    cdef CppUrgency result = urgency_of(
        priority, _ns(arrival_s), _ns(deadline_s), _ns(now_s), _ns(promote_after_s))
    return result.level, result.due_ns * 1e-9

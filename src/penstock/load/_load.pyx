"""Binding of the load generator in ``csrc/load``; see :mod:`penstock.load.load`."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_unique, unique_ptr
from libcpp.pair cimport pair
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector


cdef extern from "load/plan.h" namespace "penstock::load" nogil:
    cdef cppclass Plan:
        string host
        uint16_t port
        string authority
        string path
        vector[pair[string, string]] metadata
        vector[string] messages
        vector[string] expected
        int connections
        int streams
        int64_t max_requests
        int64_t max_ns
        double rate_per_s
        int64_t timeout_ns
        uint64_t seed


cdef extern from "load/histogram.h" namespace "penstock::load" nogil:
    cdef cppclass Histogram:
        uint64_t total()
        int64_t max()
        double mean()
        int64_t quantile(double)
        uint64_t count(int)
        @staticmethod
        int buckets()
        @staticmethod
        int64_t upper(int)


cdef extern from "load/tally.h" namespace "penstock::load" nogil:
    enum: kStatusCodes
    cdef cppclass Tally:
        uint64_t requests
        uint64_t ok
        uint64_t mismatches
        uint64_t timeouts
        uint64_t transport_errors
        uint64_t unsent
        uint64_t reconnects
        uint64_t by_code[17]
        string first_message[17]
        string first_transport_error
        int64_t elapsed_ns
        Histogram latency


cdef extern from "load/run.h" namespace "penstock::load" nogil:
    cdef cppclass Run:
        Run(Plan) except +
        cbool advance(int64_t)
        const Tally& tally()
        cbool connected()
        const string& connection_error()


cdef int64_t STEP_NS = 200_000_000  # between looks for Ctrl-C


cdef string _framed(bytes message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def run(
    str host,
    int port,
    str authority,
    str path,
    metadata,
    bodies,
    expected,
    int connections,
    int streams,
    int64_t max_requests,
    int64_t max_ns,
    double rate_per_s,
    int64_t timeout_ns,
    uint64_t seed,
):
    """Carry out a plan without the GIL and return its totals; the caller has validated everything."""
    cdef Plan plan
    cdef cbool ended = False
    cdef unique_ptr[Run] load
    cdef pair[string, string] entry
    plan.host = host.encode()
    plan.port = port
    plan.authority = authority.encode()
    plan.path = path.encode()
    for name, value in metadata:
        entry.first = name.encode()
        entry.second = value.encode()
        plan.metadata.push_back(entry)
    for message in bodies:
        plan.messages.push_back(_framed(message))
    for message in expected or ():
        plan.expected.push_back(message)
    plan.connections = connections
    plan.streams = streams
    plan.max_requests = max_requests
    plan.max_ns = max_ns
    plan.rate_per_s = rate_per_s
    plan.timeout_ns = timeout_ns
    plan.seed = seed
    load = make_unique[Run](move(plan))
    while not ended:
        with nogil:
            ended = load.get().advance(STEP_NS)
        PyErr_CheckSignals()
    return _totals(load.get()[0])


cdef dict _totals(Run& load):
    cdef const Tally* tally = &load.tally()
    cdef int code, index
    latency = &tally.latency
    return {
        "connected": load.connected(),
        "connection_error": load.connection_error().decode("utf-8", "replace"),
        "requests": tally.requests,
        "ok": tally.ok,
        "mismatches": tally.mismatches,
        "timeouts": tally.timeouts,
        "transport_errors": tally.transport_errors,
        "first_transport_error": tally.first_transport_error.decode("utf-8", "replace"),
        "unsent": tally.unsent,
        "reconnects": tally.reconnects,
        "elapsed_ns": tally.elapsed_ns,
        "by_code": [tally.by_code[code] for code in range(kStatusCodes)],
        "messages": [tally.first_message[code].decode("utf-8", "replace") for code in range(kStatusCodes)],
        "mean_ns": latency.mean(),
        "max_ns": latency.max(),
        "quantiles_ns": [latency.quantile(q) for q in (0.5, 0.9, 0.99, 0.999)],
        "histogram_ns": [
            (Histogram.upper(index), latency.count(index))
            for index in range(Histogram.buckets()) if latency.count(index)
        ],
    }

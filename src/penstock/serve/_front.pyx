# distutils: language = c++
"""The native front for Python; the contract is csrc/front/front.h."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from penstock.batching._queue cimport CppRoutes, Routes, Status

from penstock.engine.failures import CODE_NAMES
from penstock.errors import ConfigError


cdef extern from "front/settings.h" namespace "penstock" nogil:
    cdef cppclass FrontSettings:
        string host
        uint16_t port
        int32_t threads
        string control_socket
        int32_t max_connections
        uint32_t max_streams
        size_t max_message_bytes
        int64_t max_unfinished_bytes
        size_t max_header_bytes
        int64_t idle_ns
        int64_t handshake_ns
        int64_t stall_ns
        int64_t busy_poll_ns
        cbool triton_codes
        string tls_certificate
        string tls_key
        string tls_client_ca


cdef extern from "front/failure_log.h" namespace "penstock" nogil:
    cdef cppclass Failure:
        string request_id
        string model
        string peer
        Status status

    cdef cppclass FailureLog:
        vector[Failure] take(uint64_t* dropped)


cdef extern from "front/front.h" namespace "penstock" nogil:
    cdef cppclass CppFront "penstock::Front":
        CppFront(FrontSettings settings, shared_ptr[CppRoutes] routes)
        Status start()
        uint16_t port()
        cbool drain(int64_t timeout_ns)
        void stop()
        FailureLog& failures()


cdef extern from *:
    """
    #include "front/front.h"
    namespace penstock {
    inline int code_number(const Status& status) { return static_cast<int>(status.code); }
    inline std::vector<int64_t> front_counts(Front& front) {
      FrontCounters& c = front.counters();
      const auto total = [](const std::atomic<uint64_t>& n) { return static_cast<int64_t>(n.load()); };
      return {c.connections.load(), total(c.connections_total), total(c.connections_refused),
              total(c.connections_cut), c.streams.load(), total(c.infer_calls), total(c.forwarded_calls),
              c.incoming_bytes.load()};
    }
    inline std::vector<uint64_t> front_refused(Front& front) {
      return {front.counters().refused.begin(), front.counters().refused.end()};
    }
    }
    """
    int code_number "penstock::code_number"(const Status& status)
    vector[int64_t] front_counts "penstock::front_counts"(CppFront& front)
    vector[uint64_t] front_refused "penstock::front_refused"(CppFront& front)


_COUNTS = ("connections", "connections_total", "connections_refused", "connections_cut", "streams",
           "infer_calls", "forwarded_calls", "incoming_bytes")


cdef class Front:
    """gRPC on a public port, from threads that never take the GIL.

    Parameters
    ----------
    routes : Routes
        Of an engine.
    address : (str, int)
        Host and port; port 0 lets the system choose.
    control_socket : str
        Unix socket where the control plane listens; everything but ModelInfer is forwarded to it.
    limits : LimitsConfig
    tls : TlsConfig or None
    threads : int
    busy_poll_us : float
    triton_status_codes : bool
    """

    cdef unique_ptr[CppFront] front
    cdef str host

    def __init__(self, Routes routes not None, *, tuple address, str control_socket not None, limits,
                 tls=None, int threads=1, double busy_poll_us=0, bint triton_status_codes=False):
        cdef FrontSettings settings
        self.host = address[0]
        settings.host = address[0].encode()
        settings.port = address[1]
        settings.threads = threads
        settings.control_socket = control_socket.encode()
        settings.max_connections = limits.connections
        settings.max_streams = limits.streams_per_connection
        settings.max_message_bytes = limits.message_bytes
        settings.max_unfinished_bytes = limits.unfinished_bytes
        settings.max_header_bytes = limits.header_bytes
        settings.idle_ns = <int64_t>(limits.idle_s * 1e9)
        settings.handshake_ns = <int64_t>(limits.handshake_s * 1e9)
        settings.stall_ns = <int64_t>(limits.stall_s * 1e9)
        settings.busy_poll_ns = <int64_t>(busy_poll_us * 1e3)
        settings.triton_codes = triton_status_codes
        if tls is not None:
            settings.tls_certificate = tls.certificate.encode()
            settings.tls_key = tls.key.encode()
            settings.tls_client_ca = (tls.client_ca or "").encode()
        self.front.reset(new CppFront(settings, routes.routes))

    def start(self):
        """Listen and serve.

        Raises
        ------
        ConfigError
            When a TLS file cannot be used.
        OSError
            When the address cannot be bound, with the reason.
        """
        cdef Status status
        with nogil:
            status = self.front.get().start()
        name = CODE_NAMES[code_number(status)]
        if name == "INVALID_ARGUMENT":
            raise ConfigError(status.message.decode())
        if name != "OK":
            raise OSError(status.message.decode())

    @property
    def address(self):
        """Host and port, once started."""
        return self.host, self.front.get().port()

    def drain(self, double timeout_s):
        """Take no new calls, wait until those under way are answered; False when the time ran out first."""
        cdef int64_t timeout = <int64_t>(timeout_s * 1e9)
        cdef bint drained
        with nogil:
            drained = self.front.get().drain(timeout)
        return drained

    def stop(self):
        """Close every connection and end the threads. May be called again."""
        with nogil:
            self.front.get().stop()

    def statistics(self):
        """Return counters by name; "refused" holds ModelInfer calls that reached no model, by status name."""
        cdef vector[int64_t] counts = front_counts(self.front.get()[0])
        cdef vector[uint64_t] refused = front_refused(self.front.get()[0])
        result = dict(zip(_COUNTS, counts))
        result["refused"] = {name: n for name, n in zip(CODE_NAMES, refused) if n}
        return result

    def failures(self):
        """Take what there is to log: a dict for each failed ModelInfer call since the last time."""
        cdef uint64_t dropped = 0
        cdef vector[Failure] taken = self.front.get().failures().take(&dropped)
        found = []
        cdef size_t i
        for i in range(taken.size()):
            found.append({
                "request_id": taken[i].request_id.decode("utf-8", "replace"),
                "model": taken[i].model.decode("utf-8", "replace"),
                "peer": taken[i].peer.decode(),
                "code": CODE_NAMES[code_number(taken[i].status)],
                "message": taken[i].status.message.decode("utf-8", "replace"),
                "detail": taken[i].status.detail.decode("utf-8", "replace"),
            })
        if dropped:
            found.append({"request_id": "", "model": "", "peer": "", "code": "",
                          "message": f"{dropped} more calls failed than could be logged", "detail": ""})
        return found

#include "front/connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "front/infer_call.h"
#include "front/loop.h"
#include "front/server_session.h"
#include "wire/infer_request.h"

namespace penstock {
namespace {

constexpr size_t kReadsPerEvent = 16;
constexpr size_t kSendChunk = 1 << 16;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kRest = kSecond;             // idle for so long, a connection gives its frame buffer back
constexpr int64_t kDrainNotice = kSecond / 5;  // between the two GOAWAYs: what was on its way still arrives
constexpr double kPingBurst = 100, kPingsPerTick = 0.5;  // SETTINGS count as pings: both cost an answer
constexpr double kResetBurst = 1000, kResetsPerTick = 25;
// A header list this many times over the limit is an attack, not a mistake.
constexpr size_t kHeaderAttack = 8;
constexpr size_t kLoggedModelBytes = 255;  // no model has a longer name

constexpr std::string_view kInferPath = "/inference.GRPCInferenceService/ModelInfer";

bool lasts(std::string_view path) {
  return path.rfind("/grpc.health.", 0) == 0 || path.rfind("/grpc.reflection.", 0) == 0;
}

std::string printable_id(std::string_view value) {
  const bool good = !value.empty() && value.size() <= 64 &&
                    std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < '\x7F'; });
  return good ? std::string(value) : std::string();
}

}  // namespace

Connection::Connection(Loop* loop, std::unique_ptr<Transport> transport, std::string peer)
    : loop_(loop),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      opened_ns_(loop->now()),
      activity_ns_(loop->now()),
      received_ns_(loop->now()),
      sent_ns_(loop->now()),
      ping_budget_(kPingBurst),
      reset_budget_(kResetBurst) {
  loop_->watch(transport_->fd(), this, EPOLLIN, false);
}

Connection::~Connection() {
  while (streams_ != nullptr) close_stream(streams_);
  if (session_ != nullptr) nghttp2_session_del(session_);
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  loop_->forget(this);
}

bool Connection::start() {
  switch (transport_->handshake()) {
    case Io::kClosed:
      close();
      return false;
    case Io::kWouldBlock:
      return false;
    case Io::kDone:
      break;
  }
  SessionMemory& memory = loop_->session_memory();
  memory.forget_last();
  session_ = new_server_session(this, loop_->settings(), &memory);
  frame_buffer_ = memory.last_frame_buffer();
  if (session_ == nullptr) {
    close();
    return false;
  }
  started_ = true;
  if (drain_ns_ != 0) drain();
  flush();
  return !closed_;
}

void Connection::on_events(uint32_t events) {
  if (closed_) return;
  if (!started_ && !start()) return;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
  if (!closed_) loop_->mark_dirty(this);
}

void Connection::read() {
  std::vector<uint8_t>& buffer = loop_->read_buffer();
  for (size_t i = 0; i < kReadsPerEvent; ++i) {
    size_t count = 0;
    switch (transport_->read(buffer.data(), buffer.size(), &count)) {
      case Io::kClosed:
        close();
        return;
      case Io::kWouldBlock:
        return;
      case Io::kDone:
        break;
    }
    activity_ns_ = received_ns_ = loop_->now();
    feed(buffer.data(), count);
    if (closed_) return;
    // A short read has emptied a plain socket; TLS may still hold a record.
    if (count < buffer.size() && loop_->settings().tls_certificate.empty()) return;
  }
  loop_->read_again(this);
}

void Connection::feed(const uint8_t* data, size_t size) {
  const auto taken = nghttp2_session_mem_recv(session_, data, size);
  if (taken >= 0) return;
  cut();
  // Whatever GOAWAY nghttp2 prepared explains it to the client.
  flush();
  close();
}

void Connection::watch(bool writable) {
  if (writable == watching_write_) return;
  watching_write_ = writable;
  loop_->watch(transport_->fd(), this, EPOLLIN | (writable ? EPOLLOUT : 0u), true);
}

// True when nothing is left unsent.
bool Connection::write_pending() {
  while (unsent_offset_ < unsent_.size()) {
    size_t count = 0;
    const auto* data = reinterpret_cast<const uint8_t*>(unsent_.data()) + unsent_offset_;
    switch (transport_->write(data, unsent_.size() - unsent_offset_, &count)) {
      case Io::kClosed:
        close();
        return false;
      case Io::kWouldBlock:
        watch(true);
        return false;
      case Io::kDone:
        unsent_offset_ += count;
        activity_ns_ = sent_ns_ = loop_->now();
    }
  }
  unsent_offset_ = 0;
  std::string().swap(unsent_);
  return true;
}

void Connection::flush() {
  if (closed_ || !started_) return;
  if (!unsent_.empty() && !write_pending()) return;
  std::string& chunk = loop_->write_buffer();
  for (;;) {
    chunk.clear();
    while (chunk.size() < kSendChunk) {
      const uint8_t* data;
      const auto count = nghttp2_session_mem_send(session_, &data);
      if (count < 0) return close();
      if (count == 0) break;
      chunk.append(reinterpret_cast<const char*>(data), static_cast<size_t>(count));
    }
    if (chunk.empty()) break;
    size_t sent = 0;
    while (sent < chunk.size()) {
      size_t count = 0;
      const Io io = transport_->write(reinterpret_cast<const uint8_t*>(chunk.data()) + sent,
                                      chunk.size() - sent, &count);
      if (io == Io::kClosed) return close();
      if (io == Io::kWouldBlock) {
        unsent_.assign(chunk, sent);
        watch(true);
        return;
      }
      sent += count;
      activity_ns_ = sent_ns_ = loop_->now();
    }
  }
  watch(false);
  const bool finished = nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (finished || cut_ || (drain_phase_ == 2 && stream_count_ == 0)) close();
}

// -- time ---------------------------------------------------------------------------------------

void Connection::tick(int64_t now) {
  const FrontSettings& settings = loop_->settings();
  ping_budget_ = std::min(kPingBurst, ping_budget_ + kPingsPerTick);
  reset_budget_ = std::min(kResetBurst, reset_budget_ + kResetsPerTick);
  if (!greeted_) {
    if (now > (drain_ns_ == 0 ? opened_ns_ + settings.handshake_ns : drain_ns_ + kDrainNotice)) close();
    return;
  }
  if (drain_phase_ == 1 && now - drain_ns_ > kDrainNotice) {
    drain_phase_ = 2;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    loop_->mark_dirty(this);
  }
  if (!unsent_.empty() && now - sent_ns_ > settings.stall_ns) return close();
  if (stream_count_ == 0 && unsent_.empty()) {
    if (settings.idle_ns > 0 && now - activity_ns_ > settings.idle_ns) drain();
    if (drain_phase_ == 2) loop_->mark_dirty(this);
    probe_ns_ = 0;
    if (frame_buffer_ != nullptr && sent_ns_ > dropped_ns_ && now - activity_ns_ > kRest) {
      SessionMemory::drop_pages(frame_buffer_);
      dropped_ns_ = now;
    }
    return;
  }
  if (received_ns_ >= probe_ns_) probe_ns_ = 0;
  if (probe_ns_ != 0) {
    if (now - probe_ns_ > std::min(settings.stall_ns, 20 * kSecond)) return close();
  } else if (now - received_ns_ > settings.stall_ns) {
    probe_ns_ = now;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    loop_->mark_dirty(this);
  }
  for (Stream* stream = streams_; stream != nullptr; stream = stream->next) {
    if (stream->call != nullptr && now >= stream->deadline_ns) expire(stream);
    const bool sending = stream->kind == Stream::Kind::kAnswered;
    const bool receiving = stream->kind == Stream::Kind::kHeaders ||
                           (stream->kind == Stream::Kind::kInfer && stream->call == nullptr);
    if ((sending || receiving) && now - stream->progress_ns > settings.stall_ns) {
      reset(stream, NGHTTP2_CANCEL);
    }
  }
}

void Connection::drain() {
  if (drain_ns_ == 0) drain_ns_ = loop_->now();
  // A connection that was just made may have sent a call already.
  if (drain_phase_ > 0 || !started_) return;
  drain_phase_ = 1;
  nghttp2_submit_shutdown_notice(session_);
  loop_->mark_dirty(this);
}

int32_t Connection::pressing_streams() const {
  int32_t count = 0;
  for (Stream* stream = streams_; stream != nullptr; stream = stream->next) {
    count += stream->forward == nullptr || stream->forward->holds_drain;
  }
  return count + (unsent_.empty() ? 0 : 1);
}

bool Connection::cut() {
  if (std::exchange(cut_, true)) return false;
  loop_->counters().connections_cut.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Connection::on_ping() {
  ping_budget_ -= 1;
  if (ping_budget_ < 0) {
    // The reason that gRPC clients know, and slow down for.
    constexpr std::string_view kReason = "too_many_pings";
    if (!cut()) return;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const uint8_t*>(kReason.data()),
                          kReason.size());
  }
}

// Headers that nghttp2 could not send, for example because they are too large: the client must not wait for
// them.
void Connection::on_unsent(Stream* stream) { reset(stream, NGHTTP2_INTERNAL_ERROR); }

void Connection::on_reset_by_client() {
  reset_budget_ -= 1;
  if (reset_budget_ < 0 && cut()) nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

// -- streams ------------------------------------------------------------------------------------

Stream* Connection::open_stream(int32_t id) {
  Stream* stream = loop_->new_stream();
  stream->connection = this;
  stream->id = id;
  stream->arrival_ns = now_ns();
  stream->progress_ns = loop_->now();
  stream->next = streams_;
  if (streams_ != nullptr) streams_->previous = stream;
  streams_ = stream;
  ++stream_count_;
  greeted_ = true;
  loop_->counters().streams.fetch_add(1, std::memory_order_relaxed);
  nghttp2_session_set_stream_user_data(session_, id, stream);
  return stream;
}

void Connection::close_stream(Stream* stream) {
  if (stream->call != nullptr) {
    stream->call->withdraw();
    stream->call->stream = nullptr;
  }
  if (stream->forward != nullptr) loop_->upstream().abandon(stream);
  count_incoming(-static_cast<int64_t>(stream->body.size()));
  if (stream->previous != nullptr) stream->previous->next = stream->next;
  if (stream->next != nullptr) stream->next->previous = stream->previous;
  if (streams_ == stream) streams_ = stream->next;
  --stream_count_;
  loop_->counters().streams.fetch_sub(1, std::memory_order_relaxed);
  loop_->recycle(stream);
}

Stream* Connection::find(int32_t id) const {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

int Connection::on_header(Stream* stream, std::string_view name, std::string_view value) {
  const size_t limit = loop_->settings().max_header_bytes;
  stream->header_bytes += name.size() + value.size() + 32;
  if (stream->header_bytes > limit) {
    stream->too_many_headers = true;
    stream->headers.clear();
    return stream->header_bytes > kHeaderAttack * limit ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }
  // Pseudo-headers come first, so the path is known before anything else that matters.
  if (stream->kind == Stream::Kind::kHeaders && !stream->infer_path) stream->headers.add(name, value);
  if (name == ":path") {
    stream->infer_path = value == kInferPath;
    if (!stream->infer_path) stream->path = value;
  } else if (name == ":method") {
    stream->post = value == "POST";
  } else if (name == "content-type") {
    stream->grpc = value.rfind("application/grpc", 0) == 0 &&
                   (value.size() == 16 || value[16] == '+' || value[16] == ';');
  } else if (name == "grpc-timeout") {
    int64_t timeout = 0;
    if (parse_grpc_timeout(value, &timeout)) {
      stream->deadline_ns = stream->arrival_ns + timeout;
    } else {
      stream->bad_timeout = true;
    }
  } else if (name == "grpc-encoding") {
    stream->encoding = parse_encoding(value);
  } else if (name == "x-request-id") {
    stream->request_id = printable_id(value);
  }
  return 0;
}

void Connection::on_request(Stream* stream, bool ended) {
  const FrontSettings& settings = loop_->settings();
  if (stream->too_many_headers) {
    return refuse(stream, {Code::kResourceExhausted,
                           "the header list exceeds the limit of " +
                               std::to_string(settings.max_header_bytes) + " bytes",
                           {}});
  }
  if (!stream->post) return http_error(stream, "405");
  if (!stream->grpc) return http_error(stream, "415");
  if (stream->bad_timeout) {
    return refuse(stream,
                  Status::invalid("grpc-timeout is malformed: expected at most eight digits and a unit"));
  }
  if (stream->infer_path) {
    stream->kind = Stream::Kind::kInfer;
    if (stream->encoding == Encoding::kUnknown) {
      return refuse(stream,
                    {Code::kUnimplemented,
                     "grpc-encoding is not supported; expected one of " + std::string(kAcceptedEncodings),
                     {}});
    }
    if (ended) on_end(stream);
    return;
  }
  stream->kind = Stream::Kind::kForward;
  stream->forward = std::make_unique<Forward>();
  stream->forward->client_ended = ended;
  stream->forward->holds_drain = !lasts(stream->path);
  loop_->counters().forwarded_calls.fetch_add(1, std::memory_order_relaxed);
  if (!loop_->upstream().open(stream)) {
    stream->forward.reset();
    fail(stream, {Code::kUnavailable, "the control plane cannot be reached", {}});
  }
}

void Connection::on_data(Stream* stream, std::string_view data) {
  if (stream->kind == Stream::Kind::kForward) {
    nghttp2_session_consume_connection(session_, data.size());
    stream->forward->to_upstream.append(data);
    loop_->upstream().resume(stream);
    return;
  }
  nghttp2_session_consume(session_, stream->id, data.size());
  if (stream->kind != Stream::Kind::kInfer) return;
  stream->progress_ns = loop_->now();
  const size_t limit = loop_->settings().max_message_bytes;
  std::string& body = stream->body;
  body.append(data);
  count_incoming(static_cast<int64_t>(data.size()));
  if (body.size() < kGrpcPrefixBytes) return;
  const GrpcPrefix prefix = read_grpc_prefix(body.data());
  if (prefix.message_bytes > limit) {
    return refuse(stream, {Code::kResourceExhausted,
                           "message of " + std::to_string(prefix.message_bytes) +
                               " bytes exceeds the limit of " + std::to_string(limit) + " bytes",
                           {}});
  }
  if (body.size() > kGrpcPrefixBytes + prefix.message_bytes) {
    return refuse(stream, {Code::kUnimplemented, "expected one message in a ModelInfer call, got more", {}});
  }
  if (incoming_bytes_ > 4 * static_cast<int64_t>(limit + kGrpcPrefixBytes)) {
    return refuse(stream,
                  {Code::kResourceExhausted,
                   "the unfinished messages of the connection exceed " + std::to_string(4 * limit) + " bytes",
                   {}});
  }
  const int64_t most = loop_->settings().max_unfinished_bytes;
  if (loop_->counters().incoming_bytes.load(std::memory_order_relaxed) > most) {
    return refuse(stream,
                  {Code::kResourceExhausted,
                   "the unfinished messages of all connections exceed " + std::to_string(most) + " bytes",
                   {}});
  }
}

void Connection::count_incoming(int64_t bytes) {
  incoming_bytes_ += bytes;
  loop_->counters().incoming_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void Connection::on_end(Stream* stream) {
  if (stream->kind == Stream::Kind::kForward) {
    stream->forward->client_ended = true;
    loop_->upstream().resume(stream);
  } else if (stream->kind == Stream::Kind::kInfer && stream->call == nullptr) {
    infer(stream);
    loop_->reader().clear();
  }
}

Status Connection::decode_body(Stream* stream, std::string* message) {
  std::string& body = stream->body;
  count_incoming(-static_cast<int64_t>(body.size()));
  std::string& whole = *message;
  whole.clear();
  whole.swap(body);
  if (whole.size() < kGrpcPrefixBytes) {
    return {Code::kInternal, "the call ended before its message", {}};
  }
  const GrpcPrefix prefix = read_grpc_prefix(whole.data());
  if (whole.size() != kGrpcPrefixBytes + prefix.message_bytes) {
    return {Code::kInternal, "the call ended inside its message", {}};
  }
  if (!prefix.compressed) return {};
  if (stream->encoding == Encoding::kIdentity) {
    return {
        Code::kInternal, "the message is marked as compressed, but grpc-encoding names no compression", {}};
  }
  const size_t limit = loop_->settings().max_message_bytes;
  const std::string_view compressed = std::string_view(whole).substr(kGrpcPrefixBytes);
  std::string inflated(kGrpcPrefixBytes, '\0');
  std::string plain;
  switch (inflate_message(stream->encoding, compressed, limit, &plain)) {
    case Inflated::kMalformed:
      return {Code::kInternal, "the compressed message cannot be decompressed", {}};
    case Inflated::kTooLarge:
      return {Code::kResourceExhausted,
              "the decompressed message exceeds the limit of " + std::to_string(limit) + " bytes",
              {}};
    case Inflated::kOk:
      break;
  }
  inflated += plain;
  whole = std::move(inflated);
  return {};
}

void Connection::infer(Stream* stream) {
  loop_->counters().infer_calls.fetch_add(1, std::memory_order_relaxed);
  auto call = loop_->new_call();
  call->stream = stream;
  if (Status status = decode_body(stream, &call->body); !status.ok())
    return refuse(stream, std::move(status));

  RequestReader& reader = loop_->reader();
  if (Status status = reader.parse(std::string_view(call->body).substr(kGrpcPrefixBytes)); !status.ok())
    return refuse(stream, std::move(status));

  const InferRequest& request = reader.request();
  Status status = loop_->routes().resolve(request.model_name, request.model_version, &call->target);
  if (!status.ok()) return refuse(stream, std::move(status), request.model_name);

  RequestHints hints;
  Refusal refusal{RefusalReason::kParameter};
  status = read_hints(request, &hints);
  if (status.ok()) {
    status = reader.bind(call->target->signature(), call->target->serial(), &call->bound, &refusal);
  }
  if (!status.ok()) {
    call->target->refuse(refusal);
    return fail(stream, std::move(status), request.model_name);
  }
  call->id = request.id;
  call->model = request.model_name;
  call->arrival_ns = stream->arrival_ns;
  call->priority = hints.priority;
  call->deadline_ns = stream->deadline_ns;
  if (hints.timeout_us > 0) {
    call->deadline_ns = std::min(call->deadline_ns, stream->arrival_ns + hints.timeout_us * 1000);
  }
  stream->call = call.get();
  stream->deadline_ns = call->deadline_ns;
  loop_->submit(call.release());
}

// -- answers ------------------------------------------------------------------------------------

void Connection::answer(InferCall* call) {
  Stream* stream = call->stream;
  stream->call = nullptr;
  if (!call->status.ok()) return fail(stream, std::move(call->status), call->model);
  stream->kind = Stream::Kind::kAnswered;
  stream->progress_ns = loop_->now();
  stream->out.swap(call->response);
  const nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc")};
  nghttp2_data_provider provider{};
  provider.read_callback = read_server_data;
  nghttp2_submit_response(session_, stream->id, headers, 2, &provider);
  // A client that works may cancel as often as it gets answers.
  reset_budget_ = std::min(kResetBurst, reset_budget_ + 1);
  loop_->mark_dirty(this);
}

void Connection::expire(Stream* stream) {
  InferCall* call = std::exchange(stream->call, nullptr);
  call->withdraw();
  call->stream = nullptr;
  fail(stream, {Code::kDeadlineExceeded, "deadline exceeded before the answer was ready", {}}, call->model);
}

void Connection::refuse(Stream* stream, Status status, std::string_view model) {
  loop_->counters().refused[static_cast<size_t>(status.code)].fetch_add(1, std::memory_order_relaxed);
  fail(stream, std::move(status), model);
}

void Connection::fail(Stream* stream, Status status, std::string_view model) {
  stream->kind = Stream::Kind::kAnswered;
  stream->progress_ns = loop_->now();
  count_incoming(-static_cast<int64_t>(stream->body.size()));
  std::string().swap(stream->body);
  std::string id = stream->request_id.empty() ? loop_->next_request_id() : stream->request_id;
  clip_status_message(&status.message);
  if (status.code == Code::kInternal && !model.empty()) status.message += "; request id " + id;

  const bool busy = status.code == Code::kResourceExhausted && status.message.rfind("queue of ", 0) == 0;
  const Code code = loop_->settings().triton_codes && (busy || status.code == Code::kDeadlineExceeded)
                        ? Code::kUnavailable
                        : status.code;
  const std::string number = std::to_string(static_cast<int>(code));
  const std::string message = encode_grpc_message(status.message);
  std::vector<nghttp2_nv> headers = {header(":status", "200"), header("content-type", "application/grpc"),
                                     header("grpc-status", number), header("grpc-message", message),
                                     header("x-request-id", id)};
  if (code == Code::kUnimplemented) headers.push_back(header("grpc-accept-encoding", kAcceptedEncodings));
  nghttp2_submit_response(session_, stream->id, headers.data(), headers.size(), nullptr);
  loop_->mark_dirty(this);
  loop_->failures().add(
      {std::move(id), std::string(model.substr(0, kLoggedModelBytes)), peer_, std::move(status)});
}

void Connection::http_error(Stream* stream, const char* status) {
  stream->kind = Stream::Kind::kAnswered;
  const nghttp2_nv headers[] = {header(":status", status)};
  nghttp2_submit_response(session_, stream->id, headers, 1, nullptr);
  loop_->mark_dirty(this);
}

void Connection::reset(Stream* stream, uint32_t error_code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, error_code);
  loop_->mark_dirty(this);
}

// Data of an answer, then its trailers. Called by nghttp2 when the client has room for more.
int64_t Connection::read_response(Stream* stream, uint8_t* buffer, size_t size, uint32_t* flags) {
  const size_t count = stream->out.take(buffer, size);
  if (count > 0) {
    stream->progress_ns = loop_->now();
    // Clients measure the way by pings while data comes.
    ping_budget_ = kPingBurst;
  }
  Forward* forward = stream->forward.get();
  if (forward == nullptr) {
    if (stream->out.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv trailer[] = {header("grpc-status", "0")};
      nghttp2_submit_trailer(session_, stream->id, trailer, 1);
    }
    return static_cast<int64_t>(count);
  }
  if (count > 0) loop_->upstream().consumed(stream, count);
  if (!stream->out.empty()) return static_cast<int64_t>(count);
  if (!forward->upstream_ended)
    return count > 0 ? static_cast<int64_t>(count) : int64_t{NGHTTP2_ERR_DEFERRED};
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (forward->has_trailers) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const std::vector<nghttp2_nv> trailers = forward->response.view();
    nghttp2_submit_trailer(session_, stream->id, trailers.data(), trailers.size());
  }
  return static_cast<int64_t>(count);
}

// -- forwarded calls ----------------------------------------------------------------------------

void Connection::forward_headers(Stream* stream) {
  Forward* forward = stream->forward.get();
  const std::vector<nghttp2_nv> headers = forward->response.view();
  nghttp2_data_provider provider{};
  provider.read_callback = read_server_data;
  forward->answered = true;
  nghttp2_submit_response(session_, stream->id, headers.data(), headers.size(),
                          forward->upstream_ended ? nullptr : &provider);
  forward->response.clear();
  reset_budget_ = std::min(kResetBurst, reset_budget_ + 1);
  loop_->mark_dirty(this);
}

void Connection::forward_data(Stream* stream, std::string_view data) {
  stream->out.append(data);
  nghttp2_session_resume_data(session_, stream->id);
  loop_->mark_dirty(this);
}

void Connection::forward_ended(Stream* stream) {
  nghttp2_session_resume_data(session_, stream->id);
  loop_->mark_dirty(this);
}

void Connection::consume_forwarded(Stream* stream, size_t bytes) {
  nghttp2_session_consume_stream(session_, stream->id, bytes);
  loop_->mark_dirty(this);
}

}  // namespace penstock

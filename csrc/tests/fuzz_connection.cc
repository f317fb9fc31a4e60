// Whole connections to a front: some clients keep to the protocol and must get what they asked for, while
// others send damaged frames, vanish, or do not read. When all are gone, so must be every stream, connection
// and hold.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <chrono>
#include <csignal>

#include "front/front.h"
#include "queue/queue.h"
#include "tests/control_plane.h"
#include "tests/fuzz.h"
#include "wire/grpc_framing.h"
#include "wire/protobuf.h"

namespace penstock::fuzz {
namespace {

constexpr int64_t kColumns = 4;

std::atomic<uint64_t> good_answers{0}, other_answers{0}, wild_connections{0};

// -- a deployment -------------------------------------------------------------------------------

// Model "good" answers y = x; "bad" fails, stalls or forgets.
class Deployment {
 public:
  Deployment(bool reliable, uint64_t seed) : reliable_(reliable) {
    QueueSettings settings;
    settings.max_batch_rows = 64;
    settings.max_queue_rows = reliable ? 1 << 20 : 64;
    queue_ = std::make_shared<Queue>(settings);
    target_ = make_target(1);
    executor_ = std::thread([this, seed] {
      Random random(seed);
      while (auto batch = queue_->next()) run(batch.get(), &random);
    });
  }
  ~Deployment() {
    target_->retire();
    CHECK(target_->wait_drained(20'000'000'000));
    queue_->close();
    executor_.join();
  }
  ModelRoute route() const {
    ModelRoute route;
    route.active = target_;
    route.versions[target_->version()] = {target_, ""};
    route.versions[9] = {nullptr, "broken"};
    return route;
  }
  // The next version; what holds the one before goes on.
  std::shared_ptr<Target> swap() {
    std::shared_ptr<Target> old = make_target(target_->version() + 1);
    old.swap(target_);
    return old;
  }

 private:
  std::shared_ptr<Target> make_target(int64_t version) const {
    Signature signature;
    signature.inputs.push_back({"x", DataType::kFp32, {-1, kColumns}});
    signature.outputs.push_back({"y", DataType::kFp32, {-1, kColumns}});
    return std::make_shared<Target>("model", version, signature, queue_);
  }

  void run(Batch* batch, Random* random) const {
    if (!reliable_) {
      if (random->chance(0.1)) std::this_thread::sleep_for(std::chrono::microseconds(random->below(20'000)));
      if (random->chance(0.1)) return;
      if (random->chance(0.1)) return batch->fail({Code::kInternal, "inference failed", "on purpose"});
    }
    BatchOutputs outputs;
    OutputColumn column;
    column.data = batch->inputs()[0].buffer.data();
    column.size_bytes = batch->inputs()[0].size_bytes;
    column.shape = batch->inputs()[0].shape;
    column.row_bytes = kColumns * sizeof(float);
    outputs.columns.push_back(column);
    batch->complete(&outputs);
  }

  const bool reliable_;
  std::shared_ptr<Queue> queue_;
  std::shared_ptr<Target> target_;
  std::thread executor_;
};

// -- clients ------------------------------------------------------------------------------------

std::string infer_message(std::string_view model, int64_t rows) {
  std::string dims, tensor, message, framed;
  protobuf::Writer(&dims).varint(static_cast<uint64_t>(rows));
  protobuf::Writer(&dims).varint(kColumns);
  protobuf::Writer(&tensor).bytes(1, "x");
  protobuf::Writer(&tensor).bytes(2, "FP32");
  protobuf::Writer(&tensor).bytes(3, dims);
  protobuf::Writer(&message).bytes(1, model);
  protobuf::Writer(&message).bytes(5, tensor);
  protobuf::Writer(&message).bytes(7,
                                   std::string(static_cast<size_t>(rows * kColumns) * sizeof(float), '\1'));
  append_grpc_prefix(message.size(), &framed);
  return framed + message;
}

int connect_to(uint16_t port, int receive_bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_bytes > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

bool readable(int fd, int timeout_ms) {
  pollfd polled = {fd, POLLIN, 0};
  return poll(&polled, 1, timeout_ms) > 0;
}

// Keeps to the protocol, by nghttp2. What it asks for comes, unless the front says that it drains.
class TameClient {
 public:
  TameClient(uint16_t port, Random* random) : random_(random), fd_(connect_to(port, 0)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                           static_cast<uint32_t>(random->between(1, 100'000))};
    nghttp2_submit_settings(session_, 0, &window, 1);
  }
  ~TameClient() {
    nghttp2_session_del(session_);
    if (fd_ >= 0) close(fd_);
  }

  void run(bool strict) {
    if (fd_ < 0) return;
    const uint64_t count = 1 + random_->below(20);
    for (uint64_t i = 0; i < count; ++i) {
      ask();
      if (random_->chance(0.3) && !exchange()) break;
    }
    const int64_t deadline = now_ns() + 60'000'000'000;
    while (open_ > 0 && exchange()) CHECK(now_ns() < deadline);
    CHECK(!strict || open_ == 0);
    for (const auto& [id, call] : calls_) {
      if (!call.infer || call.error != NGHTTP2_NO_ERROR || open_ > 0) {
        CHECK(!strict || !call.infer || call.error == NGHTTP2_REFUSED_STREAM);
        other_answers.fetch_add(1);
        continue;
      }
      CHECK(call.status == "0" && call.received > call.expected);
      good_answers.fetch_add(1);
    }
  }

 private:
  struct Call {
    bool infer = false;
    std::string body;
    size_t sent = 0;
    size_t expected = 0;
    size_t received = 0;
    std::string status;
    uint32_t error = NGHTTP2_NO_ERROR;
  };

  static TameClient* self(void* user) { return static_cast<TameClient*>(user); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void* user) {
    if (std::string_view(reinterpret_cast<const char*>(name), name_size) == "grpc-status") {
      self(user)->calls_[frame->hd.stream_id].status.assign(reinterpret_cast<const char*>(value), value_size);
    }
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t*, size_t size, void* user) {
    self(user)->calls_[id].received += size;
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    self(user)->calls_[id].error = error;
    --self(user)->open_;
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t* buffer, size_t size, uint32_t* flags,
                           nghttp2_data_source*, void* user) {
    Call& call = self(user)->calls_[id];
    const size_t count = std::min(size, call.body.size() - call.sent);
    std::memcpy(buffer, call.body.data() + call.sent, count);
    call.sent += count;
    if (call.sent == call.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  void ask() {
    static const std::vector<std::string> kPaths = {"/x/echo", "/x/refuse", "/x/flood"};
    Call call;
    call.infer = random_->chance(0.7);
    const int64_t rows = random_->chance(0.05) ? random_->between(1, 12'000) : random_->between(1, 8);
    call.body = infer_message("good", rows);
    call.expected = static_cast<size_t>(rows * kColumns) * sizeof(float);
    const std::string path =
        call.infer ? "/inference.GRPCInferenceService/ModelInfer" : random_->pick(kPaths);
    const nghttp2_nv headers[] = {header(":method", "POST"), header(":scheme", "http"),
                                  header(":path", path),     header(":authority", "x"),
                                  header("te", "trailers"),  header("content-type", "application/grpc")};
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    const int32_t id = nghttp2_submit_request(session_, nullptr, headers, 6, &provider, nullptr);
    if (id < 0) return;
    calls_[id] = std::move(call);
    ++open_;
  }

  // Sends what there is, waits for more; false when the connection is over.
  bool exchange() {
    for (const uint8_t* data;;) {
      const ssize_t count = nghttp2_session_mem_send(session_, &data);
      if (count < 0) return false;
      if (count == 0) break;
      for (ssize_t sent = 0; sent < count;) {
        const ssize_t n = send(fd_, data + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
        // The front may have said why: what it sent is still to be read.
        if (n <= 0) break;
        sent += n;
      }
    }
    if (!readable(fd_, 20)) return true;
    std::string buffer(1 + random_->below(65536), '\0');
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
    if (count <= 0) return false;
    return nghttp2_session_mem_recv(session_, reinterpret_cast<uint8_t*>(buffer.data()),
                                    static_cast<size_t>(count)) >= 0;
  }

  Random* const random_;
  const int fd_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Call> calls_;
  int64_t open_ = 0;
};

// Frames in any order, some of them damaged.
class WildClient {
 public:
  WildClient(uint16_t port, Random* random)
      : random_(random), fd_(connect_to(port, random->chance(0.3) ? 4096 : 0)), reads_(random->chance(0.8)) {
    nghttp2_hd_deflate_new(&deflater_, 4096);
  }
  ~WildClient() {
    nghttp2_hd_deflate_del(deflater_);
    if (fd_ >= 0) close(fd_);
  }

  void run() {
    if (fd_ < 0) return;
    wild_connections.fetch_add(1);
    std::string out;
    if (!random_->chance(0.02)) out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (!random_->chance(0.02)) out += settings();
    const double damage = random_->chance(0.5) ? 0 : 0.05;
    for (uint64_t i = random_->below(60); i > 0; --i) {
      std::string frames = next();
      if (random_->chance(damage)) mutate(random_, &frames);
      out += frames;
      if (random_->chance(0.3) && !send_some(&out)) return;
    }
    while (!out.empty()) {
      if (!send_some(&out)) return;
    }
    leave();
  }

 private:
  static std::string frame(uint8_t type, uint8_t flags, uint32_t id, std::string_view payload) {
    const auto size = static_cast<uint32_t>(payload.size());
    std::string out;
    for (uint32_t byte :
         {size >> 16, size >> 8, size, uint32_t{type}, uint32_t{flags}, id >> 24, id >> 16, id >> 8, id}) {
      out += static_cast<char>(byte);
    }
    return out.append(payload);
  }
  static std::string word(uint64_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
  }
  std::string settings() {
    std::string payload;
    for (uint64_t i = random_->below(4); i > 0; --i) {
      payload += '\0';
      payload += static_cast<char>(random_->below(8));
      payload += word(random_->chance(0.5) ? random_->below(70'000) : random_->number());
    }
    return frame(NGHTTP2_SETTINGS, random_->chance(0.1), 0, payload);
  }
  uint32_t any_stream() {
    return static_cast<uint32_t>(random_->chance(0.8) ? random_->below(next_id_ + 2) : random_->number());
  }

  std::string header_block() {
    static const std::vector<std::string> kPaths = {"/inference.GRPCInferenceService/ModelInfer", "/x/echo",
                                                    "/x/flood", "/x/any", "/grpc.health.v1.Health/Watch"};
    static const std::vector<std::string> kTimeouts = {"1m", "10u", "0n", "99999999H", "bad", "1S"};
    static const std::vector<std::string> kEncodings = {"gzip", "deflate", "identity", "br"};
    const std::string path = random_->chance(0.6) ? kPaths[0] : random_->pick(kPaths);
    const std::string timeout = random_->pick(kTimeouts), encoding = random_->pick(kEncodings);
    const std::string noise(random_->chance(0.05) ? random_->below(40'000) : random_->below(100), 'n');
    std::vector<nghttp2_nv> headers = {header(":method", random_->chance(0.97) ? "POST" : "GET"),
                                       header(":scheme", "http"), header(":path", path),
                                       header(":authority", "x")};
    if (random_->chance(0.97)) headers.push_back(header("content-type", "application/grpc"));
    if (random_->chance(0.2)) headers.push_back(header("grpc-timeout", timeout));
    if (random_->chance(0.1)) headers.push_back(header("grpc-encoding", encoding));
    if (random_->chance(0.1)) headers.push_back(header("x-request-id", noise));
    if (random_->chance(0.1)) headers.push_back(header("x-noise", noise));
    std::string block(nghttp2_hd_deflate_bound(deflater_, headers.data(), headers.size()), '\0');
    const ssize_t size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(block.data()),
                                               block.size(), headers.data(), headers.size());
    CHECK(size >= 0);
    block.resize(static_cast<size_t>(size));
    return block;
  }

  std::string call() {
    const uint32_t id = next_id_;
    next_id_ += 2;
    std::string block = header_block();
    std::string out;
    const bool bodiless = random_->chance(0.05);
    const uint8_t ends = bodiless ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
    if (random_->chance(0.1)) {
      const size_t half = block.size() / 2;
      out = frame(NGHTTP2_HEADERS, ends, id, block.substr(0, half)) +
            frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, id, block.substr(half));
    } else {
      out = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | ends, id, block);
    }
    if (bodiless) return out;
    std::string body =
        infer_message(random_->chance(0.5)   ? "bad"
                      : random_->chance(0.9) ? "good"
                                             : "none",
                      random_->chance(0.1) ? random_->between(1, 4000) : random_->between(1, 4));
    if (random_->chance(0.2)) mutate(random_, &body);
    if (random_->chance(0.1)) body.resize(random_->below(body.size() + 1));
    for (size_t at = 0; at < body.size();) {
      const size_t size =
          std::min<size_t>(body.size() - at, random_->chance(0.2) ? 1 + random_->below(50) : 16384);
      const bool last = at + size == body.size() && random_->chance(0.9);
      out +=
          frame(NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE, id, body.substr(at, size));
      at += size;
      if (random_->chance(0.02)) return out;
    }
    return out;
  }

  std::string next() {
    if (random_->chance(0.6)) return call();
    switch (random_->below(9)) {
      case 0:
        return frame(NGHTTP2_RST_STREAM, 0, any_stream(), word(random_->number()));
      case 1:
        return frame(NGHTTP2_WINDOW_UPDATE, 0, random_->chance(0.3) ? 0 : any_stream(),
                     word(random_->below(100'000)));
      case 2:
        return frame(NGHTTP2_PING, random_->chance(0.2), 0, "12345678");
      case 3:
        return settings();
      case 4:
        return frame(NGHTTP2_PRIORITY, 0, any_stream(), word(any_stream()) + "\x07");
      case 5:
        return frame(NGHTTP2_DATA, static_cast<uint8_t>(random_->below(2)), any_stream(),
                     random_->bytes(random_->below(300)));
      case 6:
        return frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, any_stream(),
                     header_block());
      case 7:
        return random_->chance(0.1) ? frame(NGHTTP2_GOAWAY, 0, 0, word(0) + word(0))
                                    : frame(0xF0, 0, any_stream(), "x");
      default:
        return frame(static_cast<uint8_t>(random_->below(12)), static_cast<uint8_t>(random_->bits()),
                     random_->chance(0.3) ? 0 : any_stream(), random_->bytes(random_->below(20)));
    }
  }

  // Sends a part of it; false when the front has closed.
  bool send_some(std::string* out) {
    const size_t size = random_->chance(0.7) ? out->size() : random_->below(out->size() + 1);
    size_t sent = 0;
    for (int waits = 0; sent < size;) {
      const ssize_t count = send(fd_, out->data() + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno == EAGAIN) {
        // The front may wait for this client to read.
        if (reads_ ? !read_some(20) : ++waits > 5) return false;
        usleep(1000);
        continue;
      }
      if (count <= 0) return false;
      sent += static_cast<size_t>(count);
    }
    out->erase(0, size);
    return !reads_ || read_some(0);
  }
  bool read_some(int timeout_ms) const {
    char buffer[65536];
    while (readable(fd_, timeout_ms)) {
      if (recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT) <= 0) return false;
      timeout_ms = 0;
    }
    return true;
  }
  void leave() const {
    switch (random_->below(4)) {
      case 0: {
        const linger hard = {1, 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        break;
      }
      case 1:
        shutdown(fd_, SHUT_WR);
        read_some(20);
        break;
      case 2:
        for (uint64_t i = random_->below(20); i > 0 && read_some(10); --i) continue;
        break;
      default:
        break;
    }
  }

  Random* const random_;
  const int fd_;
  const bool reads_;
  nghttp2_hd_deflater* deflater_ = nullptr;
  uint32_t next_id_ = 1;
};

// -- lives --------------------------------------------------------------------------------------

void wait_for(const char* what, const std::atomic<int64_t>& count) {
  const int64_t deadline = now_ns() + 20'000'000'000;
  while (count.load() != 0) {
    if (now_ns() > deadline) {
      std::fprintf(stderr, "%lld %s are left\n", static_cast<long long>(count.load()), what);
      std::abort();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// One front from start to stop.
void live(Random* random, const std::string& socket_path) {
  // Limits that strike while a life lasts; then no client can count on its answers.
  const bool strict = random->chance(0.6);
  FrontSettings settings;
  settings.threads = static_cast<int32_t>(random->between(1, 2));
  settings.control_socket = socket_path;
  settings.max_streams = 32;
  settings.max_message_bytes = 256 << 10;
  settings.max_header_bytes = 4096;
  settings.max_connections = strict ? 1000 : 6;
  settings.handshake_ns = settings.stall_ns = strict ? 60'000'000'000 : random->between(1, 400'000'000);
  settings.idle_ns = strict ? 0 : random->between(1, 400'000'000);
  settings.triton_codes = random->chance(0.5);

  auto control = std::make_unique<ControlPlane>(socket_path, random->bits());
  Deployment good(true, random->bits()), bad(false, random->bits());
  auto routes = std::make_shared<Routes>();
  const auto publish = [&] {
    RouteTable table;
    table["good"] = good.route();
    table["bad"] = bad.route();
    routes->publish(std::move(table));
  };
  publish();
  Front front(settings, routes);
  CHECK(front.start().ok());

  std::atomic<bool> stopping{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i, seed = random->bits()] {
      Random own(seed);
      while (!stopping.load()) {
        if (i == 0) {
          TameClient(front.port(), &own).run(strict);
        } else {
          WildClient(front.port(), &own).run();
        }
      }
    });
  }
  const int64_t end = now_ns() + random->between(100, 1500) * 1'000'000;
  while (now_ns() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random->below(100)));
    Deployment& swapped = random->chance(0.5) ? good : bad;
    const std::shared_ptr<Target> old = swapped.swap();
    publish();
    old->retire();
    CHECK(old->wait_drained(20'000'000'000));
    uint64_t dropped = 0;
    for (const Failure& failure : front.failures().take(&dropped)) {
      CHECK(!failure.request_id.empty() && failure.status.message.size() <= kMaxStatusMessageBytes + 100);
    }
  }
  if (random->chance(0.3)) control.reset();
  if (random->chance(0.5)) {
    // Under load. Without limits that strike nothing is cut off, but all clients leave some time.
    const bool drained = front.drain(strict ? 60'000'000'000 : random->between(0, 500'000'000));
    CHECK(drained || !strict);
    stopping.store(true);
    for (std::thread& client : clients) client.join();
  } else {
    stopping.store(true);
    for (std::thread& client : clients) client.join();
    wait_for("streams", front.counters().streams);
    wait_for("connections", front.counters().connections);
    CHECK(front.drain(20'000'000'000));
  }
  front.stop();
  CHECK(front.counters().streams.load() == 0 && front.counters().connections.load() == 0);
}

}  // namespace
}  // namespace penstock::fuzz

int main(int argc, char** argv) {
  const penstock::fuzz::Options options(argc, argv);
  penstock::fuzz::Random random(options.seed);
  std::signal(SIGPIPE, SIG_IGN);
  char folder[] = "/tmp/penstock-fuzz-XXXXXX";
  CHECK(mkdtemp(folder) != nullptr);
  const int64_t deadline = options.deadline_ns();
  uint64_t lives = 0;
  for (; penstock::now_ns() < deadline; ++lives)
    penstock::fuzz::live(&random, std::string(folder) + "/control.sock");
  rmdir(folder);
  std::printf("%llu fronts, %llu wild connections; of tame calls %llu were answered, %llu otherwise\n",
              static_cast<unsigned long long>(lives),
              static_cast<unsigned long long>(penstock::fuzz::wild_connections.load()),
              static_cast<unsigned long long>(penstock::fuzz::good_answers.load()),
              static_cast<unsigned long long>(penstock::fuzz::other_answers.load()));
  return 0;
}

// A ModelInfer call between the loop that read it and the executor that answers it.
#ifndef PENSTOCK_FRONT_INFER_CALL_H_
#define PENSTOCK_FRONT_INFER_CALL_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "queue/request.h"

namespace penstock {

struct Stream;
class InferCall;

// Answered calls on their way back to a loop. Outlives the loop: calls hold it.
class Mailbox {
 public:
  Mailbox();
  ~Mailbox();

  // Makes the calling thread the loop's. What it posts itself wakes nobody: it looks.
  void own() { owner_ = std::this_thread::get_id(); }

  // Any thread. A call that comes after close() is deleted.
  void post(InferCall* call);
  // The loop's thread. `woken` when wake_fd() was readable.
  std::vector<InferCall*> take(bool woken);
  bool has_own() const { return !own_.empty(); }
  void close();
  // Makes wake_fd() readable. Any thread.
  void wake();
  int wake_fd() const { return wake_fd_; }

 private:
  std::atomic<std::thread::id> owner_{};
  std::vector<InferCall*> own_;  // the owner's alone
  std::mutex mutex_;
  std::vector<InferCall*> answered_;
  bool closed_ = false;
  const int wake_fd_;
};

class InferCall : public Request {
 public:
  explicit InferCall(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}

  void deliver(const BatchOutputs& outputs, int64_t first_row) override;
  void fail(const Status& status) override;
  std::string_view client_id() const override { return id; }

  // Only the loop's thread looks at these until the call is submitted and after it is answered.
  Stream* stream = nullptr;  // null once the client has gone
  std::string body;          // the message that `bound` points into
  std::string_view id;       // of the request, in `body`
  std::string response;      // framed
  Status status;
  std::string_view model;  // as the request named it, in `body`

  // For the next call; buffers up to `kept_bytes` stay.
  void recycle(size_t kept_bytes);

 private:
  const std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_INFER_CALL_H_

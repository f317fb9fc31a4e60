#include "front/infer_call.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <new>

namespace penstock {

Mailbox::Mailbox() : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Mailbox::~Mailbox() { ::close(wake_fd_); }

void Mailbox::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void Mailbox::post(InferCall* call) {
  if (owner_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    own_.push_back(call);
    return;
  }
  bool first = false;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    if (!closed_) {
      first = answered_.empty();
      answered_.push_back(call);
      call = nullptr;
    }
  }
  delete call;
  if (first) wake();
}

std::vector<InferCall*> Mailbox::take(bool woken) {
  std::vector<InferCall*> taken;
  taken.swap(own_);
  if (!woken) return taken;
  uint64_t count;
  [[maybe_unused]] const auto got = ::read(wake_fd_, &count, sizeof count);
  std::lock_guard<std::mutex> guard(mutex_);
  if (taken.empty()) {
    taken.swap(answered_);
  } else {
    taken.insert(taken.end(), answered_.begin(), answered_.end());
    answered_.clear();
  }
  return taken;
}

void Mailbox::close() {
  std::vector<InferCall*> left;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    closed_ = true;
    left.swap(answered_);
  }
  // Only the owner closes, and it posts nothing any more.
  left.insert(left.end(), own_.begin(), own_.end());
  own_.clear();
  owner_.store({}, std::memory_order_relaxed);
  for (InferCall* call : left) delete call;
}

void InferCall::recycle(size_t kept_bytes) {
  reset();
  stream = nullptr;
  id = model = {};
  for (std::string* buffer : {&body, &response}) {
    if (buffer->capacity() > kept_bytes) {
      std::string().swap(*buffer);
    } else {
      buffer->clear();
    }
  }
  if (!status.ok()) status = Status{};
}

// The call may be deleted as soon as it is posted: the mailbox is kept by a copy.
void InferCall::deliver(const BatchOutputs& outputs, int64_t first_row) {
  const auto lose = [this](const char* why) {
    std::string().swap(response);
    status = {Code::kInternal, "inference failed", why};
  };
  try {
    if (!encode_infer_response(id, outputs, bound.outputs, first_row, bound.rows, &response)) {
      lose("the response is larger than a protobuf message can be");
    }
  } catch (const std::bad_alloc&) {
    lose("no memory for the response");
  }
  const std::shared_ptr<Mailbox> mailbox = mailbox_;
  mailbox->post(this);
}

void InferCall::fail(const Status& failure) {
  status = failure;
  const std::shared_ptr<Mailbox> mailbox = mailbox_;
  mailbox->post(this);
}

}  // namespace penstock

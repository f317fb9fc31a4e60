// Aligned memory for batches, kept between them.
#ifndef PENSTOCK_QUEUE_BUFFER_POOL_H_
#define PENSTOCK_QUEUE_BUFFER_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace penstock {

// Thread-safe. Buffers keep the pool alive; the pool keeps at most kKeptBytes.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kKeptBytes = 16 << 20;

  // Owns its memory; gives it back to the pool when it goes.
  class Buffer {
   public:
    Buffer() = default;
    Buffer(std::shared_ptr<BufferPool> pool, uint8_t* data, size_t capacity)
        : pool_(std::move(pool)), data_(data), capacity_(capacity) {}
    Buffer(Buffer&& other) noexcept { *this = std::move(other); }
    Buffer& operator=(Buffer&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(data_, other.data_);
      std::swap(capacity_, other.capacity_);
      return *this;
    }
    ~Buffer() {
      if (data_ != nullptr) pool_->give_back(data_, capacity_);
    }
    uint8_t* data() const { return data_; }

   private:
    std::shared_ptr<BufferPool> pool_;
    uint8_t* data_ = nullptr;
    size_t capacity_ = 0;
  };

  ~BufferPool() {
    for (auto& entry : kept_) std::free(entry.first);
  }

  // At least `size_bytes`, never null; throws std::bad_alloc.
  Buffer take(size_t size_bytes) {
    const size_t capacity = (std::max<size_t>(size_bytes, 1) + kGrain - 1) / kGrain * kGrain;
    {
      std::lock_guard<std::mutex> guard(mutex_);
      for (size_t i = kept_.size(); i-- > 0;) {
        if (kept_[i].second >= capacity && kept_[i].second <= 4 * capacity) {
          const auto [data, size] = kept_[i];
          kept_[i] = kept_.back();
          kept_.pop_back();
          kept_bytes_ -= size;
          return Buffer(shared_from_this(), data, size);
        }
      }
    }
    auto* data = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, capacity));
    if (data == nullptr) throw std::bad_alloc();
    return Buffer(shared_from_this(), data, capacity);
  }

 private:
  static constexpr size_t kGrain = 4096;

  void give_back(uint8_t* data, size_t capacity) {
    {
      std::lock_guard<std::mutex> guard(mutex_);
      if (kept_bytes_ + capacity <= kKeptBytes) {
        kept_.emplace_back(data, capacity);
        kept_bytes_ += capacity;
        return;
      }
    }
    std::free(data);
  }

  std::mutex mutex_;
  std::vector<std::pair<uint8_t*, size_t>> kept_;
  size_t kept_bytes_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_BUFFER_POOL_H_

// Small pieces of memory that live exactly as long as the columns that point into them.
#ifndef PENSTOCK_COLUMNS_ARENA_H_
#define PENSTOCK_COLUMNS_ARENA_H_

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

namespace penstock {

// Hands out memory, aligned for anything, and frees all of it at once. Pieces never move. One thread at a
// time.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Throws std::bad_alloc. Uninitialised.
  void* allocate(size_t size_bytes) {
    size_bytes = (size_bytes + kAlign - 1) / kAlign * kAlign;
    if (size_bytes > left_) {
      if (size_bytes > kBlock / 4) return grow(size_bytes);
      next_ = grow(kBlock);
      left_ = kBlock;
    }
    char* piece = next_;
    next_ += size_bytes;
    left_ -= size_bytes;
    return piece;
  }

  void* allocate_zeroed(size_t size_bytes) { return std::memset(allocate(size_bytes), 0, size_bytes); }

  template <typename T>
  T* make() {
    return new (allocate(sizeof(T))) T();
  }

 private:
  static constexpr size_t kAlign = alignof(std::max_align_t);
  static constexpr size_t kBlock = 2048;

  char* grow(size_t size_bytes) {
    blocks_.emplace_back(new char[size_bytes]);
    return blocks_.back().get();
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_COLUMNS_ARENA_H_

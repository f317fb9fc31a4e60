// Memory of nghttp2 sessions: an idle connection costs what it touches, a busy one does not wait for malloc.
//
// Small blocks, of which a call takes some fifteen, are kept by size and used again: a burst of streams
// overflows malloc's own per-thread cache.
//
// A session takes a page of zeros for its stream table and five pages to build frames in; from malloc both
// are resident from the start. Here they come page-aligned out of one reservation: untouched pages stay away,
// a freed block goes back to the system, and the frame buffer of an idle connection can be dropped.
// Everything else, and everything once the reservation is full, comes from malloc.
#ifndef PENSTOCK_FRONT_SESSION_MEMORY_H_
#define PENSTOCK_FRONT_SESSION_MEMORY_H_

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock {

// Of one loop, for its sessions; not thread-safe. Outlives them.
class SessionMemory {
 public:
  explicit SessionMemory(size_t sessions);
  ~SessionMemory();
  SessionMemory(const SessionMemory&) = delete;
  SessionMemory& operator=(const SessionMemory&) = delete;

  nghttp2_mem* functions() { return &functions_; }

  // The frame buffer that was handed out last; null when it came from malloc.
  void* last_frame_buffer() const { return last_frame_; }
  void forget_last() { last_frame_ = nullptr; }
  // Lets the pages of a frame buffer go while nothing is in it; they come back as zeros when touched.
  static void drop_pages(void* frame_buffer);

 private:
  static constexpr size_t kGrain = 32;
  static constexpr size_t kSmallClasses = 33;  // up to 1024 bytes
  static constexpr uint32_t kKeptBlocks = 8192;
  static constexpr size_t kTableBytes = 4096;
  static constexpr size_t kFrameBytes = 5 * 4096;

  // Blocks of one size.
  struct Slab {
    uint8_t* begin = nullptr;
    uint8_t* end = nullptr;
    uint8_t* fresh = nullptr;  // never handed out from here on
    size_t block = 0;
    std::vector<uint8_t*> free;

    bool owns(const void* p) const { return p >= begin && p < end; }
    void* take();
    void give_back(void* p);
  };

  // Stands before every block that is not of a slab; as large as malloc's alignment.
  struct alignas(16) Header {
    Header* next;    // while the block is kept
    uint32_t small;  // its class, 0 when it is larger
  };

  static void* allocate(size_t size, void* self);
  static void* allocate_zeros(size_t count, size_t size, void* self);
  static void* reallocate(void* p, size_t size, void* self);
  static void release(void* p, void* self);
  void* from_slab(size_t size);
  void* from_heap(size_t size);
  void to_heap(void* p);
  Slab* slab_of(const void* p);

  uint8_t* reserved_ = nullptr;
  size_t reserved_bytes_ = 0;
  Slab tables_;
  Slab frames_;
  void* last_frame_ = nullptr;
  Header* kept_[kSmallClasses] = {};
  uint32_t kept_count_[kSmallClasses] = {};
  nghttp2_mem functions_;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_SESSION_MEMORY_H_

// Where the large blocks of nghttp2 sessions live, so that an idle connection costs what it touches.
//
// A session takes a page of zeros for its stream table and five pages to build frames in; from malloc both are
// resident from the start. Here they come page-aligned out of one reservation: untouched pages stay away, a
// freed block goes back to the system, and the frame buffer of an idle connection can be dropped. Everything
// smaller, and everything once the reservation is full, comes from malloc.
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

  static void* allocate(size_t size, void* self);
  static void* allocate_zeros(size_t count, size_t size, void* self);
  static void* reallocate(void* p, size_t size, void* self);
  static void release(void* p, void* self);
  void* from_slab(size_t size);
  Slab* slab_of(const void* p);

  uint8_t* reserved_ = nullptr;
  size_t reserved_bytes_ = 0;
  Slab tables_;
  Slab frames_;
  void* last_frame_ = nullptr;
  nghttp2_mem functions_;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_SESSION_MEMORY_H_

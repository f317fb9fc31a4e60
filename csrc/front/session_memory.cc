#include "front/session_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace penstock {

SessionMemory::SessionMemory(size_t sessions)
    : functions_{this, allocate, release, allocate_zeros, reallocate} {
  const size_t bytes = sessions * (kTableBytes + kFrameBytes);
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return;
  // A huge page would make sixteen sessions resident for one that is touched.
  madvise(p, bytes, MADV_NOHUGEPAGE);
  reserved_ = static_cast<uint8_t*>(p);
  reserved_bytes_ = bytes;
  uint8_t* middle = reserved_ + sessions * kTableBytes;
  tables_ = {reserved_, middle, reserved_, kTableBytes, {}};
  frames_ = {middle, reserved_ + bytes, middle, kFrameBytes, {}};
}

SessionMemory::~SessionMemory() {
  if (reserved_ != nullptr) munmap(reserved_, reserved_bytes_);
}

void SessionMemory::drop_pages(void* frame_buffer) { madvise(frame_buffer, kFrameBytes, MADV_DONTNEED); }

void* SessionMemory::Slab::take() {
  if (!free.empty()) {
    uint8_t* p = free.back();
    free.pop_back();
    return p;
  }
  if (fresh == end) return nullptr;
  uint8_t* p = fresh;
  fresh += block;
  return p;
}

void SessionMemory::Slab::give_back(void* p) {
  madvise(p, block, MADV_DONTNEED);
  free.push_back(static_cast<uint8_t*>(p));
}

SessionMemory::Slab* SessionMemory::slab_of(const void* p) {
  return tables_.owns(p) ? &tables_ : frames_.owns(p) ? &frames_ : nullptr;
}

// Zeroed, or null when the size does not suit or the slab is empty.
void* SessionMemory::from_slab(size_t size) {
  if (size < kTableBytes || size > kFrameBytes) return nullptr;
  if (size == kTableBytes) return tables_.take();
  void* p = frames_.take();
  if (p != nullptr) last_frame_ = p;
  return p;
}

void* SessionMemory::allocate(size_t size, void* self) {
  void* p = static_cast<SessionMemory*>(self)->from_slab(size);
  return p != nullptr ? p : std::malloc(size);
}

void* SessionMemory::allocate_zeros(size_t count, size_t size, void* self) {
  void* p = count * size <= kFrameBytes ? static_cast<SessionMemory*>(self)->from_slab(count * size) : nullptr;
  return p != nullptr ? p : std::calloc(count, size);
}

void* SessionMemory::reallocate(void* p, size_t size, void* self) {
  auto* memory = static_cast<SessionMemory*>(self);
  if (p == nullptr) return allocate(size, self);
  Slab* slab = memory->slab_of(p);
  if (slab == nullptr) return std::realloc(p, size);
  if (size <= slab->block) return p;
  void* larger = std::malloc(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, p, slab->block);
  slab->give_back(p);
  return larger;
}

void SessionMemory::release(void* p, void* self) {
  Slab* slab = static_cast<SessionMemory*>(self)->slab_of(p);
  if (slab != nullptr) {
    slab->give_back(p);
  } else {
    std::free(p);
  }
}

}  // namespace penstock

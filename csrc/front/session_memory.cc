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
  for (Header* kept : kept_) {
    while (kept != nullptr) {
      Header* next = kept->next;
      std::free(kept);
      kept = next;
    }
  }
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

// Not zeroed; null when there is no memory.
void* SessionMemory::from_heap(size_t size) {
  const size_t small = (size + kGrain - 1) / kGrain;
  Header* header;
  if (small > 0 && small < kSmallClasses && kept_[small] != nullptr) {
    header = kept_[small];
    kept_[small] = header->next;
    --kept_count_[small];
    return header + 1;
  }
  const bool keep = small > 0 && small < kSmallClasses;
  header = static_cast<Header*>(std::malloc(sizeof(Header) + (keep ? small * kGrain : size)));
  if (header == nullptr) return nullptr;
  header->small = keep ? static_cast<uint32_t>(small) : 0;
  return header + 1;
}

void SessionMemory::to_heap(void* p) {
  if (p == nullptr) return;
  Header* header = static_cast<Header*>(p) - 1;
  const uint32_t small = header->small;
  if (small == 0 || kept_count_[small] >= kKeptBlocks) {
    std::free(header);
    return;
  }
  header->next = kept_[small];
  kept_[small] = header;
  ++kept_count_[small];
}

void* SessionMemory::allocate(size_t size, void* self) {
  auto* memory = static_cast<SessionMemory*>(self);
  void* p = memory->from_slab(size);
  return p != nullptr ? p : memory->from_heap(size);
}

void* SessionMemory::allocate_zeros(size_t count, size_t size, void* self) {
  auto* memory = static_cast<SessionMemory*>(self);
  if (size != 0 && count > SIZE_MAX / 2 / size) return nullptr;
  void* p = memory->from_slab(count * size);
  if (p != nullptr) return p;
  p = memory->from_heap(count * size);
  return p == nullptr ? nullptr : std::memset(p, 0, count * size);
}

void* SessionMemory::reallocate(void* p, size_t size, void* self) {
  auto* memory = static_cast<SessionMemory*>(self);
  if (p == nullptr) return allocate(size, self);
  Slab* slab = memory->slab_of(p);
  size_t capacity = 0;
  if (slab != nullptr) {
    capacity = slab->block;
  } else {
    Header* header = static_cast<Header*>(p) - 1;
    if (header->small == 0) {
      header = static_cast<Header*>(std::realloc(header, sizeof(Header) + size));
      return header == nullptr ? nullptr : header + 1;
    }
    capacity = header->small * kGrain;
  }
  if (size <= capacity) return p;
  void* larger = memory->from_heap(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, p, capacity);
  release(p, self);
  return larger;
}

void SessionMemory::release(void* p, void* self) {
  auto* memory = static_cast<SessionMemory*>(self);
  if (Slab* slab = memory->slab_of(p)) {
    slab->give_back(p);
  } else {
    memory->to_heap(p);
  }
}

}  // namespace penstock

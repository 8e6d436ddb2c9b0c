#include <tide/ring/mapping.hpp>

#include <sys/mman.h>

#include <cerrno>

namespace tide::ring {

// SAFETY: anonymous private memory, owned by one mapping and unmapped once, in its destructor. Whoever lets the kernel write
// there keeps the mapping until the kernel has let go.
result<mapping> mapping::anonymous(std::size_t bytes) noexcept {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return fail_errno(errno);
  return mapping({static_cast<std::byte*>(at), bytes});
}

mapping::~mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace tide::ring

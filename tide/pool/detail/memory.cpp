#include <tide/pool/detail/memory.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace tide::pool_detail {

result<memory> memory::map(int fd, std::uint64_t size, int flags) {
  // SAFETY: the kernel chooses the address, so nothing that exists is replaced; the range has one owner, the returned
  // object, which alone unmaps it.
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (at == MAP_FAILED) return fail_errno(errno);
  return memory(static_cast<std::byte*>(at), size);
}

result<memory> memory::shared(int fd, std::uint64_t size) { return map(fd, size, MAP_SHARED); }

result<memory> memory::zeros(std::uint64_t size) { return map(-1, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE); }

result<memory> memory::zeros_again_after_fork(std::uint64_t size) {
  auto made = zeros(size);
  // SAFETY: the range is the fresh private one of `made`; a child sees zeros there, which is what the caller reads it for.
  if (made && ::madvise(made->data_, size, MADV_WIPEONFORK) != 0) return fail_errno(errno);
  return made;
}

memory::~memory() {
  // SAFETY: this object is the only owner of the range; whoever hands out pointers into it keeps the object alive.
  if (data_ != nullptr) ::munmap(data_, size_);
}

result<> memory::sync(std::uint64_t offset, std::uint64_t length) const {
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = offset / page_bytes * page_bytes;
  // SAFETY: the caller keeps [offset, offset + length) inside the mapping; the range is only read.
  if (::msync(data_ + begin, offset + length - begin, MS_SYNC) != 0) return fail_errno(errno);
  return {};
}

void memory::populate(std::uint64_t offset, std::uint64_t length, bool for_writing) const noexcept {
  // SAFETY: as in sync(); the advice changes no byte, and a kernel that does not know it refuses without effect.
  ::madvise(data_ + offset, length, for_writing ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

}  // namespace tide::pool_detail

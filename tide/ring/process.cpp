#include <tide/ring/process.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

// SAFETY (for every atomic in this file): the word is a cache of getpid(2), which nothing is ordered by. Whoever finds it
// empty fills it with the same value.

namespace tide::ring {
namespace {

/// A word that the kernel empties in a child (MADV_WIPEONFORK); nullptr if it cannot be had.
std::atomic<std::uint32_t>* make_word() noexcept {
  // SAFETY: one page for the life of the process, never unmapped; the word in it is made right here.
  void* const page =
      ::mmap(nullptr, sizeof(std::atomic<std::uint32_t>), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, sizeof(std::atomic<std::uint32_t>), MADV_WIPEONFORK) == 0)
    return ::new (page) std::atomic<std::uint32_t>(0);
  ::munmap(page, sizeof(std::atomic<std::uint32_t>));
  return nullptr;
}

}  // namespace

std::uint32_t this_process() noexcept {
  static std::atomic<std::uint32_t>* const word = make_word();
  if (word == nullptr) return static_cast<std::uint32_t>(::getpid());
  std::uint32_t known = word->load(std::memory_order_relaxed);
  if (known == 0) {
    known = static_cast<std::uint32_t>(::getpid());
    word->store(known, std::memory_order_relaxed);
  }
  return known;
}

}  // namespace tide::ring

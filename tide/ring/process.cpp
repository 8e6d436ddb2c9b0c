#include <tide/ring/process.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <new>

// SAFETY (for every atomic in this file): the word is a cache of getpid(2), which nothing is ordered by. Whoever finds it
// empty fills it with the same value. Its address is stored with release once the word is made.

namespace tide::ring::detail {
namespace {

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

constinit std::atomic<std::atomic<std::uint32_t>*> process_word = nullptr;

std::uint32_t ask_for_process() noexcept {
  static std::atomic<std::uint32_t>* const word = make_word();
  const auto known = static_cast<std::uint32_t>(::getpid());
  if (word != nullptr) {
    word->store(known, std::memory_order_relaxed);
    process_word.store(word, std::memory_order_release);
  }
  return known;
}

}  // namespace tide::ring::detail

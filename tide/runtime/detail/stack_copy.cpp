#include <tide/runtime/detail/stack_copy.hpp>

#include <link.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

// NOLINTBEGIN(performance-no-int-to-ptr): addresses come here as numbers, out of registers and off a stack
namespace tide::detail {
namespace {

constexpr std::uintptr_t page = 4096;

struct code_range {
  std::uintptr_t begin;
  std::uintptr_t end;
};

int add_code(dl_phdr_info* object, std::size_t, void* all) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    static_cast<std::vector<code_range>*>(all)->push_back({begin, begin + segment.p_memsz});
  }
  return 0;
}

/// True if the instruction in front of `address` is a call.
bool follows_call(std::uintptr_t address, const std::vector<code_range>& code) {
  constexpr std::uintptr_t longest = 7;
  const auto holds = [&](const code_range& each) { return address >= each.begin + longest && address < each.end; };
  if (std::ranges::none_of(code, holds)) return false;
#if defined(__x86_64__)
  // SAFETY: the bytes are within a segment of code, as the loader says; an object that is unloaded meanwhile would have a
  // task of its own on this stack.
  const auto* const behind = reinterpret_cast<const unsigned char*>(address);
  if (*(behind - 5) == 0xE8) return true;  // call to a distance
  for (const int length : {2, 3, 4, 6, 7}) {
    if (*(behind - length) == 0xFF && (*(behind - length + 1) >> 3U & 7U) == 2) return true;  // call through a pointer
  }
  return false;
#else
  return true;
#endif
}

}  // namespace

void stack_copy::take(const ucontext_t& interrupted) noexcept {
#if defined(__x86_64__)
  at_ = static_cast<std::uintptr_t>(interrupted.uc_mcontext.gregs[REG_RIP]);
  const auto top = static_cast<std::uintptr_t>(interrupted.uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  at_ = interrupted.uc_mcontext.pc;
  const auto top = static_cast<std::uintptr_t>(interrupted.uc_mcontext.sp);
#endif
  // SAFETY: the kernel reads for us, page by page, and stops where nothing is mapped: where the stack ends need not be
  // known.
  std::array<iovec, sizeof words_ / page> pages{};
  const std::uintptr_t first = top & ~(sizeof(std::uintptr_t) - 1);
  std::uintptr_t begin = first;
  for (iovec& each : pages) {
    const std::uintptr_t end = (begin & ~(page - 1)) + page;
    each = {reinterpret_cast<void*>(begin), end - begin};
    begin = end;
  }
  const iovec here{words_.data(), sizeof words_};
  const auto copied = ::process_vm_readv(::getpid(), &here, 1, pages.data(), pages.size(), 0);
  size_ = copied > 0 ? static_cast<std::size_t>(copied) / sizeof words_[0] : 0;  // none where it is forbidden
}

std::vector<void*> stack_copy::calls(std::size_t most) const {
  std::vector<code_range> code;
  ::dl_iterate_phdr(add_code, &code);
  // SAFETY: addresses to be shown, never read through.
  std::vector<void*> found{reinterpret_cast<void*>(at_)};
  for (std::size_t i = 0; i < size_ && found.size() < most; ++i) {
    // SAFETY: as above.
    if (follows_call(words_[i], code)) found.push_back(reinterpret_cast<void*>(words_[i]));
  }
  return found;
}

}  // namespace tide::detail
// NOLINTEND(performance-no-int-to-ptr)

#include <tide/pool/detail/free_index.hpp>

#include <utility>

// SAFETY (for every atomic in this file): a magazine belongs to one thread until that thread sets `abandoned` (release, its
// last touch), which whoever adopts it reads first (acquire); `pool_closed` likewise is the pool's last touch.

namespace tide::pool_detail {
namespace {

struct last_used {
  std::uint64_t instance = 0;
  magazine* stack = nullptr;
  bool thread_ends = false;
};

// Trivial, so that reading it is one load, and so that it may be read while the thread's other objects are destroyed.
constinit thread_local last_used last;

class thread_magazines {
 public:
  thread_magazines() = default;
  thread_magazines(const thread_magazines&) = delete;
  thread_magazines& operator=(const thread_magazines&) = delete;
  ~thread_magazines() {
    for (const auto& [instance, stack] : kept_) stack->abandoned.store(true, std::memory_order_release);
    last = {.instance = 0, .stack = nullptr, .thread_ends = true};
  }

  magazine* find(std::uint64_t instance) noexcept {
    for (const auto& [known, stack] : kept_) {
      if (known == instance) return stack.get();
    }
    return nullptr;
  }
  void keep(std::uint64_t instance, std::shared_ptr<magazine> made) {
    std::erase_if(kept_, [](const auto& each) { return each.second->pool_closed.load(std::memory_order_acquire); });
    kept_.emplace_back(instance, std::move(made));
  }

 private:
  std::vector<std::pair<std::uint64_t, std::shared_ptr<magazine>>> kept_;
};

thread_magazines& of_this_thread() {
  thread_local thread_magazines instance;
  return instance;
}

}  // namespace

magazine* last_magazine(std::uint64_t instance) noexcept { return last.instance == instance ? last.stack : nullptr; }

magazine* find_magazine(std::uint64_t instance) noexcept {
  if (last.thread_ends) return nullptr;
  magazine* found = of_this_thread().find(instance);
  if (found != nullptr) last = {.instance = instance, .stack = found, .thread_ends = false};
  return found;
}

void keep_magazine(std::uint64_t instance, std::shared_ptr<magazine> made) {
  magazine* stack = made.get();
  const bool thread_ends = last.thread_ends;
  if (!thread_ends) of_this_thread().keep(instance, std::move(made));
  last = {.instance = instance, .stack = stack, .thread_ends = thread_ends};
}

}  // namespace tide::pool_detail

#include <tide/runtime/registered_memory.hpp>

#include <bit>
#include <cassert>
#include <cerrno>
#include <functional>

#include <tide/ring/mapping.hpp>
#include <tide/ring/ring.hpp>
#include <tide/runtime/detail/page_buddies.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/lease_ledger.hpp>

namespace tide {

namespace detail {
namespace {

constexpr std::size_t page_size = registered_memory::page;

}  // namespace

/// The memory and its books. The executor owns it until that ends, then the buffers that are still out do, together.
class registered_store {
 public:
  registered_store(executor& home, ring::mapping memory)
      : home_(&home),
        memory_(std::move(memory)),
        pages_(static_cast<std::uint32_t>(memory_.bytes().size() / page_size)),
        ledger_(memory_.bytes().size() / page_size) {}

  result<> register_with(std::span<ring::ring* const> rings) noexcept {
    for (ring::ring* const each : rings) {
      if (!each->available().registered_memory) return {};  // it is memory like any other, then
      if (auto done = each->behind().register_memory(memory_.bytes()); !done) return done;
    }
    registered_ = true;
    return {};
  }

  result<registered_buffer> allocate(std::size_t bytes) noexcept {
    assert((executor::current() == nullptr || executor::current() == home_) && "the memory of another executor");
    if (bytes == 0) return fail_errno(EINVAL);
    collect();
    const std::size_t pages = (bytes - 1) / page_size + 1;
    const auto order = static_cast<unsigned>(std::bit_width(pages - 1));
    const auto first = pages_.take(order);
    if (!first) return fail(errc::limit_exceeded);
    ledger_.lend();
    return registered_buffer(*this, memory_.bytes().subspan(*first * page_size, page_size << order), bytes);
  }

  void give_back(const std::byte* at) noexcept {
    const auto number = static_cast<std::uint32_t>(static_cast<std::size_t>(at - memory_.bytes().data()) / page_size);
    // disowned_ is looked at only by the home thread, or by a later executor at the same address, which began after the end.
    if (executor::current() == home_ && !disowned_) {
      ledger_.returned_here();
      pages_.give_back(number);
    } else if (ledger_.return_from_elsewhere(number)) {
      delete this;
    }
  }

  [[nodiscard]] bool holds(bytes_view bytes) const noexcept {
    const bytes_view all = memory_.bytes();
    return registered_ && std::greater_equal<>()(bytes.data(), all.data()) &&
           std::less_equal<>()(bytes.data() + bytes.size(), all.data() + all.size());
  }
  [[nodiscard]] std::size_t available() noexcept {
    collect();
    return pages_.free_pages() * page_size;
  }
  void disown() noexcept {
    disowned_ = true;
    if (ledger_.disown()) delete this;
  }

 private:
  /// Others give back without a word: whoever needs a piece looks first.
  void collect() noexcept {
    if (ledger_.has_returned()) ledger_.collect([this](std::uint32_t number) { pages_.give_back(number); });
  }

  executor* home_;
  ring::mapping memory_;
  page_buddies pages_;
  lease_ledger ledger_;
  bool registered_ = false;
  bool disowned_ = false;
};

}  // namespace detail

registered_buffer::~registered_buffer() {
  if (store_ != nullptr) store_->give_back(data_);
}

result<std::unique_ptr<registered_memory>> registered_memory::create(executor& home, std::size_t bytes,
                                                                     std::span<ring::ring* const> rings) {
  if (bytes == 0 || bytes > most) return fail_errno(EINVAL);
  auto memory = ring::mapping::anonymous((bytes + page - 1) / page * page);
  if (!memory) return fail(memory.error());
  auto* const store = new detail::registered_store(home, std::move(*memory));
  std::unique_ptr<registered_memory> made(new registered_memory(*store));
  if (auto registered = store->register_with(rings); !registered) return fail(registered.error());
  return made;
}

registered_memory::~registered_memory() { store_->disown(); }
result<registered_buffer> registered_memory::allocate(std::size_t bytes) noexcept { return store_->allocate(bytes); }
std::optional<std::uint16_t> registered_memory::index_of(bytes_view bytes) const noexcept {
  if (!store_->holds(bytes)) return std::nullopt;
  return ring::backend::memory_index;
}
std::size_t registered_memory::available() noexcept { return store_->available(); }

}  // namespace tide

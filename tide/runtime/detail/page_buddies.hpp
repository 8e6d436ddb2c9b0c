// Gives out runs of 2^n pages of one region, each aligned to its length: the buddy system, with its books beside the pages.
//
//   page_buddies pages(1024);
//   auto first = pages.take(3);     // eight pages
//   pages.give_back(*first);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tide::detail {

/// One thread. Taking and giving back cost a step for each halving or joining, at most `orders`, and allocate nothing.
class page_buddies {
 public:
  static constexpr unsigned orders = 19;  // up to 1 GiB of 4 KiB pages
  explicit page_buddies(std::uint32_t pages);

  /// The first page of 2^order; nothing if there is no such run.
  [[nodiscard]] std::optional<std::uint32_t> take(unsigned order) noexcept;
  /// The first page of a run that was taken.
  void give_back(std::uint32_t page) noexcept;
  [[nodiscard]] std::size_t free_pages() const noexcept { return free_; }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct run {  // of its first page only
    std::uint32_t next = none;
    std::uint32_t before = none;
    std::uint8_t order = 0;
    bool free = false;
  };
  void list(std::uint32_t page, unsigned order) noexcept;
  void unlist(std::uint32_t page) noexcept;

  std::vector<run> runs_;
  std::array<std::uint32_t, orders> first_{};
  std::size_t free_ = 0;
};

}  // namespace tide::detail

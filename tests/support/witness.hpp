// Counts itself: one in a coroutine shows whether its frame is gone.
//
//   support::witness here;  …  EXPECT_EQ(support::witness::alive(), 0);
#pragma once

#include <atomic>

namespace support {

class witness {
 public:
  witness() noexcept { ++count(); }
  witness(const witness&) noexcept { ++count(); }
  witness(witness&&) noexcept { ++count(); }
  witness& operator=(const witness&) noexcept = default;
  ~witness() { --count(); }
  [[nodiscard]] static int alive() noexcept { return count(); }

 private:
  static std::atomic<int>& count() noexcept {
    static std::atomic<int> all{0};
    return all;
  }
};

}  // namespace support

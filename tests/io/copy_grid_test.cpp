// Files of every size with lines of every length through handler → duplex → copy → duplex → handler, byte for byte; and how
// long it takes to notice the end, an error and a cancel. TIDE_IO_BYTES=10737418240 sends so many more through at the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/time.hpp>

#include "io/copy_support.hpp"
#include "io/pattern.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::run_here;
constexpr std::size_t kib = 1024;
constexpr std::size_t mib = 1024 * kib;

/// A file of lines: what stands at a place can be told without the file.
class lines {
 public:
  explicit lines(std::size_t length) : length_(length) {
    for (std::size_t at = 0; at < period; ++at) text_ += (at + 1) % (length + 1) == 0 ? '\n' : support::pattern(at);
  }
  [[nodiscard]] std::string_view at(std::size_t place, std::size_t most) const {
    const std::size_t in_period = place % whole();
    return std::string_view(text_).substr(in_period, std::min(most, whole() - in_period));
  }
  [[nodiscard]] std::size_t length() const noexcept { return length_; }

 private:
  static constexpr std::size_t period = 4 * mib;
  [[nodiscard]] std::size_t whole() const noexcept { return period / (length_ + 1) * (length_ + 1); }
  std::size_t length_;
  std::string text_;
};

/// Writes a line at a time, as a handler of a log tool would, but no more than 64 KiB.
template <class End>
tide::task<> write_file(End& to, const lines& file, std::size_t size) {
  const std::size_t piece = std::clamp<std::size_t>(file.length() + 1, 147, 64 * kib);
  for (std::size_t at = 0; at < size;) {
    const auto now = file.at(at, std::min(piece, size - at));
    if (!co_await to.write_all(now)) co_return;
    at += now.size();
  }
  co_await to.shutdown();
}
template <class End>
tide::task<std::size_t> read_file(End& from, const lines& file) {
  std::vector<std::byte> memory(64 * kib);
  for (std::size_t got = 0;;) {
    const auto size = co_await from.read_some(memory);
    EXPECT_TRUE(size);
    if (!size || *size == 0) co_return got;
    for (std::size_t seen = 0; seen < *size;) {
      const auto here = tide::text_of(std::span(memory).subspan(seen, *size - seen));
      const auto wanted = file.at(got, here.size());
      EXPECT_EQ(here.substr(0, wanted.size()) == wanted, true) << "at " << got;
      seen += wanted.size();
      got += wanted.size();
    }
  }
}
template <class Kind>
tide::task<> expect_whole(const lines& file, std::size_t size, std::size_t capacity) {
  auto left = support::side<Kind>::make({.capacity = capacity});
  auto right = support::side<Kind>::make({.capacity = capacity});
  auto [wrote, answered, got, copied] =
      co_await tide::all(write_file(left.handler, file, size), write_file(right.handler, file, 0),
                         read_file(right.handler, file), tide::copy_bidirectional(left.port, right.port));
  EXPECT_EQ(got, size) << "lines of " << file.length() << ", capacity " << capacity;
  EXPECT_EQ(copied.a_to_b.bytes, size);
  EXPECT_TRUE(copied.complete());
}

template <class Kind>
class CopyGrid : public testing::Test {};
using kinds = testing::Types<support::local_kind, support::shared_kind, support::erased_kind>;
TYPED_TEST_SUITE(CopyGrid, kinds, support::kind_names);

TYPED_TEST(CopyGrid, AnySizeAnyLinesAnyCapacity) {
  run_here([](tide::scope&) -> tide::task<> {
    for (const std::size_t length :
         {std::size_t{0}, std::size_t{1}, std::size_t{147}, 32 * kib - 1, 32 * kib, 64 * kib + 1, mib, 3 * mib}) {
      const lines file(length);
      for (const std::size_t capacity : {std::size_t{1}, std::size_t{2}, std::size_t{7}, 4 * kib, 64 * kib, mib}) {
        const bool small = capacity < kib;  // byte by byte: the long ones once only
        std::vector<std::size_t> sizes{0, 1, capacity - 1, capacity, capacity + 1};
        if (!small || length == 147) sizes.insert(sizes.end(), {64 * kib - 1, 64 * kib + 1, 478'103});
        if (!small && !support::sanitized && length == 147) sizes.insert(sizes.end(), {mib, 72 * mib});
        for (const std::size_t size : sizes) {
          if (support::sanitized && small && size > 70'000) continue;
          co_await expect_whole<TypeParam>(file, size, capacity);
        }
        if (testing::Test::HasFailure()) co_return;
      }
    }
  });
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

TYPED_TEST(CopyGrid, AFileOfManyGigabytesNeedsNoMoreMemory) {
  const char* const wanted = std::getenv("TIDE_IO_BYTES");
  const std::size_t size = wanted != nullptr    ? std::strtoull(wanted, nullptr, 10)
                           : support::sanitized ? 16 * mib
                                                : 256 * mib;
  run_here([size](tide::scope&) -> tide::task<> {
    const lines file(147);
    co_await expect_whole<TypeParam>(file, mib, 64 * kib);
    const std::size_t before = resident_bytes();
    co_await expect_whole<TypeParam>(file, size, 64 * kib);
    EXPECT_LT(resident_bytes(), before + (support::sanitized ? 64 : 4) * mib);
  });
}

TYPED_TEST(CopyGrid, TheEndAnErrorAndACancelAreSeenWithinTurns) {
  auto executor = support::make_executor();
  executor->run([&](tide::scope&) -> tide::task<> {
    for (const int what : {0, 1, 2}) {
      auto left = support::side<TypeParam>::make({.capacity = 1000});
      auto right = support::side<TypeParam>::make({.capacity = 1000});
      std::uint64_t turns = 0;
      co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
        inside.spawn([&]() -> tide::task<> {
          co_await tide::copy_bidirectional(left.port, right.port, {.error_linger = std::chrono::nanoseconds(0)});
        });
        for (int i = 0; i < 10; ++i) co_await tide::yield();
        turns = executor->count().turns;
        if (what == 0) co_await left.handler.shutdown();
        if (what == 0) co_await right.handler.shutdown();
        if (what == 1) co_await left.handler.close(std::make_error_code(std::errc::io_error));
        if (what == 2) inside.cancel();
        co_await inside.join();
      });
      EXPECT_LE(executor->count().turns - turns, 40u) << what;
    }
  });
}

}  // namespace

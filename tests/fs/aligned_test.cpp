// Memory for devices: how it is aligned, and that it may end anywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <tide/fs/aligned.hpp>

#include "fs/scratch.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using tide::fs::aligned_buffer;
using tide::fs::slice;

constexpr std::size_t sizes[] = {0, 1, 4096, 5000, 131'072, 200'000, 1 << 20, 3'000'000};

TEST(AlignedBuffer, IsAlignedWhateverItsSizeAlsoWithoutAnExecutor) {
  const auto look = [] {
    for (const std::size_t size : sizes) {
      for (const std::size_t alignment : {1UL, 512UL, 4096UL, 65'536UL}) {
        auto buffer = aligned_buffer::make(size, alignment).value();
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % std::max(alignment, aligned_buffer::page), 0u);
        EXPECT_EQ(buffer.size(), size);
        EXPECT_GE(buffer.capacity(), size);
        buffer.resize(buffer.capacity() + 1);
        EXPECT_EQ(buffer.size(), buffer.capacity());
        std::ranges::fill(buffer, std::byte{1});
      }
    }
    if (support::sanitized) return;  // there so much is an error of the program
    EXPECT_EQ(aligned_buffer::make(~std::size_t{0} / 4).error(), std::errc::not_enough_memory);
  };
  look();
  support::run_here([&](tide::scope&) -> tide::task<> {
    look();
    co_return;
  });
}

TEST(AlignedBuffer, SlicesEndOnOtherThreadsAndAfterTheirExecutor) {
  for (const std::size_t registered : {std::size_t{0}, std::size_t{4} << 20U}) {
    std::vector<slice> kept;
    std::vector<slice> sent;
    tide::executor::options wanted;
    wanted.registered_memory = registered;
    support::make_executor(wanted)->run([&](tide::scope&) -> tide::task<> {
      for (int round = 0; round < 20; ++round) {
        for (const std::size_t size : sizes) {
          auto buffer = aligned_buffer::make(size).value();
          std::ranges::copy(support::patterned(size, size), buffer.begin());
          const slice whole = std::move(buffer).share();
          if (round % 2 == 0) kept.push_back(whole.part(size / 2, size));
          sent.push_back(whole);
        }
      }
      std::thread([&] { sent.clear(); }).join();
      std::thread other([more = kept]() mutable { more.clear(); });  // at the same time
      sent = kept;
      sent.clear();
      other.join();
      co_return;
    });
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const std::size_t size = sizes[i % std::size(sizes)];
      EXPECT_EQ(kept[i].size(), size - size / 2);
      EXPECT_EQ(support::fits(size + size / 2, kept[i].bytes()), kept[i].size());
    }
  }
}

}  // namespace

// The arena of registered memory: sizes, exhaustion, buffers that go on other threads or outlive their executor, transfers.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <tide/base/descriptor.hpp>
#include <tide/runtime/detail/page_buddies.hpp>
#include <tide/runtime/io_operation.hpp>
#include <tide/runtime/registered_memory.hpp>

#include "support/run.hpp"

namespace {

using support::make_executor;
using tide::registered_buffer;
using tide::registered_memory;

static_assert(!std::is_copy_constructible_v<registered_buffer> && !std::is_copy_assignable_v<registered_buffer>);
static_assert(std::is_nothrow_move_constructible_v<registered_buffer> &&
              std::is_nothrow_move_assignable_v<registered_buffer>);

constexpr std::size_t page = registered_memory::page;

TEST(PageBuddies, RandomRunsAreApartAlignedAndJoinAgain) {
  for (const std::uint32_t count : {1U, 7U, 64U, 1000U}) {
    std::mt19937 random(count);
    tide::detail::page_buddies pages(count);
    std::map<std::uint32_t, unsigned> out;
    std::vector<bool> taken(count, false);
    const auto mark = [&](std::uint32_t from, unsigned order, bool as) {
      for (std::uint32_t each = from; each < from + (1U << order); ++each) {
        ASSERT_LT(each, count);
        ASSERT_NE(taken[each], as);
        taken[each] = as;
      }
    };
    for (int step = 0; step < 5'000; ++step) {
      if (const unsigned order = random() % 6; random() % 2 == 0) {
        if (const auto first = pages.take(order)) {
          ASSERT_EQ(*first % (1U << order), 0u);
          mark(*first, order, true);
          out.emplace(*first, order);
        }
      } else if (!out.empty()) {
        const auto which = std::next(out.begin(), static_cast<std::ptrdiff_t>(random() % out.size()));
        mark(which->first, which->second, false);
        pages.give_back(which->first);
        out.erase(which);
      }
      ASSERT_EQ(pages.free_pages(), static_cast<std::size_t>(std::ranges::count(taken, false)));
    }
    for (const auto& [first, order] : out) pages.give_back(first);
    EXPECT_EQ(pages.free_pages(), count);
    std::uint32_t whole = 0;  // what was carved at first is there again, the largest run among it
    while (2U << whole <= count) ++whole;
    EXPECT_TRUE(pages.take(whole));
    EXPECT_FALSE(pages.take(tide::detail::page_buddies::orders));
  }
}

/// Runs `check(memory)` on an executor with so many pages.
template <class F>
void with_pages(std::size_t pages, F check) {
  make_executor({.registered_memory = pages * page})->run([&](tide::scope&) -> tide::task<> {
    check(*tide::executor::current()->registered());
    co_return;
  });
}

TEST(RegisteredMemory, PiecesOfAnySizeAreAlignedAndApart) {
  with_pages(64, [](registered_memory& memory) {
    std::vector<registered_buffer> all;
    for (const std::size_t size : {1UL, page - 1, page, page + 1, 5'000UL, 3 * page, 4 * page + 7}) {
      all.push_back(memory.allocate(size).value());
      registered_buffer& made = all.back();
      EXPECT_EQ(made.size(), size);
      EXPECT_GE(made.capacity(), size);
      EXPECT_EQ(made.capacity() % page, 0u);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(made.data()) % page, 0u);
      made.resize(made.capacity());
      std::memset(made.data(), static_cast<int>(all.size()), made.size());
      made.resize(made.capacity() + 1);
      EXPECT_EQ(made.size(), made.capacity()) << "too much changes nothing";
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (const std::byte each : all[i]) ASSERT_EQ(each, static_cast<std::byte>(i + 1));
    }
  });
}

TEST(RegisteredMemory, ExhaustedIsAnErrorUntilAPieceComesBack) {
  with_pages(4, [](registered_memory& memory) {
    EXPECT_EQ(memory.allocate(0).error(), std::errc::invalid_argument);
    EXPECT_EQ(memory.allocate(5 * page).error(), tide::errc::limit_exceeded);
    EXPECT_EQ(memory.allocate(~std::size_t{0}).error(), tide::errc::limit_exceeded);
    std::vector<registered_buffer> all;
    for (int i = 0; i < 4; ++i) all.push_back(memory.allocate(page).value());
    EXPECT_EQ(memory.allocate(1).error(), tide::errc::limit_exceeded);
    EXPECT_EQ(memory.available(), 0u);
    all.pop_back();
    EXPECT_TRUE(memory.allocate(1));
    all.clear();
    EXPECT_EQ(memory.available(), 4 * page);
    EXPECT_TRUE(memory.allocate(4 * page)) << "pieces join again";
  });
}

TEST(RegisteredMemory, WhatWasMovedFromIsEmptyAndGivesNothingBack) {
  with_pages(4, [](registered_memory& memory) {
    registered_buffer first = memory.allocate(100).value();
    registered_buffer second = std::move(first);
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is the promise
    EXPECT_EQ(first.data(), nullptr);
    EXPECT_EQ(second.size(), 100u);
    first = registered_buffer();
    EXPECT_EQ(memory.available(), 3 * page);
    first = memory.allocate(page + 1).value();
    second = std::move(first);  // what it had goes back at once
    EXPECT_EQ(memory.available(), 2 * page);
    registered_buffer& itself = second;
    second = std::move(itself);
    EXPECT_EQ(second.size(), page + 1);
    second = {};
    EXPECT_EQ(memory.available(), 4 * page);
  });
}

TEST(RegisteredMemory, PiecesComeBackFromOtherThreads) {
  with_pages(16, [](registered_memory& memory) {
    for (int round = 0; round < 200; ++round) {
      std::vector<registered_buffer> all;
      while (auto made = memory.allocate(page)) all.push_back(std::move(*made));
      EXPECT_FALSE(all.empty());
      std::vector<std::jthread> others;
      for (std::size_t part = 0; part < 3 && !all.empty(); ++part) {
        std::vector<registered_buffer> some;
        for (std::size_t i = all.size() / (3 - part); i > 0; --i) {
          some.push_back(std::move(all.back()));
          all.pop_back();
        }
        others.emplace_back([taken = std::move(some)]() mutable { taken.clear(); });
      }
      while (!memory.allocate(page)) std::this_thread::yield();  // meanwhile
    }
    EXPECT_EQ(memory.available(), 16 * page);
  });
}

TEST(RegisteredMemory, PiecesOutliveTheirExecutorAndTheLastOneTakesTheMemoryAlong) {
  std::vector<registered_buffer> kept;
  with_pages(8, [&](registered_memory& memory) {
    for (int i = 0; i < 3; ++i) kept.push_back(memory.allocate(page).value());
  });
  std::byte* const at = kept.front().data();
  for (registered_buffer& each : kept) std::memset(each.data(), 1, each.size());
  kept.pop_back();
  std::thread([one = std::move(kept.back())]() mutable { one = {}; }).join();
  kept.pop_back();
  std::memset(at, 2, page);
  kept.clear();
  unsigned char resident = 0;
  EXPECT_EQ(::mincore(at, page, &resident), -1);
  EXPECT_EQ(errno, ENOMEM) << "the memory is still mapped";
}

/// Writes and reads back through what the executor's ring has for these bytes.
class transfer final : public tide::io_operation {
 public:
  explicit transfer(const tide::ring::request& what) : io_operation(what) {}
  std::int32_t await_resume() const noexcept { return result_code(); }
};

tide::task<> write_and_read(int file, std::optional<std::uint16_t> index, registered_buffer& buffer) {
  using tide::ring::request;
  std::memset(buffer.data(), 'x', buffer.size());
  std::size_t done = 0;
  while (done < buffer.size()) {
    const auto rest = buffer.bytes().subspan(done);
    const std::int32_t size =
        co_await transfer(index ? request::write_fixed(file, rest, done, *index) : request::write(file, rest, done));
    EXPECT_GT(size, 0);
    if (size <= 0) co_return;
    done += static_cast<std::size_t>(size);
  }
  std::memset(buffer.data(), 0, buffer.size());
  for (done = 0; done < buffer.size();) {
    const auto rest = buffer.bytes().subspan(done);
    const std::int32_t size =
        co_await transfer(index ? request::read_fixed(file, rest, done, *index) : request::read(file, rest, done));
    EXPECT_GT(size, 0);
    if (size <= 0) co_return;
    done += static_cast<std::size_t>(size);
  }
  for (const std::byte each : buffer) EXPECT_EQ(each, std::byte{'x'});
}

class WithRegisteredMemory : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Without, WithRegisteredMemory, testing::Bool(),
                         [](const auto& each) { return each.param ? "RegisteredMemory" : "Nothing"; });

TEST_P(WithRegisteredMemory, TransfersUseTheNumberWhereThereIsOne) {
  const tide::descriptor file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  tide::executor::options wanted{.poll_files = true, .registered_memory = 64 * page};
  wanted.ring.without.registered_memory = GetParam();
  auto executor = make_executor(wanted);
  executor->run([&](tide::scope&) -> tide::task<> {
    registered_memory& memory = *executor->registered();
    registered_buffer buffer = memory.allocate(10'000).value();
    const auto index = memory.index_of(buffer.bytes());
    EXPECT_EQ(index.has_value(), !GetParam());
    co_await write_and_read(file.get(), index, buffer);
  });
}

TEST(RegisteredMemory, NumbersAreForItsOwnBytesOnly) {
  with_pages(2, [](registered_memory& memory) {
    const registered_buffer buffer = memory.allocate(2 * page).value();
    const tide::bytes_view all = buffer.bytes();
    EXPECT_TRUE(memory.index_of(all));
    EXPECT_TRUE(memory.index_of(all.subspan(5, 100)));
    EXPECT_FALSE(memory.index_of({all.data(), all.size() + 1}));
    EXPECT_FALSE(memory.index_of({all.data() - 1, 10}));
    const std::vector<std::byte> elsewhere(10);
    EXPECT_FALSE(memory.index_of(elsewhere));
  });
  EXPECT_EQ(make_executor()->registered(), nullptr);
}

TEST(RegisteredMemory, TooMuchOrTooLittleLockedMemoryIsATypedError) {
  EXPECT_EQ(tide::executor::create({.registered_memory = registered_memory::most + 1}).error(), std::errc::invalid_argument);
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit low{.rlim_cur = 512 * 1024, .rlim_max = 512 * 1024};  // enough for a ring, since some kernels count those
    if (::setrlimit(RLIMIT_MEMLOCK, &low) != 0 || ::setuid(65534) != 0) ::_exit(2);
    auto made = tide::executor::create({.registered_memory = 1 << 20});
    if (made || made.error() != tide::errc::no_memory_locked) ::_exit(3);
    if (made.error().message().find("RLIMIT_MEMLOCK") == std::string::npos) ::_exit(4);
    ::_exit(tide::executor::create({}) ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

}  // namespace

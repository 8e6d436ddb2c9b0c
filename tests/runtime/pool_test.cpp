#include <gtest/gtest.h>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <latch>
#include <stdexcept>
#include <string>

#include <tide/runtime/executor_pool.hpp>
#include <tide/runtime/on.hpp>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using tide::placement;

TEST(ExecutorPool, RunsOnEveryExecutorAndGivesWhatEachGave) {
  auto pool = tide::start_pool({.where = placement::unbound(4), .each = {.name = "shard"}},
                               [](tide::scope&, std::size_t index) -> tide::task<std::string> {
                                 co_await tide::yield();
                                 std::array<char, 16> name{};
                                 ::pthread_getname_np(::pthread_self(), name.data(), name.size());
                                 co_return std::to_string(index) + name.data();
                               });
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->size(), 4u);
  const auto all = pool->join();
  ASSERT_EQ(all.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(all[i].value(), std::to_string(i) + "shard-" + std::to_string(i));
}

TEST(ExecutorPool, PlacesItsExecutors) {
  const auto allowed = tide::cpu_set::of_this_thread().value();
  auto pool = tide::start_pool(
      {.where = placement::max_spread(allowed.size())},
      [](tide::scope&, std::size_t) -> tide::task<tide::cpu_set> { co_return tide::cpu_set::of_this_thread().value(); });
  tide::cpu_set seen;
  for (const auto& each : pool->join()) {
    EXPECT_EQ(each.value().size(), 1u);
    seen = seen | each.value();
  }
  EXPECT_EQ(seen, allowed);
}

TEST(ExecutorPool, OneThatThrowsLeavesTheOthersAlone) {
  auto pool = tide::start_pool({.where = placement::unbound(3)}, [](tide::scope&, std::size_t index) -> tide::task<int> {
    co_await tide::yield();
    if (index == 1) throw std::runtime_error("the second");
    co_return static_cast<int>(index);
  });
  const auto all = pool->join();
  EXPECT_EQ(all[0].value(), 0);
  EXPECT_EQ(all[2].value(), 2);
  ASSERT_FALSE(all[1]);
  EXPECT_THROW(std::rethrow_exception(all[1].error()), std::runtime_error);
}

tide::task<std::size_t> same(std::size_t given) { co_return given; }

TEST(ExecutorPool, TheyCallEachOther) {
  using handles = std::vector<tide::executor_handle>;
  std::latch known(1);
  std::atomic<int> finished{0};
  handles all;
  auto pool =
      tide::start_pool({.where = placement::unbound(3)}, [&](tide::scope&, std::size_t index) -> tide::task<std::size_t> {
        known.wait();  // blocks the thread: only until the line below that fills it
        std::size_t sum = 0;
        for (int i = 0; i < 100; ++i) {
          sum += (co_await tide::on(all[(index + 1) % 3], same, index)).value_or(0);
        }
        ++finished;
        while (finished != 3) (void)co_await tide::sleep(10us);  // others may still call
        co_return sum;
      });
  for (std::size_t i = 0; i < 3; ++i) all.push_back(pool->handle(i));
  known.count_down();
  const auto given = pool->join();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(given[i].value(), 100 * i);
}

TEST(ExecutorPool, ItsEndCancelsAndJoins) {
  const auto descriptors = support::open_descriptors();
  {
    auto pool = tide::start_pool({.where = placement::unbound(2)}, [](tide::scope&, std::size_t) -> tide::task<> {
      const support::witness here;
      EXPECT_EQ((co_await tide::sleep(10h)).error(), tide::errc::canceled);
    });
    ASSERT_TRUE(pool);
  }
  EXPECT_EQ(support::witness::alive(), 0);
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(ExecutorPool, OneThatCannotStartAndNobodyRuns) {
  if (support::sanitized) GTEST_SKIP() << "UndefinedBehaviorSanitizer opens pipes to look at objects";
  // In a child with room for the rings of some of them only.
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<int> ran{0};
    const rlimit few{.rlim_cur = 3 + 4, .rlim_max = 3 + 4};
    for (int fd = 3; fd < 64; ++fd) ::close(fd);
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) ::_exit(2);
    const auto pool = tide::start_pool({.where = placement::unbound(8)}, [&](tide::scope&, std::size_t) -> tide::task<> {
      ++ran;
      co_return;
    });
    ::_exit(!pool && pool.error() == std::errc::too_many_files_open && ran == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ExecutorPool, ACpuThatIsNotThereIsNamedAndNobodyRuns) {
  const auto pool =
      tide::start_pool({.where = placement::custom({{}, {60'000}})}, [](tide::scope&, std::size_t) -> tide::task<> {
        ADD_FAILURE();
        co_return;
      });
  EXPECT_EQ(pool.error(), tide::cpu_refused(60'000));
}

}  // namespace

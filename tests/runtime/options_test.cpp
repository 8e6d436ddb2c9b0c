#include <gtest/gtest.h>

#include <fcntl.h>
#include <pthread.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>

#include <tide/base/cpu_quota.hpp>
#include <tide/base/descriptor.hpp>
#include <tide/base/topology.hpp>
#include <tide/runtime/detail/spin.hpp>
#include <tide/runtime/io_operation.hpp>

#include "support/cgroup.hpp"
#include "support/event.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using tide::cpu_set;

std::string thread_name() {
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  return name.data();
}

TEST(ExecutorOptions, TheThreadHasTheNameWhileItRuns) {
  const std::string before = thread_name();
  auto executor = make_executor({.name = "a name that is too long"});
  EXPECT_EQ(thread_name(), before);
  executor->run([](tide::scope&) -> tide::task<> {
    EXPECT_EQ(thread_name(), "a name that is ");
    co_return;
  });
  EXPECT_EQ(thread_name(), before);
}

TEST(ExecutorOptions, TheThreadStaysOnItsCpusWhileItRuns) {
  const cpu_set before = cpu_set::of_this_thread().value();
  const cpu_set one{*before.begin()};
  auto executor = make_executor({.cpus = one});
  EXPECT_EQ(cpu_set::of_this_thread().value(), before);
  executor->run([&](tide::scope&) -> tide::task<> {
    EXPECT_EQ(cpu_set::of_this_thread().value(), one);
    co_return;
  });
  EXPECT_EQ(cpu_set::of_this_thread().value(), before);
}

TEST(ExecutorOptions, ACpuThatIsNotThereIsNamed) {
  const cpu_set before = cpu_set::of_this_thread().value();
  for (const cpu_set& wanted : {cpu_set{60'000}, cpu_set{*before.begin(), 60'000}}) {
    EXPECT_EQ(tide::executor::create({.cpus = wanted}).error(), tide::cpu_refused(60'000));
    EXPECT_EQ(cpu_set::of_this_thread().value(), before);
  }
}

TEST(ExecutorOptions, ACpuOutsideTheCpusetOfTheGroupIsNamed) {
  const support::cgroup one("cpuset", {{"cpuset.cpus", "0"}, {"cpuset.mems", "0"}}, {{"cpuset.cpus", "0"}});
  if (!one || std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "needs two CPUs and the right to make a group";
  EXPECT_TRUE(one.in_child([] {
    return tide::topology::of_this_thread()->all() == cpu_set{0} &&
           tide::executor::create({.cpus = {0, 1}}).error() == tide::cpu_refused(1) && tide::executor::create({.cpus = {0}});
  }));
}

TEST(ExecutorOptions, RingDepth) {
  auto executor = make_executor({.ring = {.entries = 8}});
  executor->run([](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 100; ++i) {
      scope.spawn([]() -> tide::task<> { EXPECT_TRUE(co_await tide::sleep(1us)); });
    }
    co_await scope.join();
  });
  EXPECT_EQ(tide::executor::create({.ring = {.entries = 0}}).error(), std::errc::invalid_argument);
}

TEST(SpinBudget, IsAFewTimesTheUsualWaitWhileItPays) {
  tide::detail::spin_budget budget(100us);
  EXPECT_EQ(budget.next(), 100us) << "at first nothing is known";
  for (int i = 0; i < 100; ++i) budget.hit(2us);
  EXPECT_GT(budget.next(), 4us);
  EXPECT_LT(budget.next(), 9us);
  EXPECT_EQ(budget.hits(), 100u);
}

TEST(SpinBudget, DecaysToNothingWhenItDoesNotPay) {
  tide::detail::spin_budget budget(100us);
  std::chrono::nanoseconds spent{0};
  int waits = 0;
  for (; budget.next().count() != 0 && waits < 100; ++waits) {
    spent += budget.next();
    budget.miss(10ms, budget.next());
  }
  EXPECT_LT(waits, 10);
  EXPECT_LT(spent, 250us);
  EXPECT_EQ(budget.misses(), static_cast<std::uint64_t>(waits));
}

TEST(SpinBudget, TriesAgainEverySoOftenAndWhenAWaitWasShort) {
  tide::detail::spin_budget budget(100us);
  const auto give_up = [&] {
    for (int i = 0; i < 20; ++i) budget.miss(10ms, 1us);
  };
  give_up();
  constexpr int waits = 64'000;
  int tries = 0;
  for (int i = 0; i < waits; ++i) {
    const auto looked = budget.next();
    if (looked.count() != 0) ++tries;
    budget.miss(10ms, looked);
  }
  EXPECT_GT(tries, 0);
  EXPECT_LE(tries, waits / 64);
  budget.miss(20us, 0us);
  EXPECT_EQ(budget.next(), 100us) << "looking would have paid";
}

TEST(SpinBudget, OfNothingIsOff) {
  tide::detail::spin_budget budget(0ns);
  EXPECT_FALSE(budget.enabled());
  EXPECT_FALSE(tide::detail::spin_budget(-5ns).enabled());
}

/// What an executor that may look for so long counts while a thread posts to it once.
tide::executor::counters count_of_one_post(std::chrono::nanoseconds spin) {
  auto executor = make_executor({.spin_before_park = spin});
  auto handle = executor->handle();
  std::thread poster;
  executor->run([&](tide::scope&) -> tide::task<> {
    support::event posted;
    poster = std::thread([&] { (void)handle.post([&] { posted.set(); }); });
    co_await posted;
  });
  poster.join();
  return executor->count();
}

TEST(Spin, FindsWorkWithoutSleeping) {
  if (std::thread::hardware_concurrency() == 1 || tide::cpu_quota()) GTEST_SKIP() << "nobody spins here";
  const auto counted = count_of_one_post(1h);
  EXPECT_EQ(counted.parks, 0u);
  EXPECT_EQ(counted.spin_hits, 1u);
  EXPECT_EQ(counted.spin_misses, 0u);
}

TEST(Spin, ThatFindsNothingSleepsAndIsWoken) {
  if (std::thread::hardware_concurrency() == 1 || tide::cpu_quota()) GTEST_SKIP() << "nobody spins here";
  auto executor = make_executor({.spin_before_park = 1us});
  executor->run([](tide::scope&) -> tide::task<> { EXPECT_TRUE(co_await tide::sleep(2ms)); });
  EXPECT_GE(executor->count().spin_misses, 1u);
  EXPECT_GE(executor->count().parks, 1u);
}

TEST(Spin, ACallIsHeardOnceAndThenItSleeps) {
  if (std::thread::hardware_concurrency() == 1 || tide::cpu_quota()) GTEST_SKIP() << "nobody spins here";
  auto executor = make_executor({.spin_before_park = 1us});
  executor->run([&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < 10; ++i) {
      executor->handle().wake();
      EXPECT_TRUE(co_await tide::sleep(1ms));
    }
  });
  EXPECT_GE(executor->count().parks, 1u);
}

TEST(Spin, IsOffByDefault) { EXPECT_EQ(count_of_one_post(0ns).spin_hits + count_of_one_post(0ns).spin_misses, 0u); }

TEST(Spin, EndsWithATimerAndWithACompletion) {
  auto executor = make_executor({.spin_before_park = 1h});
  executor->run([](tide::scope&) -> tide::task<> {
    const auto begin = tide::clock::now();
    EXPECT_TRUE(co_await tide::sleep(1ms));
    EXPECT_GE(tide::clock::now() - begin, 1ms);
    EXPECT_EQ((co_await tide::timeout(1ms, tide::sleep(1h))).error(), tide::errc::timed_out);
  });
}

TEST(Spin, IsOffWhereCpuTimeIsRationed) {
  const support::cgroup half("cpu", {{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "50000"}},
                             {{"cpu.max", "50000 100000"}});
  if (!half) GTEST_SKIP() << "no right to make a control group";
  EXPECT_TRUE(half.in_child([] { return tide::cpu_quota() == 0.5 && count_of_one_post(1h).spin_hits == 0; }));
}

class file_read final : public tide::io_operation {
 public:
  file_read(int fd, std::span<std::byte> into) : io_operation(tide::ring::request::read(fd, into, 0)) {}
  bool await_suspend(std::coroutine_handle<tide::task<>::promise_type> caller) {
    attach(caller, caller.promise().node());
    home().polled_ring()->start(*this, request_);
    return true;
  }
  std::int32_t await_resume() const { return result_code(); }
};

TEST(PolledRing, ReadsOrSaysThatTheDeviceHasNoPollQueues) {
  std::string path = (std::filesystem::temp_directory_path() / "tide-polled-XXXXXX").string();
  tide::descriptor file(::mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
  file.reset(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  ::unlink(path.c_str());
  if (!file) GTEST_SKIP() << "no direct reads here";
  alignas(4096) static std::array<std::byte, 4096> bytes;
  auto executor = make_executor({.poll_files = true});
  executor->run([&](tide::scope&) -> tide::task<> {
    const std::int32_t said = co_await file_read(file.get(), bytes);
    EXPECT_NE(said, 0);  // EOPNOTSUPP without poll queues; an unkind ring reads less than there is
    EXPECT_TRUE(co_await tide::sleep(1us)) << "and the executor sleeps again";
  });
  EXPECT_EQ(make_executor()->polled_ring(), nullptr);
}

}  // namespace

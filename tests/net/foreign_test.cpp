// What belongs to one executor and is awaited on another fails loudly: an assertion where those are on, else an error of its
// own, and the owner goes on. The other executor runs inside a task of the first one: nothing here depends on time.
#include <gtest/gtest.h>

#include <array>
#include <string_view>

#include <tide/base/bytes.hpp>
#include <tide/runtime/alarm.hpp>
#include <tide/sync/local.hpp>

#include "support/run.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

#ifdef NDEBUG
constexpr bool asserting = false;
#else
constexpr bool asserting = true;
#endif

/// Runs `body()`, which gives an error, on an executor of its own in the midst of this one.
template <class F>
std::error_code elsewhere(F body) {
  return run_here([&](tide::scope&) -> tide::task<std::error_code> { co_return co_await body(); });
}

/// Loud, with these words, where assertions are on; else the error.
template <class F>
void expect_refused(F body, const char* words) {
  if (asserting) {
    EXPECT_DEATH((void)elsewhere(body), words);
  } else {
    EXPECT_EQ(elsewhere(body), tide::errc::wrong_executor);
  }
}

std::error_code error_of(const auto& outcome) { return outcome ? std::error_code() : outcome.error(); }

TEST(ForeignExecutorDeathTest, AStreamWhoseReceiveIsWithTheKernel) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "a receive may have ended by itself, and the stream may move then";
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    // The receiver stays with the kernel when the wait for it ends.
    EXPECT_EQ(error_of(co_await tide::timeout(1us, client.receive())), tide::errc::timed_out);
    std::array<std::byte, 4> into{};
    const char* const words = "a stream is used on another executor";
    expect_refused([&]() -> tide::task<std::error_code> { co_return error_of(co_await client.receive()); }, words);
    expect_refused([&]() -> tide::task<std::error_code> { co_return error_of(co_await client.read_some(into)); }, words);
    expect_refused(
        [&]() -> tide::task<std::error_code> { co_return error_of(co_await client.exchange(tide::bytes_of("ask"), into)); },
        words);
    EXPECT_TRUE(co_await server.write_all("mine"));
    const auto heard = co_await client.receive();
    EXPECT_TRUE(heard && tide::text_of(heard->bytes()) == "mine");
  });
}

TEST(ForeignExecutorDeathTest, AListenerThatAccepts) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    EXPECT_EQ(error_of(co_await tide::timeout(1us, listener.accept())), tide::errc::timed_out);
    expect_refused([&]() -> tide::task<std::error_code> { co_return error_of(co_await listener.accept()); },
                   "a listener is used on another executor");
    auto pair = co_await support::connect(listener);
    EXPECT_TRUE(pair.server);
  });
}

TEST(ForeignExecutorDeathTest, ATimer) {
  if (!asserting) GTEST_SKIP() << "a build without assertions";
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::alarm mine(scope, [] {});
    EXPECT_DEATH((void)elsewhere([&]() -> tide::task<std::error_code> {
                   mine.arm(1s);
                   co_return std::error_code();
                 }),
                 "a timer is armed on another executor");
    co_return;
  });
}

TEST(ForeignExecutorDeathTest, ALocalMutexThatSomebodyWaitsFor) {
  if (!asserting) GTEST_SKIP() << "a build without assertions";
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::local::mutex mine;
    auto held = mine.try_lock();
    scope.spawn([&]() -> tide::task<> { (void)co_await mine.lock(); });
    co_await tide::yield();
    EXPECT_DEATH((void)elsewhere([&]() -> tide::task<std::error_code> {
                   held->unlock();
                   co_return std::error_code();
                 }),
                 "what waits here belongs to another executor");
    held.reset();
    co_await scope.join();
  });
}

TEST(ForeignExecutor, AStreamThatIsIdleMayMove) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    EXPECT_TRUE(co_await client.write_all("moved"));
    EXPECT_EQ(elsewhere([&]() -> tide::task<std::error_code> {
                const auto heard = co_await server.receive();
                EXPECT_TRUE(heard && std::string_view("moved").starts_with(tide::text_of(heard->bytes())));
                co_return error_of(co_await server.write_all("back"));
              }),
              std::error_code());
    std::array<std::byte, 4> into{};
    EXPECT_GT((co_await client.read_some(into)).value_or(0), 0u);
  });
}

}  // namespace

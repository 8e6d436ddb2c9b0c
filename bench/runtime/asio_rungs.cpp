#include <asio.hpp>

#include <memory>

#include "runtime/rungs.hpp"

namespace bench {
namespace {

asio::awaitable<void> yield_often() {
  for (int i = 0; i < batch; ++i) co_await asio::post(asio::use_awaitable);
}
asio::awaitable<void> nothing() { co_return; }
asio::awaitable<void> sleep_often() {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < batch; ++i) {
    timer.expires_after(std::chrono::nanoseconds(0));
    co_await timer.async_wait(asio::use_awaitable);
  }
}
asio::awaitable<void> spawn_often() {
  const auto home = co_await asio::this_coro::executor;
  for (int i = 0; i < batch; ++i) co_await asio::co_spawn(home, nothing(), asio::use_awaitable);
}

template <class Make>
side on_context(int tasks, Make make) {
  return repeated([tasks, make, context = std::make_shared<asio::io_context>(1)] {
    for (int i = 0; i < tasks; ++i) asio::co_spawn(*context, make(), asio::detached);
    context->run();
    context->restart();
    return tasks * batch;
  });
}

}  // namespace

side asio_yields(int tasks) { return on_context(tasks, yield_often); }
side asio_spawns() { return on_context(1, spawn_often); }
side asio_timers() { return on_context(1, sleep_often); }

}  // namespace bench

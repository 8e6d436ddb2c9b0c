// A guest in libuv's loop, beside a timer of the loop's own.
#include <uv.h>

#include <cstdint>
#include <cstdio>

#include "guests/visitor.hpp"

namespace {

template <class Handle>
uv_handle_t* handle_of(Handle& of) {
  return static_cast<uv_handle_t*>(static_cast<void*>(&of));  // each kind begins with it, as libuv documents
}

/// Watches a guest for a loop. Stays where it is until the loop has closed its handles.
class bridge {
 public:
  bridge(uv_loop_t* loop, tide::guest& guest) : guest_(guest) {
    uv_poll_init(loop, &poll_, guest.descriptor());
    uv_timer_init(loop, &timer_);
    poll_.data = timer_.data = this;
    uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* of, int, int) { static_cast<bridge*>(of->data)->visit(); });
    uv_timer_start(&timer_, on_time, 0, 0);
  }
  bridge(const bridge&) = delete;
  bridge& operator=(const bridge&) = delete;

 private:
  static void on_time(uv_timer_t* of) { static_cast<bridge*>(of->data)->visit(); }
  void visit() {
    if (!guest_.run_ready()) {
      uv_poll_stop(&poll_);
      uv_close(handle_of(poll_), nullptr);
      uv_close(handle_of(timer_), nullptr);
      return;
    }
    uv_timer_stop(&timer_);
    uv_update_time(timer_.loop);  // the loop's clock is that of its turn's beginning
    if (const int wait = guest_.timeout_ms(); wait >= 0)
      uv_timer_start(&timer_, on_time, static_cast<std::uint64_t>(wait), 0);
  }
  tide::guest& guest_;
  uv_poll_t poll_{};
  uv_timer_t timer_{};
};

int ticks = 0;

}  // namespace

int main() {
  uv_loop_t* const loop = uv_default_loop();
  const auto guest = visitor::arrive();
  bridge watch(loop, *guest);
  uv_timer_t own{};
  uv_timer_init(loop, &own);
  const auto tick = [](uv_timer_t* of) {
    std::printf("host: tick %d\n", ++ticks);
    if (ticks == 3) uv_close(handle_of(*of), nullptr);
  };
  uv_timer_start(&own, tick, 1, 1);
  uv_run(loop, UV_RUN_DEFAULT);
  uv_loop_close(loop);
  guest->rethrow();
}

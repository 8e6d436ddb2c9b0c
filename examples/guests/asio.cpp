// A guest in Asio's io_context, beside a timer of the context's own.
#include <asio.hpp>
#include <chrono>
#include <cstdio>

#include "guests/visitor.hpp"

namespace {

/// Watches a guest for a context, from its construction until the guest has ended.
class bridge {
 public:
  bridge(asio::io_context& context, tide::guest& guest)
      : guest_(guest), watched_(context, guest.descriptor()), timer_(context) {
    asio::post(context, [this] { visit(); });
    watch();
  }
  ~bridge() { watched_.release(); }  // the descriptor is the guest's
  bridge(const bridge&) = delete;
  bridge& operator=(const bridge&) = delete;

 private:
  void watch() {
    watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const std::error_code& failed) {
      if (failed) return;
      visit();
      if (stays_) watch();
    });
  }
  void visit() {
    stays_ = stays_ && guest_.run_ready();
    timer_.cancel();
    if (!stays_) return watched_.cancel();
    const auto next = guest_.next_deadline();
    if (!next) return;
    timer_.expires_at(*next);
    timer_.async_wait([this](const std::error_code& failed) {
      if (!failed) visit();
    });
  }
  tide::guest& guest_;
  asio::posix::stream_descriptor watched_;
  asio::steady_timer timer_;
  bool stays_ = true;
};

void tick(asio::steady_timer& timer, int number) {
  timer.expires_after(std::chrono::milliseconds(1));
  timer.async_wait([&timer, number](const std::error_code&) {
    std::printf("host: tick %d\n", number);
    if (number < 3) tick(timer, number + 1);
  });
}

}  // namespace

int main() {
  asio::io_context context;
  const auto guest = visitor::arrive();
  bridge watch(context, *guest);
  asio::steady_timer own(context);
  tick(own, 1);
  context.run();
  guest->rethrow();
}

// A TCP proxy, whole: limits, timeouts, half-close and errors handed on, a stop that delivers what is under way. Try:
//
//   ./proxy --listen 127.0.0.1:8080 --to 127.0.0.1:80
//   kill -USR1 PID          what it has done so far        kill PID          no more connections; ends when all have ended
//
// A second SIGTERM, or --drain after the first, ends what is left at once.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <print>
#include <string>

#include <tide/base/intrusive_list.hpp>
#include <tide/sync/local.hpp>
#include <tide/tide.hpp>

namespace {

using namespace std::chrono_literals;
using tide::net::tcp_stream;
using seconds = std::chrono::duration<double>;

struct options {
  std::string listen = "127.0.0.1:8080";
  std::string to;
  std::uint32_t connections = 10'000;
  double connect = 5, idle = 600, half_close = 60, write_stall = 60, drain = 10;  // seconds
};

tide::copy_options::duration of(double time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(time)); }

struct counters {
  std::uint64_t accepted = 0;
  std::uint64_t complete = 0;  // both directions came to their end
  std::uint64_t unreachable = 0;
  std::uint64_t there = 0;  // bytes
  std::uint64_t back = 0;
};

class proxy {
 public:
  proxy(const options& wanted, tide::net::address to, tide::net::tcp_listener listener)
      : wanted_(wanted), to_(to), listener_(std::move(listener)), places_(wanted.connections) {}

  tide::task<> run(tide::signal_set& signals) {
    co_await tide::with_scope([&](tide::scope& sessions) -> tide::task<> {
      co_await tide::with_scope([&](tide::scope& accepting) -> tide::task<> {
        accepting.spawn(accept(sessions));
        co_await until_told(signals);
      });
      std::println("stopping: {} connections are open", open_.size);
      sessions.spawn(end_by_force(signals, sessions));
      open_.all.for_each([](session& each) { each.control.stop(); });
      while (open_.size > 0) {
        if (!co_await changed_.wait()) break;
      }
      sessions.cancel();
      co_await sessions.join();
    });
    report();
  }

 private:
  struct session : tide::list_hook {
    tide::copy_control control;
  };

  /// Holds a place before it accepts: connections beyond the limit wait in the kernel, where their clients feel it.
  tide::task<> accept(tide::scope& sessions) {
    while (true) {
      auto place = co_await places_.acquire();
      if (!place) co_return;
      auto client = co_await listener_.accept();
      if (client) {
        ++count_.accepted;
        sessions.spawn(serve(std::move(*client), std::move(*place)));
      } else if (client.error() == tide::errc::canceled) {
        co_return;
      } else {
        static_cast<void>(co_await tide::sleep(10ms));  // it passes, as that of too many descriptors does
      }
    }
  }
  tide::task<> serve(tcp_stream client, tide::local::semaphore::permit) {
    session mine;
    open_.all.push_back(mine);
    ++open_.size;
    if (auto server = co_await tide::timeout(of(wanted_.connect), tcp_stream::connect(to_))) {
      const auto done = co_await tide::copy_bidirectional(client, *server, limits(mine));
      count_.complete += done.complete() ? 1 : 0;
      count_.there += done.a_to_b.bytes;
      count_.back += done.b_to_a.bytes;
      co_await server->close();
      co_await client.close();
    } else {
      ++count_.unreachable;
      co_await client.close(server.error());  // a reset: no clean end of an answer that never began
    }
    mine.unlink();
    --open_.size;
    changed_.notify_all();
  }
  [[nodiscard]] tide::copy_options limits(session& mine) const {
    tide::copy_options chosen;
    chosen.idle = of(wanted_.idle);
    chosen.half_close = of(wanted_.half_close);
    chosen.write_stall = of(wanted_.write_stall);
    chosen.drain = of(wanted_.drain);
    chosen.control = &mine.control;
    return chosen;
  }
  tide::task<> until_told(tide::signal_set& signals) {
    while (auto number = co_await signals.next()) {
      if (*number != SIGUSR1) co_return;
      report();
    }
  }
  tide::task<> end_by_force(tide::signal_set& signals, tide::scope& sessions) {
    static_cast<void>(co_await tide::timeout(of(wanted_.drain), wait_again(signals)));
    sessions.cancel();
  }
  tide::task<tide::result<>> wait_again(tide::signal_set& signals) {
    co_await until_told(signals);
    co_return tide::result<>{};
  }
  void report() const {
    std::println("{} connections, {} open, {} complete, {} unreachable; {} bytes there, {} back", count_.accepted,
                 open_.size, count_.complete, count_.unreachable, count_.there, count_.back);
    std::fflush(stdout);
  }

  const options& wanted_;
  tide::net::address to_;
  tide::net::tcp_listener listener_;
  tide::local::semaphore places_;
  tide::local::condition changed_;
  struct {
    tide::intrusive_list<session> all;
    std::size_t size = 0;
  } open_;
  counters count_;
};

int serve(const options& wanted) {
  auto signals = tide::signal_set::create({SIGTERM, SIGINT, SIGUSR1}).value();
  return tide::run([&](tide::scope&) -> tide::task<int> {
    const auto here = tide::net::address::parse(wanted.listen);
    const auto to = tide::net::address::parse(wanted.to);
    auto listener = here.and_then([](const auto& at) { return tide::net::tcp_listener::bind(at); });
    if (!to || !listener) {
      std::println(stderr, "{}: {}", to ? wanted.listen : wanted.to, (to ? listener.error() : to.error()).message());
      co_return 1;
    }
    std::println("listening on {}", listener->local_address().value().to_string());
    std::fflush(stdout);
    proxy whole(wanted, *to, std::move(*listener));
    co_await whole.run(signals);
    co_return 0;
  });
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app("A TCP proxy");
  const auto time = CLI::Range(0.001, 1e6);
  app.add_option("--listen", wanted.listen, "address:port to listen on")->capture_default_str();
  app.add_option("--to", wanted.to, "address:port to connect to")->required();
  app.add_option("--connections", wanted.connections, "most at a time")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--connect", wanted.connect, "seconds for a connection to be made")->check(time)->capture_default_str();
  app.add_option("--idle", wanted.idle, "seconds in which nothing moves")->check(time)->capture_default_str();
  app.add_option("--half-close", wanted.half_close, "the same once one side has ended")->check(time)->capture_default_str();
  app.add_option("--write-stall", wanted.write_stall, "seconds in which a side takes nothing")
      ->check(time)
      ->capture_default_str();
  app.add_option("--drain", wanted.drain, "seconds from a stop to the end by force")->check(time)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return serve(wanted);
}

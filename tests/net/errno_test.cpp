// Whatever errno the kernel answers with, to any request: an error of the call that asked, at most, and the program goes on.
#include <gtest/gtest.h>

#include <poll.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <set>
#include <string>
#include <thread>

#include <tide/base/bytes.hpp>
#include <tide/ring/request.hpp>
#include <tide/runtime/on.hpp>
#include <tide/runtime/poll.hpp>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/tcp.hpp"
#include "support/verdict.hpp"

namespace {

using namespace std::chrono_literals;
using tide::net::tcp_stream;
using tide::ring::request;

constexpr int last_errno = 133;  // EHWPOISON

using errors = std::set<std::error_code>;

/// True if it went well; else the error is noted.
bool good(const auto& outcome, errors& seen) {
  if (outcome) return true;
  seen.insert(outcome.error());
  return false;
}

tide::task<> talk(tcp_stream& client, tcp_stream& server, errors& seen) {
  using tide::bytes_of;
  std::array<std::byte, 4> into{};
  if (!good(co_await tide::poll(client.native_handle(), POLLOUT), seen)) co_return;
  if (!good(co_await client.write_all("uncopied"), seen)) co_return;
  std::array<std::byte, 8> plain{};
  if (!good(co_await server.read_some(plain), seen)) co_return;
  iovec piece{.iov_base = plain.data(), .iov_len = plain.size()};
  if (!good(co_await server.write_some({&piece, 1}), seen)) co_return;
  if (!good(co_await client.receive(), seen)) co_return;
  if (!good(co_await client.write_all("next"), seen)) co_return;
  if (!good(co_await server.exchange(bytes_of("ask!"), into), seen)) co_return;
  (void)good(co_await client.shutdown(), seen);
}

/// Everything once; what fails ends it.
tide::task<> program(errors& seen) {
  auto listener = support::listen();
  auto client = co_await tcp_stream::connect(listener.local_address().value(), {.zero_copy_from = 7});
  if (!good(client, seen)) co_return;
  auto server = co_await listener.accept();
  if (!good(server, seen)) co_return;
  co_await talk(*client, *server, seen);
  co_await client->close();
  co_await server->close();
}

errors run_with(support::one_failure& failing, bool futex) {
  errors seen;
  tide::executor::options wanted = failing.options();
  wanted.ring.entries = 16;
  wanted.ring.without.futex = !futex;
  tide::executor::create(wanted).value()->run([&](tide::scope&) -> tide::task<> {
    co_await program(seen);
    (void)co_await tide::sleep(1us);  // parks, so that wakes are waited for
  });
  return seen;
}

struct kind {
  const char* name;
  request example;
  unsigned after = 0;
  std::set<int> unheard{EINTR};  // what was interrupted is done again
};

class EveryErrno : public testing::TestWithParam<kind> {};
INSTANTIATE_TEST_SUITE_P(
    Of, EveryErrno,
    testing::Values(kind{"Socket", request::socket(0, 0, 0)}, kind{"Connect", request::connect(0, nullptr, 0)},
                    // A connection that went before it was taken makes room for the next.
                    kind{"Accept", request::accept_multishot(0), 0, {EINTR, ECANCELED, ECONNABORTED}},
                    kind{"Poll", request::poll(0, 0)}, kind{"Send", request::send(0, {}, true)},
                    kind{"SendOfAChain", request::send(0, {}, true), 1},
                    // What cannot be sent without a copy is sent with one.
                    kind{"SendZeroCopy", request::send_zero_copy(0, {}, true), 0, {EINTR, EOPNOTSUPP, ENOBUFS, ENOMEM}},
                    kind{"Sendmsg", request::send_message(0, nullptr, false)}, kind{"Receive", request::receive(0, {})},
                    // What finds no buffer waits for one.
                    kind{"MultishotReceive", request::receive_multishot(0, 0), 1, {EINTR, ENOBUFS}},
                    kind{"Shutdown", request::shutdown(0, 0)}),
    [](const auto& each) { return each.param.name; });

TEST_P(EveryErrno, IsAnErrorOfTheCallAndNothingElse) {
  const auto before = support::open_descriptors();
  for (int error = 1; error <= last_errno; ++error) {
    support::one_failure failing{.kind = GetParam().example.operation(), .error = error, .after = GetParam().after};
    const errors seen = run_with(failing, true);
    ASSERT_TRUE(failing.happened) << "nobody asked for that";
    const auto expected =
        error == ECANCELED ? tide::make_error_code(tide::errc::canceled) : std::error_code(error, std::system_category());
    EXPECT_EQ(seen, GetParam().unheard.contains(error) ? errors{} : errors{expected});
  }
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(EveryErrnoOfAWake, IsHeardByNobody) {
  for (const bool futex : {true, false}) {
    const request wait = futex ? request::futex_wait(nullptr, 0) : request::read(0, {}, 0);
    for (int error = 1; error <= last_errno; ++error) {
      support::one_failure failing{.kind = wait.operation(), .error = error};
      EXPECT_EQ(run_with(failing, futex), errors{});
      ASSERT_TRUE(failing.happened);
    }
  }
}

TEST(EveryErrnoOfAWake, OfAnotherExecutorRingsTheBellInstead) {
  auto there = tide::executor::create({}).value();
  const auto handle = there->handle();
  std::atomic<tide::scope*> root = nullptr;
  std::thread other([&] {
    there->run([&](tide::scope& scope) -> tide::task<> {
      root = &scope;
      root.notify_one();
      (void)co_await tide::sleep(1h);
    });
  });
  root.wait(nullptr);
  support::one_failure failing{.kind = request::message(0).operation()};
  auto here = tide::executor::create(failing.options()).value();
  here->run([&](tide::scope&) -> tide::task<> {
    for (failing.error = 1; failing.error <= last_errno; ++failing.error) {
      failing.happened = false;
      failing.after = 0;
      while (!failing.happened) {  // until the other one was found asleep
        const auto answer = co_await tide::on(handle, []() -> tide::task<int> { co_return 7; });
        EXPECT_EQ(answer, 7);
      }
    }
  });
  handle.post([&] { root.load()->cancel(); });
  other.join();
}

}  // namespace

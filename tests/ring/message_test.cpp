// Messages from ring to ring (IORING_OP_MSG_RING, Linux 5.18). Counterparts of liburing's msg-ring and msg-ring-overflow.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include <tide/base/descriptor.hpp>
#include <tide/ring/ring.hpp>

#include "ring/probe.hpp"

namespace {

using tide::ring::request;

class RingMessage : public testing::Test {
 protected:
  static std::unique_ptr<tide::ring::ring> make(unsigned entries = 8, unsigned completions = 0) {
    auto made = tide::ring::ring::create({.entries = entries, .completions = completions}).value();
    EXPECT_TRUE(made->enable());
    return made;
  }
  void SetUp() override {
    if (!make()->available().msg_ring) GTEST_SKIP() << "this kernel has no IORING_OP_MSG_RING";
  }
};

TEST_F(RingMessage, AllArriveThoughTheQueueThereOverflows) {
  auto here = make();
  auto there = make(8, 8);
  constexpr std::size_t messages = 1'000;
  std::vector<probe> sent(messages);
  for (probe& each : sent) here->start(each, request::message(there->behind().descriptor()));
  while (!here->at_rest()) {
    here->submit_and_wait(0);
    here->reap();
    there->submit_and_wait(0);
    there->reap();
  }
  // A kernel may tell the sender that the queue there is full; then nothing came.
  std::size_t arrived = 0;
  for (const probe& each : sent) {
    ASSERT_EQ(each.heard.size(), 1u);
    arrived += each.result() == 0 ? 1 : 0;
  }
  wait_for(*there, [&] { return there->count().completed >= arrived; });
  EXPECT_EQ(there->count().completed, arrived);
  EXPECT_EQ(there->count().stale, 0u) << "a message is nobody's completion";
}

TEST_F(RingMessage, ToWhatIsNoRingFails) {
  auto here = make();
  const tide::descriptor none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(run_one(*here, request::message(none.get())), -EBADFD);
  auto there = make();
  const int number = there->behind().descriptor();
  there.reset();
  EXPECT_EQ(run_one(*here, request::message(number)), -EBADF);
}

TEST_F(RingMessage, WakesAThreadThatWaitsInItsRing) {
  auto here = make();
  auto there = tide::ring::ring::create({.entries = 8}).value();
  constexpr std::uint64_t messages = 2'000;
  const int number = there->behind().descriptor();
  std::jthread waits([&there] {
    ASSERT_TRUE(there->enable());
    while (there->count().completed < messages) {
      there->submit_and_wait(tide::ring::ring::forever);
      there->reap();
    }
    there->disable();
  });
  std::uint64_t arrived = 0;
  while (arrived < messages) {
    // -EBADFD until the thread has enabled its ring.
    arrived += run_one(*here, request::message(number)) == 0 ? 1 : 0;
  }
}

}  // namespace

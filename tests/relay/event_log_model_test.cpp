#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "log_support.hpp"

namespace {

using relay_test::all_from;
using relay_test::append;
using relay_test::decoded;
using relay_test::identity;
using relay_test::on_the_wire;
using relay_test::open_log;
using relay_test::scratch;
using relay_test::seen_event;
using relay_test::small_log;
using relay_test::take;
using relay_test::with_seq;
using tide::relay::event_log;

/// The log, and beside it every event that ever was.
class LogModel {
 public:
  explicit LogModel(unsigned seed) : random_(seed), log_(std::make_unique<event_log>(open_log(small_log(directory_)))) {}

  void step() {
    switch (random_() % 12) {
      case 0: return reopen();
      case 1: return begin_reading();
      case 2:
        if (!readers_.empty()) readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(random_() % readers_.size()));
        return;
      case 3:
      case 4:
      case 5: return read();
      default: return append_some();
    }
  }
  void finish() {
    reopen();
    EXPECT_GT(events_.size(), 500u);
  }

 private:
  struct tracked {
    event_log::reader reader;
    std::int64_t seq;     // that it is at
    std::size_t partial;  // bytes of that event it has had
  };

  void append_some() {
    const auto size = random_() % 10 == 0 ? random_() % 7000 : random_() % 400;
    const std::string frame = identity(static_cast<std::int64_t>(events_.size()) + 1, "did:plc:abc", size);
    const auto host = static_cast<std::uint32_t>(random_() % 5 + 1);
    auto seq = log_->append(host, decoded(frame));
    if (!seq) {
      ASSERT_EQ(seq.error(), tide::pool_errc::full);
      std::erase_if(readers_, [](const tracked& each) { return each.reader.behind(); });  // those who hold what was freed
      seq = log_->append(host, decoded(frame));
    }
    ASSERT_TRUE(seq) << seq.error().message();
    events_.push_back({{host, static_cast<std::int64_t>(events_.size()) + 1}, on_the_wire(with_seq(frame, *seq))});
    ASSERT_EQ(*seq, static_cast<std::int64_t>(events_.size()));
    check_window();
  }
  void check_window() {
    ASSERT_GE(log_->oldest_seq(), oldest_);
    oldest_ = log_->oldest_seq();
    ASSERT_EQ(log_->last_seq(), static_cast<std::int64_t>(events_.size()));
    ASSERT_LE(log_->bytes(), 4u * 8192);
    if (oldest_ > 1) {
      ASSERT_GE(log_->bytes(), 4096u);  // no more is freed than the newest event needs
    }
  }
  void begin_reading() {
    if (readers_.size() == 3) return;
    const auto last = static_cast<std::int64_t>(events_.size());
    const std::int64_t seq = oldest_ + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(last + 2 - oldest_));
    readers_.push_back({log_->read_from(seq), seq, 0});
  }
  void read() {
    if (readers_.empty()) return;
    tracked& one = readers_[random_() % readers_.size()];
    if (one.reader.behind()) return;
    const std::size_t most = random_() % 3 == 0 ? random_() % 20 + 1 : random_() % 6000 + 1;
    const bool at_end = one.seq > static_cast<std::int64_t>(events_.size());
    const std::string got = take(one.reader, most);
    std::string expected;
    while (expected.size() < most && one.seq <= static_cast<std::int64_t>(events_.size())) {
      const std::string& event = events_[static_cast<std::size_t>(one.seq) - 1].wire;
      const auto bytes = std::min(event.size() - one.partial, most - expected.size());
      if (expected.size() == got.size()) break;  // a reader may give less than asked for, though never nothing
      expected += event.substr(one.partial, bytes);
      one.partial += bytes;
      if (one.partial == event.size()) {
        ++one.seq;
        one.partial = 0;
      }
    }
    ASSERT_TRUE(at_end || !got.empty());
    ASSERT_EQ(got, expected);
    ASSERT_EQ(one.reader.next_seq(), one.seq);
    ASSERT_EQ(one.reader.at_border(), one.partial == 0);
  }
  void reopen() {
    readers_.clear();
    log_.reset();
    std::vector<seen_event> seen;
    log_ = std::make_unique<event_log>(open_log(small_log(directory_), &seen));
    ASSERT_EQ(log_->oldest_seq(), oldest_ == 0 ? 1 : oldest_);
    ASSERT_EQ(log_->last_seq(), static_cast<std::int64_t>(events_.size()));
    std::string expected;
    std::vector<seen_event> named;
    for (std::int64_t n = log_->oldest_seq(); n <= log_->last_seq(); ++n) {
      expected += events_[static_cast<std::size_t>(n) - 1].wire;
      named.push_back(events_[static_cast<std::size_t>(n) - 1].origin);
    }
    ASSERT_EQ(seen, named);
    ASSERT_EQ(all_from(*log_, log_->oldest_seq()), expected);
    oldest_ = log_->oldest_seq();
  }

  struct appended {
    seen_event origin;
    std::string wire;
  };
  scratch directory_;
  std::mt19937 random_;
  std::unique_ptr<event_log> log_;
  std::vector<appended> events_;
  std::vector<tracked> readers_;
  std::int64_t oldest_ = 0;
};

TEST(EventLogModel, BehavesAsADequeOfEventsDoes) {
  for (int round = 0; round < 4; ++round) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    LogModel model(seed);
    for (int i = 0; i < 3000 && !testing::Test::HasFatalFailure(); ++i) model.step();
    if (!testing::Test::HasFatalFailure()) model.finish();
  }
}

}  // namespace

// A duplex under random scripts, against what must hold after every step: bytes are conserved and in order, the ring is
// never over its capacity, nobody waits for what is there, ends come once and stay.
#include <gtest/gtest.h>

#include <array>
#include <latch>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <tide/io/duplex.hpp>

#include "io/pattern.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::fits;
using support::patterned;
using support::run_here;

/// What one end does, one operation of each kind at a time, and what is known of it.
template <class End>
struct party {
  End end{};
  std::string to_write;  // of the pending write
  std::vector<std::byte> memory;
  bool reading = false;
  bool writing = false;
  bool shut = false;     // its writes have ended
  bool refuses = false;  // its reads have
  std::size_t got = 0;
  std::optional<tide::result<std::size_t>> last_read;
  std::error_code ended_with;
};

template <class End>
tide::task<> read_once(party<End>& of, std::size_t most) {
  of.memory.resize(most);
  of.last_read = co_await of.end.read_some(of.memory);
  if (const auto& size = *of.last_read; size) {
    EXPECT_TRUE(fits(of.got, std::span(of.memory).first(*size))) << "at " << of.got;
    of.got += *size;
  }
  of.reading = false;
}

template <class End>
tide::task<> write_once(party<End>& of, std::size_t size) {
  of.to_write = patterned(of.end.sent().bytes, size);
  static_cast<void>(co_await of.end.write_all(of.to_write));
  of.writing = false;
}

template <class End>
class DuplexModel : public testing::Test {
 public:
  /// The invariants of one direction, once everything has settled.
  static void look(const party<End>& writer, const party<End>& reader, std::size_t capacity) {
    const std::size_t inside = writer.end.unsent();
    EXPECT_EQ(writer.end.sent().bytes, reader.end.received().bytes + inside);  // conserved
    EXPECT_EQ(reader.end.received().bytes, reader.got);
    EXPECT_LE(inside, capacity);
    EXPECT_LE(writer.end.sent().peak, capacity);
    EXPECT_TRUE(!reader.reading || (inside == 0 && !writer.shut && !reader.refuses)) << "waits for what is there";
    EXPECT_TRUE(!writer.writing || (inside == capacity && !reader.refuses)) << "waits for room that is there";
    if (!reader.last_read || reader.refuses) return;
    const auto& last = *reader.last_read;
    EXPECT_TRUE(!last || *last > 0 || (writer.shut && !writer.ended_with && inside == 0));
    EXPECT_TRUE(last || last.error() == tide::errc::canceled ||
                (writer.shut && last.error() == writer.ended_with && inside == 0));
  }

  static tide::task<> play(unsigned seed, std::size_t steps) {
    std::mt19937 random(seed);
    constexpr std::array<std::size_t, 6> sizes{1, 2, 7, 64, 1000, 5000};
    const std::array<std::size_t, 2> capacities{sizes[random() % 6], sizes[random() % 6]};
    auto pair = End::make({.capacity = capacities[0], .capacity_back = capacities[1]});
    std::array<party<End>, 2> parties;
    parties[0].end = std::move(pair.first);
    parties[1].end = std::move(pair.second);
    for (std::size_t step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      const std::size_t who = random() % 2;
      const std::size_t capacity = capacities[who];
      const std::array<std::size_t, 6> amounts{1, capacity - 1, capacity, capacity + 1, 3 * capacity, 1 + random() % 10'000};
      const std::size_t amount = std::max<std::size_t>(1, amounts[random() % 6]);
      co_await tide::with_scope([&](tide::scope& reads) -> tide::task<> {
        co_await tide::with_scope([&](tide::scope& writes) -> tide::task<> {
          co_await act(parties[who], parties[1 - who], random, amount, reads, writes);
          look(parties[0], parties[1], capacities[0]);
          look(parties[1], parties[0], capacities[1]);
        });
      });
    }
  }

 private:
  static tide::task<> settle() {
    for (int i = 0; i < 4; ++i) co_await tide::yield();
  }
  /// Lets both ends do something at the same time, looks, and cancels what is left.
  static tide::task<> act(party<End>& one, party<End>& other, std::mt19937& random, std::size_t amount, tide::scope& reads,
                          tide::scope& writes) {
    const auto read = [&](party<End>& who, std::size_t most) {
      if (who.reading || who.refuses) return;
      who.reading = true;
      reads.spawn(read_once<End>, std::ref(who), most);
    };
    const auto write = [&](party<End>& who, std::size_t size) {
      if (who.writing || who.shut) return;
      who.writing = true;
      writes.spawn(write_once<End>, std::ref(who), size);
    };
    for (unsigned moves = 1 + random() % 4; moves > 0; --moves) {
      switch (random() % 13) {
        case 0:
        case 1:
        case 2: read(one, amount); break;
        case 3:
        case 4:
        case 5: write(one, amount); break;
        case 6:
        case 7: read(other, amount); break;
        case 8: write(other, amount); break;
        case 9: reads.cancel(); break;
        case 10: co_await settle(); break;
        case 11:
          if (random() % 40 == 0 && !one.reading) {
            one.refuses = true;
            one.end.refuse();
          }
          break;
        default:
          if (random() % 20 == 0 && !one.writing && !one.shut) {
            one.shut = true;
            one.ended_with = random() % 2 == 0 ? std::error_code{} : std::make_error_code(std::errc::io_error);
            EXPECT_TRUE(co_await one.end.shutdown(one.ended_with));
          }
      }
    }
    co_await settle();
  }
};
struct kinds {
  template <class End>
  static std::string GetName(int) {
    return std::is_same_v<End, tide::local::duplex_end> ? "Local" : "Shared";
  }
};
using ends = testing::Types<tide::local::duplex_end, tide::duplex_end>;
TYPED_TEST_SUITE(DuplexModel, ends, kinds);

TYPED_TEST(DuplexModel, RandomScriptsKeepEveryInvariant) {
  run_here([](tide::scope&) -> tide::task<> {
    for (unsigned seed = 1; seed <= (support::sanitized ? 40u : 400u); ++seed) {
      co_await DuplexModel<TypeParam>::play(seed, 100);
      if (testing::Test::HasFailure()) {
        ADD_FAILURE() << "seed " << seed;
        co_return;
      }
    }
  });
}

/// Writes and reads at once, in random sizes and ways, with some cancelled reads, on an executor of its own.
tide::task<> half(tide::duplex_end& mine, std::size_t total, unsigned seed) {
  co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
    scope.spawn(
        [](tide::duplex_end& end, std::size_t size, unsigned from) -> tide::task<> {
          std::mt19937 random(from);
          for (std::size_t sent = 0; sent < size;) {
            const std::size_t now = std::min<std::size_t>(1 + random() % 900, size - sent);
            if (random() % 2 == 0) {
              EXPECT_TRUE(co_await end.write_all(patterned(sent, now)));
              sent += now;
              continue;
            }
            const auto room = co_await end.reserve();
            const auto some = room.value().up_to(now);
            for (std::size_t i = 0; i < some.size(); ++i) {
              (i < some.first.size() ? some.first[i] : some.second[i - some.first.size()]) =
                  static_cast<std::byte>(support::pattern(sent + i));
            }
            end.commit(some.size());
            sent += some.size();
          }
          EXPECT_TRUE(co_await end.shutdown());
        },
        std::ref(mine), total, seed);
    std::mt19937 random(seed + 1);
    std::vector<std::byte> memory(1000);
    std::size_t got = 0;
    for (bool ended = false; !ended;) {
      const auto most = std::span(memory).first(1 + random() % 1000);
      const auto size = random() % 8 == 0
                            ? co_await tide::timeout(std::chrono::microseconds(random() % 20), mine.read_some(most))
                            : co_await mine.read_some(most);
      if (!size) {
        EXPECT_EQ(size.error(), tide::errc::timed_out);
        continue;
      }
      EXPECT_TRUE(fits(got, most.first(*size))) << "at " << got;
      got += *size;
      ended = *size == 0;
    }
    EXPECT_EQ(got, total);
    co_await scope.join();
  });
}

TEST(DuplexThreads, TwoExecutorsBothWaysAtOnce) {
  static constexpr std::size_t total = support::sanitized ? 300'000 : 5'000'000;
  for (const std::size_t capacity : {1u, 100u, 65'536u}) {
    auto [here, there] = tide::duplex(capacity);
    const std::size_t size = capacity == 1 ? total / 1000 : total;
    std::thread other([&end = there, size] { run_here([&](tide::scope&) { return half(end, size, 1); }); });
    run_here([&end = here, size](tide::scope&) { return half(end, size, 2); });
    other.join();
  }
}

std::tuple<tide::duplex_end, tide::duplex_end> ends_of(tide::duplex_end::pair pair) {
  return {std::move(pair.first), std::move(pair.second)};
}

TEST(DuplexThreads, AnEndThatGoesWakesTheOtherExecutor) {
  static constexpr std::size_t rounds = support::sanitized ? 100 : 1000;
  std::vector<tide::duplex_end> here(rounds);
  std::vector<tide::duplex_end> there(rounds);
  for (std::size_t i = 0; i < rounds; ++i) std::tie(here[i], there[i]) = ends_of(tide::duplex(4));
  // One executor may end before the other is made, whose ring then gets the same addresses; ThreadSanitizer, which sees none
  // of the kernel's mapping, would take that for a race.
  std::latch both(2);
  std::thread other([&] {
    run_here([&](tide::scope&) -> tide::task<> {
      both.arrive_and_wait();
      for (tide::duplex_end& end : there) {
        std::array<std::byte, 8> memory{};
        EXPECT_EQ((co_await end.read_some(memory)).value(), 2u);
        EXPECT_EQ((co_await end.read_some(memory)).error(), std::errc::broken_pipe);
      }
    });
  });
  run_here([&](tide::scope&) -> tide::task<> {
    both.arrive_and_wait();
    for (tide::duplex_end& end : here) {
      EXPECT_TRUE(co_await end.write_all("ab"));
      const auto gone = std::move(end);
    }
  });
  other.join();
}

}  // namespace

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string_view>
#include <thread>
#include <vector>

#include "kill_model.hpp"
#include "support.hpp"

namespace {

using tide::pool_detail::fault_point;
using tide_test::books;
using tide_test::operation;
using tide_test::slot;
using tide_test::slot_state;
using tide_test::stamp;

std::uint32_t random_kills() {
  const char* text = std::getenv("TIDE_POOL_KILLS");
  std::uint32_t wanted = 250;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), wanted);
  return wanted;
}

stamp content_of(const tide::block& held) {
  stamp value{};
  std::memcpy(&value, held.data(), sizeof value);
  return value;
}

class PoolKill : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(books_, nullptr); }

  /// One life that ends by its own plan, by a signal at a random moment, or in good order. Returns how it ended.
  int life(bool at_random_moment) {
    books_->opened = 0;
    books_->operations = 0;
    books_->pending = operation::none;
    const std::uint64_t seed = random_();
    tide_test::child victim([&] {
      tide_test::arm(*books_);
      return tide_test::live(path_, *books_, seed, 400);
    });
    if (at_random_moment) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random_() % 4000);
      while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
      ::kill(victim.pid(), SIGKILL);
    }
    return victim.wait();
  }

  /// What may be found of a slot after the death, given the operation that was under way.
  [[nodiscard]] bool may_be_absent(std::uint32_t index) const {
    const slot& each = books_->all[index];
    if (each.state == slot_state::empty || each.kind == tide::block_kind::non_recoverable) return true;
    return books_->pending_slot == index && (books_->pending == operation::release || books_->pending == operation::free);
  }
  [[nodiscard]] bool may_be_present(std::uint32_t index, const stamp& found) const {
    const slot& each = books_->all[index];
    const bool pending = books_->pending_slot == index;
    if (pending && books_->pending == operation::make) return found == books_->pending_content;
    if (pending && books_->pending == operation::allocate) {  // published with zeros, then written: any part of it
      return each.kind == tide::block_kind::recoverable;
    }
    return each.state != slot_state::empty && each.kind == tide::block_kind::recoverable && found == each.content;
  }

  /// Opens the pool as the next process would and compares it with the books, block by block.
  void settle() {
    auto pool = tide::pool::open(path_, tide_test::model_options());
    ASSERT_TRUE(pool) << pool.error().message();
    ASSERT_FALSE(pool->report().joined);
    ASSERT_EQ(pool->report().quarantined, 0U);
    std::map<std::uint32_t, std::uint32_t> slot_of_number;
    for (std::uint32_t index = 0; index < books::slots; ++index) {
      const slot& each = books_->all[index];
      if (each.state != slot_state::empty) slot_of_number[each.handle.number] = index;
    }
    std::set<std::uint32_t> present;
    std::uint32_t recovered = 0;
    for (tide::block& left : pool->recovered()) {
      const stamp found = content_of(left);
      const auto known = slot_of_number.find(left.handle().number);
      const bool matches = known != slot_of_number.end() && books_->all[known->second].handle == left.handle();
      const std::uint32_t index = matches ? known->second : books_->pending_slot;
      ASSERT_TRUE(may_be_present(index, found)) << "slot " << index << " pending " << static_cast<int>(books_->pending);
      ASSERT_TRUE(present.insert(index).second) << "two blocks for slot " << index;
      slot& each = books_->all[index];
      if (matches) {
        each.state = slot_state::detached;
        ++recovered;
      } else {
        left.release();
      }
    }
    for (std::uint32_t index = 0; index < books::slots; ++index) {
      if (present.contains(index)) {
        if (!slot_matches(index, *pool)) books_->all[index].state = slot_state::empty;
        continue;
      }
      ASSERT_TRUE(may_be_absent(index)) << "slot " << index << " is lost, pending " << static_cast<int>(books_->pending);
      books_->all[index].state = slot_state::empty;
    }
    const tide::pool_audit audit = pool->audit();
    ASSERT_TRUE(audit.consistent());
    ASSERT_EQ(audit.detached, recovered);
    ASSERT_EQ(audit.free + audit.detached, audit.blocks);
    take_everything(*pool, audit);
  }

  /// Every block that is not in use can be had, once.
  static void take_everything(tide::pool& pool, const tide::pool_audit& audit) {
    std::vector<tide::block> all;
    std::set<std::uint32_t> numbers;
    for (std::uint32_t count = 0; count < audit.free; ++count) {
      auto taken = pool.allocate(tide::block_kind::non_recoverable, 1);
      ASSERT_TRUE(taken) << taken.error().message();
      ASSERT_TRUE(numbers.insert(taken->handle().number).second) << "one block, two owners";
      all.push_back(std::move(*taken));
    }
    ASSERT_EQ(pool.blocks(), audit.blocks) << "the pool grew although blocks were free: some were lost";
  }

  [[nodiscard]] bool slot_matches(std::uint32_t index, tide::pool& pool) const {
    const auto found = pool.attach(books_->all[index].handle);
    return found && books_->all[index].state == slot_state::detached;
  }

  void start_afresh() {
    std::filesystem::remove(path_);
    for (slot& each : books_->all) each = {};
  }

  tide_test::scratch directory_;
  std::filesystem::path path_ = directory_ / "victim.pool";
  books* books_ = tide_test::shared_books();
  std::mt19937_64 random_{20261121};
};

TEST_F(PoolKill, AtEveryLabelledPoint) {
  for (int point = 0; point < static_cast<int>(fault_point::count_of_points); ++point) {
    if (static_cast<fault_point>(point) == fault_point::reclaim_block) continue;  // needs a survivor: see below
    for (const std::uint32_t countdown : {1U, 2U, 3U, 17U}) {
      start_afresh();
      const int lives_before = countdown == 1 ? 0 : 1;
      if (lives_before > 0) {
        books_->countdown = 0;
        ASSERT_EQ(life(false), 0);
        settle();
        if (HasFatalFailure()) return;
      }
      books_->point = static_cast<fault_point>(point);
      books_->countdown = countdown;
      const int ended = life(false);
      if (countdown == 1) {
        ASSERT_EQ(ended, -SIGKILL) << "point " << point << " was not reached";
      }
      ASSERT_TRUE(ended == 0 || ended == -SIGKILL) << ended;
      books_->countdown = 0;
      settle();
      if (HasFatalFailure()) FAIL() << "at point " << point << ", time " << countdown;
      std::size_t files = 0;
      for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory_.path())) ++files;
      ASSERT_EQ(files, 1U) << "something was left beside the pool at point " << point;
    }
  }
}

TEST_F(PoolKill, AtRandomMoments) {
  const tide_test::scratch on_disk{tide_test::disk()};
  path_ = on_disk / "victim.pool";
  std::uint32_t kills = 0;
  std::uint64_t operations = 0;
  for (std::uint32_t round = 0; kills < random_kills(); ++round) {
    if (round % 16 == 0) start_afresh();
    const int ended = life(true);
    ASSERT_TRUE(ended == 0 || ended == -SIGKILL) << ended;
    kills += ended == -SIGKILL ? 1 : 0;
    operations += books_->operations;
    if (books_->opened == 0 && round % 16 != 0 && random_() % 4 != 0) continue;  // let several die in one recovery
    settle();
    if (HasFatalFailure()) FAIL() << "in round " << round;
  }
  RecordProperty("kills", static_cast<int>(kills));
  RecordProperty("operations", static_cast<int>(operations));
}

TEST_F(PoolKill, FiftyTimesInOneRecovery) {
  start_afresh();
  books_->countdown = 0;
  ASSERT_EQ(life(false), 0);
  for (int death = 0; death < 50; ++death) {
    constexpr fault_point points[] = {fault_point::open_locked,   fault_point::open_marked_unclean, fault_point::header_half,
                                      fault_point::recover_block, fault_point::recover_run_raised,  fault_point::lease_half,
                                      fault_point::lease_written};
    books_->point = points[random_() % std::size(points)];
    books_->countdown = 1 + static_cast<std::uint32_t>(books_->point == fault_point::recover_block ? random_() % 2 : 0);
    ASSERT_EQ(life(false), -SIGKILL);
    ASSERT_EQ(books_->operations, 0U);
  }
  books_->countdown = 0;
  settle();
}

// The survivor has the pool open all the time; the dead one's references are the survivor's to take back.
TEST_F(PoolKill, WhileAnotherProcessLives) {
  auto survivor = tide::pool::open(path_, tide_test::model_options());
  ASSERT_TRUE(survivor);
  std::vector<tide::block> own;
  for (std::uint32_t count = 0; count < 5; ++count) own.push_back(survivor->allocate().value());
  std::set<fault_point> died_at;
  // How far a life gets before its point is reached is up to chance: more rounds, if some point was not.
  const auto all_seen = [&died_at] {
    return died_at.contains(fault_point::reclaim_block) && died_at.contains(fault_point::lease_half) &&
           (died_at.contains(fault_point::grow_payload) || died_at.contains(fault_point::grow_locked));
  };
  for (int round = 0; round < 120 || (round < 2'400 && !all_seen()); ++round) {
    for (slot& each : books_->all) each = {};
    books_->point =
        static_cast<fault_point>(static_cast<unsigned>(round) % static_cast<unsigned>(fault_point::count_of_points));
    books_->countdown = 1 + static_cast<std::uint32_t>(random_() % 3);
    const bool reclaiming = books_->point == fault_point::reclaim_block;
    if (reclaiming) {  // one that dies holding blocks, for the next one to die over
      const auto wanted = books_->countdown;
      books_->point = fault_point::claim_published;
      books_->countdown = 60;
      ASSERT_EQ(life(false), -SIGKILL);
      for (slot& each : books_->all) each = {};
      books_->point = fault_point::reclaim_block;
      books_->countdown = std::min(wanted, 1U);
    }
    const int ended = life(!reclaiming && round % 2 == 0);
    ASSERT_TRUE(ended == 0 || ended == -SIGKILL) << ended;
    if (ended == -SIGKILL && books_->countdown == 0) died_at.insert(books_->point);
    books_->countdown = 0;

    ASSERT_TRUE(survivor->reclaim());
    const tide::pool_audit audit = survivor->audit();
    ASSERT_TRUE(audit.consistent());
    ASSERT_EQ(audit.orphaned, 0U);
    ASSERT_EQ(audit.held, own.size()) << "references of the dead are left, or of the living lost";
    for (std::uint32_t index = 0; index < books::slots; ++index) {
      const slot& each = books_->all[index];
      const bool uncertain = books_->pending != operation::none && books_->pending_slot == index;
      if (uncertain || each.state == slot_state::empty) continue;
      auto found = survivor->attach(each.handle);
      if (each.kind == tide::block_kind::recoverable) {
        ASSERT_TRUE(found) << "slot " << index << " is lost";
        ASSERT_EQ(content_of(*found), each.content);
      } else if (each.state == slot_state::held) {
        ASSERT_FALSE(found) << "slot " << index << " outlived its holder";
      }
    }
    // Empties the pool again: every block but the survivor's is detached now.
    for (std::uint32_t number = 0; number < survivor->blocks(); ++number) {
      for (const slot& each : books_->all) {
        if (each.handle.number == number) (void)survivor->free(each.handle);
      }
    }
  }
  EXPECT_TRUE(all_seen());
}

}  // namespace

// A backend that is no kernel: it carries out nop, send, receive and cancel between pairs in memory, and is as unkind as the
// kernel may be. Seeded: the same seed does the same.
//
//   auto made = std::make_unique<simulated_backend>(seed, simulated_backend::unkindness{…});
//   simulated_backend& behind = *made;
//   tide::ring::ring ring(std::move(made));
//   auto [a, b] = behind.make_pair();    // numbers to use as descriptors
#pragma once

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include <tide/ring/backend.hpp>

class simulated_backend final : public tide::ring::backend {
 public:
  /// Chances out of a hundred.
  struct unkindness {
    unsigned room = 8;           ///< requests that fit before push says no
    unsigned refused = 0;        ///< an enter that fails: what was pushed stays with us, the next one tries again
    unsigned short_result = 0;   ///< fewer bytes than there are
    unsigned interrupted = 0;    ///< -EINTR instead of a result
    unsigned late = 0;           ///< a completion that is there is held back for a turn
    unsigned cancel_misses = 0;  ///< the cancel comes too late and the operation goes on to its own end
    unsigned duplicated = 0;     ///< the last completion of an operation comes once more, later
    bool reordered = false;      ///< completions come in any order
  };

  simulated_backend(std::uint64_t seed, const unkindness& how) : random_(seed), how_(how) {}

  std::pair<int, int> make_pair() {
    const int first = next_;
    next_ += 2;
    return {first, first + 1};
  }
  void close_end(int fd) { closed_[fd ^ 1] = true; }
  [[nodiscard]] std::size_t duplicates() const noexcept { return duplicates_; }
  /// True if an enter waited for what could never come.
  [[nodiscard]] bool stuck() const noexcept { return stuck_; }

  tide::result<> enable() noexcept override { return {}; }
  void disable() noexcept override {}
  bool reserve(unsigned requests) noexcept override { return queue_.size() + requests <= how_.room; }
  bool push(const tide::ring::request& what, std::uint64_t token, bool quiet) noexcept override {
    if (queue_.size() >= how_.room) return false;
    const io_uring_sqe& entry = what.entry();
    const bool follows = linking_;
    linking_ = (entry.flags & IOSQE_IO_LINK) != 0;
    queue_.push_back({entry.opcode, entry.fd, entry.addr, entry.len, token, quiet, follows, linking_, {}});
    ++count_.submitted;
    return true;
  }
  void enter(std::int64_t wait_ns) noexcept override {
    ++count_.enters;
    if (chance(how_.refused)) {
      ++count_.refused;
      return;
    }
    for (pending& each : queue_) {
      if (each.follows) {
        under_way_.back().then.push_back(each);
      } else {
        under_way_.push_back(each);
      }
    }
    broken_ += linking_ ? 1 : 0;  // a chain that is not whole is none
    queue_.clear();
    work();
    for (int turn = 0; wait_ns > 0 && ready_.empty(); ++turn) {
      work();
      if (turn == 1000) {
        stuck_ = true;
        return;
      }
    }
  }
  [[nodiscard]] bool queued() const noexcept override { return !queue_.empty(); }
  bool has_work() noexcept override { return !ready_.empty(); }
  std::size_t take(std::span<tide::ring::raw_completion> into) noexcept override {
    std::size_t taken = 0;
    while (taken < into.size() && !ready_.empty()) {
      const std::size_t which = how_.reordered ? below(ready_.size()) : 0;
      if (ready_[which].first && ready_[which].what.token != 0 && chance(how_.duplicated)) {
        again_.push_back({ready_[which].what, false});
        ++duplicates_;
      }
      into[taken++] = ready_[which].what;
      ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(which));
    }
    return taken;
  }
  tide::result<> register_buffers(std::uint16_t, void*, unsigned) noexcept override {
    return tide::fail(tide::errc::not_supported);
  }
  void unregister_buffers(std::uint16_t) noexcept override {}
  tide::result<> register_memory(std::span<std::byte>) noexcept override { return tide::fail(tide::errc::not_supported); }
  [[nodiscard]] const tide::ring::features& available() const noexcept override { return none_; }
  tide::result<> announce_by(int) noexcept override { return {}; }
  [[nodiscard]] int descriptor() const noexcept override { return -1; }
  [[nodiscard]] unsigned entries() const noexcept override { return how_.room; }
  /// Chains that came in pieces.
  [[nodiscard]] std::size_t broken_chains() const noexcept { return broken_; }

 private:
  struct said {
    tide::ring::raw_completion what;
    bool first;  // not the duplicate of another
  };
  struct pending {
    unsigned opcode;
    int fd;
    std::uint64_t address;  // of memory, or the token that a cancel means
    std::size_t size;
    std::uint64_t token;
    bool quiet;
    bool follows;  // the one before it
    bool linked;   // to the one behind it
    std::vector<pending> then;
  };

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }
  bool chance(unsigned percent) { return percent != 0 && below(100) < percent; }

  /// As the kernel does it: a quiet one that fails is told of, and those behind it are not.
  void complete(const pending& what, std::int32_t result) {
    const bool moves = what.opcode == IORING_OP_SEND || what.opcode == IORING_OP_RECV;
    if (result >= 0 && what.linked && !(moves && static_cast<std::size_t>(result) < what.size)) {
      pending next = what.then.front();
      next.then.assign(what.then.begin() + 1, what.then.end());
      begun_.push_back(next);
      if (what.quiet) return;
    } else if (what.quiet && !what.linked && result >= 0) {
      return;
    }
    ready_.push_back({{what.token, {.result = result, .flags = 0}}, true});
  }

  /// Goes through everything under way once.
  void work() {
    ready_.insert(ready_.end(), again_.begin(), again_.end());
    again_.clear();
    std::vector<pending> now;
    now.swap(under_way_);
    cancelled_.clear();
    for (const pending& each : now) {
      if (each.opcode == IORING_OP_ASYNC_CANCEL) cancel(each, now);
    }
    for (const pending& each : now) {
      if (each.opcode == IORING_OP_ASYNC_CANCEL) continue;
      if (std::ranges::find(cancelled_, each.token) != cancelled_.end()) {
        complete(each, -ECANCELED);
      } else if (chance(how_.late) || !carry_out(each)) {
        under_way_.push_back(each);
      }
    }
    under_way_.insert(under_way_.end(), begun_.begin(), begun_.end());  // too late for the cancels of this turn
    begun_.clear();
  }

  void cancel(const pending& asked, const std::vector<pending>& all) {
    const auto found = std::ranges::find(all, asked.address, &pending::token);
    if (found == all.end()) return complete(asked, -ENOENT);
    if (chance(how_.cancel_misses)) {  // it is just being carried out: ask again later, and look who is first
      under_way_.push_back(asked);
      return;
    }
    cancelled_.push_back(asked.address);
    complete(asked, 0);
  }

  bool carry_out(const pending& what) {
    const int fd = what.fd;
    if (what.opcode == IORING_OP_NOP) {
      complete(what, 0);
      return true;
    }
    if (what.opcode != IORING_OP_SEND && what.opcode != IORING_OP_RECV) {
      complete(what, -EINVAL);
      return true;
    }
    if (chance(how_.interrupted)) {
      complete(what, -EINTR);
      return true;
    }
    constexpr std::size_t capacity = 64;
    std::deque<std::byte>& bytes = inbox_[what.opcode == IORING_OP_SEND ? fd ^ 1 : fd];
    std::size_t size = what.size;
    if (what.opcode == IORING_OP_SEND) {
      size = std::min(size, capacity - bytes.size());
    } else {
      size = std::min(size, bytes.size());
      if (size == 0 && closed_[fd]) {
        complete(what, 0);
        return true;
      }
    }
    if (size == 0) return false;
    if (chance(how_.short_result)) size = 1 + below(size);
    auto* const memory = reinterpret_cast<std::byte*>(what.address);
    if (what.opcode == IORING_OP_SEND) {
      bytes.insert(bytes.end(), memory, memory + size);
    } else {
      std::copy_n(bytes.begin(), size, memory);
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    }
    complete(what, static_cast<std::int32_t>(size));
    return true;
  }

  std::mt19937_64 random_;
  unkindness how_;
  tide::ring::features none_;
  std::vector<pending> queue_;
  std::vector<pending> under_way_;
  std::vector<pending> begun_;
  std::vector<std::uint64_t> cancelled_;
  std::vector<said> ready_;
  std::vector<said> again_;
  std::map<int, std::deque<std::byte>> inbox_;
  std::map<int, bool> closed_;
  int next_ = 100;
  std::size_t duplicates_ = 0;
  bool stuck_ = false;
  bool linking_ = false;
  std::size_t broken_ = 0;
};

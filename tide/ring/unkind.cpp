// A backend around the kernel's that is as unkind as a kernel may be, at moments that a seed decides: requests that find no
// room, submissions that are refused (as by EBUSY, EAGAIN, ENOMEM and EINTR: what was queued stays queued), transfers that
// are cut short, interrupted or left without a buffer, cancels that come late, completions that come late and in another
// order.
//
// What a real kernel never does it does not do either: the completions of one request keep their order, and the answer to a
// cancel never overtakes a completion that was there before it.
#include <liburing.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <deque>
#include <random>
#include <utility>
#include <vector>

#include <tide/ring/backend.hpp>

namespace tide::ring {
namespace {

/// Chances out of a hundred.
constexpr unsigned no_room = 5;
constexpr unsigned refused = 5;
constexpr unsigned interrupted = 4;
constexpr unsigned no_buffer = 4;
constexpr unsigned cut_short = 20;
constexpr unsigned late_cancel = 30;
constexpr unsigned late_completion = 20;

bool of_bytes(unsigned opcode) noexcept {
  return opcode == IORING_OP_READ || opcode == IORING_OP_WRITE || opcode == IORING_OP_READ_FIXED ||
         opcode == IORING_OP_WRITE_FIXED;
}
bool of_pieces(unsigned opcode) noexcept { return opcode == IORING_OP_READV || opcode == IORING_OP_WRITEV; }
bool of_a_file(unsigned opcode) noexcept { return of_bytes(opcode) || of_pieces(opcode); }
bool of_a_socket(unsigned opcode) noexcept {
  return opcode == IORING_OP_SEND || opcode == IORING_OP_SEND_ZC || opcode == IORING_OP_RECV;
}
bool can_be_interrupted(unsigned opcode) noexcept {
  return of_a_file(opcode) || of_a_socket(opcode) || opcode == IORING_OP_SENDMSG || opcode == IORING_OP_ACCEPT;
}
/// Without an offset a file may be an eventfd or a signalfd, which give all or nothing.
bool may_be_short(const io_uring_sqe& entry) noexcept {
  return entry.len > 1 && (of_a_socket(entry.opcode) || (of_a_file(entry.opcode) && entry.off != ~0ULL));
}
/// What goes past the page cache (O_DIRECT) goes in whole blocks, also if it is cut short.
unsigned unit_of(const io_uring_sqe& entry) noexcept {
  const int zeros = of_bytes(entry.opcode) ? std::countr_zero(entry.off | entry.addr | entry.len) : 0;
  return zeros < 9 ? 1 : 1U << static_cast<unsigned>(std::min(zeros, 12));
}

class unkind final : public backend {
 public:
  unkind(std::unique_ptr<backend> behind, const options& wanted)
      : behind_(std::move(behind)), random_(wanted.unkind_seed), kind_(wanted.unkind_seed == 0), verdict_(wanted.verdict) {}

  result<> enable() noexcept override { return behind_->enable(); }
  void disable() noexcept override { behind_->disable(); }

  bool reserve(unsigned requests) noexcept override { return !chance(no_room) && behind_->reserve(requests); }

  bool push(const request& what, std::uint64_t token, bool quiet) noexcept override {
    io_uring_sqe entry = what.entry();
    const bool follows = std::exchange(in_chain_, (entry.flags & IOSQE_IO_LINK) != 0);
    if (follows && broken_) return true;  // never begun, and nobody is told
    broken_ = false;
    if (verdict_ && token != 0) {
      if (const std::int32_t said = verdict_(what); said != 0) {
        broken_ = true;
        return answer(token, said);
      }
    }
    if (follows || in_chain_) return forward(what, token, quiet);  // who follows counts on how this one really ends
    if (chance(no_room)) return false;
    if (entry.opcode == IORING_OP_ASYNC_CANCEL) {
      if (token != 0) barriers_.push_back(token);
      if (!chance(late_cancel)) return forward(what, token, quiet);
      cancels_.push_back({what, token, quiet});
      return true;
    }
    if (token != 0 && !quiet && can_be_interrupted(entry.opcode) && chance(interrupted)) return answer(token, -EINTR);
    if (entry.opcode == IORING_OP_RECV && (entry.flags & IOSQE_BUFFER_SELECT) != 0 && chance(no_buffer)) {
      return answer(token, -ENOBUFS);
    }
    if (may_be_short(entry) && chance(cut_short)) {
      const unsigned unit = unit_of(entry);
      entry.len = unit * (1 + below(entry.len / unit));
      return forward(request::from(entry), token, quiet);
    }
    return forward(what, token, quiet);
  }

  void enter(std::int64_t wait_ns) noexcept override {
    if (chance(refused)) {
      ++refused_;
      ++count_.refused;
      return;
    }
    for (std::size_t left = cancels_.size(); left > 0; --left) {
      const pushed first = cancels_.front();
      cancels_.pop_front();
      if (chance(late_cancel) || !behind_->push(first.what, first.token, first.quiet)) cancels_.push_back(first);
    }
    behind_->enter(held_.empty() && chosen_.empty() && cancels_.empty() ? wait_ns : -1);
    const counters& said = behind_->count();
    count_.enters = said.enters;
    count_.submitted = said.submitted;
    count_.overflowed = said.overflowed;
    count_.refused = said.refused + refused_;
  }

  [[nodiscard]] bool queued() const noexcept override { return !cancels_.empty() || behind_->queued(); }

  bool has_work() noexcept override {
    return !held_.empty() || !chosen_.empty() || !cancels_.empty() || behind_->has_work();
  }

  std::size_t take(std::span<raw_completion> into) noexcept override {
    if (!taking_) {  // once a turn
      raw_completion batch[64];
      for (std::size_t count = behind_->take(batch); count != 0; count = behind_->take(batch)) {
        held_.insert(held_.end(), batch, batch + count);
      }
      choose();
    }
    const std::size_t size = std::min(into.size(), chosen_.size());
    std::copy_n(chosen_.begin(), size, into.begin());
    chosen_.erase(chosen_.begin(), chosen_.begin() + static_cast<std::ptrdiff_t>(size));
    taking_ = size == into.size();  // else the caller does not come again in this turn
    return size;
  }

  result<> register_buffers(std::uint16_t group, void* memory, unsigned entries) noexcept override {
    return behind_->register_buffers(group, memory, entries);
  }
  void unregister_buffers(std::uint16_t group) noexcept override { behind_->unregister_buffers(group); }
  result<> register_memory(std::span<std::byte> memory) noexcept override { return behind_->register_memory(memory); }
  [[nodiscard]] const features& available() const noexcept override { return behind_->available(); }
  result<> announce_by(int eventfd) noexcept override { return behind_->announce_by(eventfd); }
  [[nodiscard]] int descriptor() const noexcept override { return behind_->descriptor(); }
  [[nodiscard]] unsigned entries() const noexcept override { return behind_->entries(); }
  [[nodiscard]] bool inherited() const noexcept override { return behind_->inherited(); }

 private:
  struct pushed {
    request what;
    std::uint64_t token;
    bool quiet;
  };

  unsigned below(std::size_t limit) noexcept { return static_cast<unsigned>(random_() % limit); }
  bool chance(unsigned percent) noexcept { return !kind_ && below(100) < percent; }
  bool forward(const request& what, std::uint64_t token, bool quiet) noexcept { return behind_->push(what, token, quiet); }
  bool answer(std::uint64_t token, std::int32_t result) {
    held_.push_back({token, {.result = result, .flags = 0}});
    return true;
  }

  /// Moves some of what is held to chosen_, in any order that a kernel could have.
  void choose() {
    std::vector<raw_completion> kept;
    for (const raw_completion& each : held_) {
      const auto same = [&](const raw_completion& other) { return other.token == each.token; };
      const auto barrier = std::ranges::find(barriers_, each.token);
      const bool waits = barrier != barriers_.end() ? !kept.empty() : std::ranges::any_of(kept, same);
      if (waits || chance(late_completion)) {
        kept.push_back(each);
        continue;
      }
      if (barrier != barriers_.end()) {
        barriers_.erase(barrier);
        chosen_.push_back(each);
        settled_ = chosen_.size();
        continue;
      }
      // Anywhere behind the last barrier and the last of its own.
      const auto last = std::ranges::find_last_if(chosen_, same).begin();
      const std::size_t from =
          std::max(settled_, last == chosen_.end() ? 0 : static_cast<std::size_t>(last - chosen_.begin()) + 1);
      const std::size_t at = from + below(chosen_.size() - from + 1);
      chosen_.insert(chosen_.begin() + static_cast<std::ptrdiff_t>(at), each);
    }
    held_.swap(kept);
    settled_ = 0;
  }

  std::unique_ptr<backend> behind_;
  std::mt19937_64 random_;
  bool kind_;
  std::function<std::int32_t(const request&)> verdict_;
  std::uint64_t refused_ = 0;
  std::deque<pushed> cancels_;           // not yet with the kernel
  std::vector<raw_completion> held_;     // not yet delivered, in the kernel's order
  std::vector<raw_completion> chosen_;   // delivered now
  std::vector<std::uint64_t> barriers_;  // of cancels that somebody waits for
  std::size_t settled_ = 0;              // of chosen_, so many may not be overtaken
  bool taking_ = false;
  bool in_chain_ = false;  // the next request follows this one
  bool broken_ = false;    // this one has got its result from verdict_
};

}  // namespace

std::unique_ptr<backend> make_unkind(std::unique_ptr<backend> behind, const options& wanted) {
  return std::make_unique<unkind>(std::move(behind), wanted);
}

}  // namespace tide::ring

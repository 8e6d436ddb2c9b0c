// The awaitables of a duplex: what users await as end.read_some(…) and the like. State lives in the awaiting frame. Who has
// to wait is finished by the other side's step (advance), or by a request to cancel; whichever comes first counts.
#pragma once

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <type_traits>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/detail/local_pipe.hpp>
#include <tide/io/pieces.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/task_queue.hpp>

namespace tide::detail {

/// Derived has attempt(): false if it has to wait, else its outcome is there. Movable until it is awaited, awaited once.
template <class Pipe, class Derived, bool Reads>
class pipe_operation : private waiter, protected Pipe::hook {
 public:
  /// A coroutine in a cancelled scope still gets what it need not wait for.
  bool await_ready() noexcept {
    if (pipe_ == nullptr || closed()) return true;
    done_ = self().attempt();
    return done_ && !pipe_->template side<Reads>().tired();
  }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) noexcept {
    return begin(caller, caller.promise().node());
  }

 protected:
  explicit pipe_operation(Pipe* pipe) noexcept : pipe_(pipe) {}
  pipe_operation(pipe_operation&& other) noexcept : waiter(), Pipe::hook(), pipe_(other.pipe_) {}
  ~pipe_operation() = default;
  /// Why there is no outcome, if there is none.
  [[nodiscard]] std::optional<std::error_code> nothing() const noexcept {
    if (done_) return std::nullopt;
    return make_error_code(cancelled_ ? errc::canceled : errc::closed);
  }
  [[nodiscard]] Pipe& pipe() const noexcept { return *pipe_; }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  [[nodiscard]] bool closed() const noexcept { return pipe_->template side<Reads>().closed; }

  bool begin(std::coroutine_handle<> caller, cancel_node& node) noexcept {
    caller_ = caller;
    queue_ = &node.queue();
    auto& side = pipe_->template side<Reads>();
    if (done_) {  // enough for one turn: others first
      side.rest();
      queue_->schedule(caller);
      return true;
    }
    if (node.requested()) {
      cancelled_ = true;
      return false;
    }
    side.waits();
    this->park(*queue_);
    node.attach(*this);
    if (wait()) return true;
    waiter::unlink();
    return false;
  }
  /// Waits, true, or has got what it wanted.
  bool wait() noexcept {
    while (!pipe_->template join<Reads>(*this)) {
      done_ = self().attempt();
      if (done_) return false;
    }
    return true;
  }
  void advance() noexcept override {
    if (closed()) {
      cancelled_ = true;
    } else {
      done_ = self().attempt();
      if (!done_ && !cancel_requested_ && wait()) return;
      cancelled_ = !done_;
    }
    waiter::unlink();
    queue_->schedule(caller_);
  }
  void on_cancel() noexcept override {
    cancel_requested_ = true;
    if (!pipe_->template leave<Reads>(*this)) return;
    cancelled_ = true;
    queue_->schedule(caller_);
  }

  Pipe* pipe_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
  bool done_ = false;
  bool cancelled_ = false;
  bool cancel_requested_ = false;
};

template <class Pipe>
class [[nodiscard]] pipe_read final : public pipe_operation<Pipe, pipe_read<Pipe>, true> {
 public:
  pipe_read(Pipe* pipe, bytes_span into) noexcept : pipe_operation<Pipe, pipe_read, true>(pipe), into_(into) {}
  result<std::size_t> await_resume() const noexcept {
    if (const auto why = this->nothing()) return fail(*why);
    return outcome_;
  }

 private:
  friend pipe_operation<Pipe, pipe_read, true>;
  bool attempt() noexcept {
    if (this->landed > 0 || into_.empty()) {
      outcome_ = this->landed;
      return true;
    }
    const auto ended = this->pipe().ended();  // before the look inside: what was written before the end counts
    if (const std::size_t count = this->pipe().pull(into_); count > 0) {
      outcome_ = count;
    } else if (!ended) {
      this->landing = into_;
      return false;
    } else if (*ended) {
      outcome_ = fail(*ended);
    }
    return true;
  }
  bytes_span into_;
  result<std::size_t> outcome_{0};
};

template <class Pipe>
class [[nodiscard]] pipe_peek final : public pipe_operation<Pipe, pipe_peek<Pipe>, true> {
 public:
  explicit pipe_peek(Pipe* pipe) noexcept : pipe_operation<Pipe, pipe_peek, true>(pipe) {}
  result<const_byte_pieces> await_resume() const noexcept {
    if (const auto why = this->nothing()) return fail(*why);
    auto& pipe = this->pipe();
    if (const auto content = pipe.content(); !content.empty()) return content;
    if (*pipe.ended()) return fail(*pipe.ended());
    return const_byte_pieces{};
  }

 private:
  friend pipe_operation<Pipe, pipe_peek, true>;
  bool attempt() noexcept {
    const bool ended = this->pipe().ended().has_value();
    return this->pipe().size() > 0 || ended;
  }
};

/// Of a copy between two rings: until something can be read, or the end is known. Meanwhile bytes may go by, straight to the
/// reader behind `to`; they are counted.
class [[nodiscard]] pipe_relay final : public pipe_operation<local_pipe, pipe_relay, true> {
 public:
  pipe_relay(local_pipe& from, local_pipe& to, std::uint64_t& read, std::uint64_t& written) noexcept
      : pipe_operation<local_pipe, pipe_relay, true>(&from), to_(to), read_(read), written_(written) {}
  result<> await_resume() const noexcept {
    if (const auto why = nothing()) return fail(*why);
    return {};
  }

 private:
  friend pipe_operation<local_pipe, pipe_relay, true>;
  bool attempt() noexcept {
    through = &to_;
    return pipe().size() > 0 || pipe().ended().has_value();
  }
  void passed(std::size_t count) noexcept override {
    read_ += count;
    written_ += count;
  }
  local_pipe& to_;
  std::uint64_t& read_;
  std::uint64_t& written_;
};

template <class Pipe, bool All>
class [[nodiscard]] pipe_write final : public pipe_operation<Pipe, pipe_write<Pipe, All>, false> {
 public:
  using value = std::conditional_t<All, result<>, result<std::size_t>>;
  pipe_write(Pipe* pipe, bytes_view bytes) noexcept : pipe_operation<Pipe, pipe_write, false>(pipe), left_(bytes) {}
  value await_resume() const noexcept {
    if (const auto why = this->nothing()) return fail(*why);
    if (failed_) return fail(*failed_);
    if constexpr (All) {
      return {};
    } else {
      return written_;
    }
  }

 private:
  friend pipe_operation<Pipe, pipe_write, false>;
  bool attempt() noexcept {
    auto& pipe = this->pipe();
    while (true) {
      failed_ = pipe.ended() ? std::optional(make_error_code(errc::closed)) : pipe.refused();
      if (failed_ || left_.empty()) return true;
      const std::size_t count = pipe.push(left_);
      if (count == 0) {
        this->wants = left_.size();
        return false;
      }
      written_ += count;
      left_ = left_.subspan(count);
      if (!All || left_.empty()) return true;
    }
  }
  bytes_view left_;
  std::size_t written_ = 0;
  std::optional<std::error_code> failed_;
};

/// Until there is room, or it is known that there never will be. Value is what the caller gets: pieces of the room or
/// nothing.
template <class Pipe, class Value>
class [[nodiscard]] pipe_room final : public pipe_operation<Pipe, pipe_room<Pipe, Value>, false> {
 public:
  explicit pipe_room(Pipe* pipe) noexcept : pipe_operation<Pipe, pipe_room, false>(pipe) {}
  result<Value> await_resume() const noexcept {
    if (const auto why = this->nothing()) return fail(*why);
    auto& pipe = this->pipe();
    if (const auto why = pipe.refused()) return fail(*why);
    if (pipe.ended()) return fail(errc::closed);
    if constexpr (std::is_void_v<Value>) {
      return {};
    } else {
      return pipe.room();
    }
  }

 private:
  friend pipe_operation<Pipe, pipe_room, false>;
  bool attempt() noexcept {
    auto& pipe = this->pipe();
    return pipe.size() < pipe.capacity() || pipe.refused().has_value() || pipe.ended().has_value();
  }
};

}  // namespace tide::detail

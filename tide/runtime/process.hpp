// Child processes: started, talked to, waited for and ended by tasks.
//
//   auto child = tide::process::start({.arguments = {"sort"}, .in = tide::process::stdio::pipe, .out =
//   tide::process::stdio::pipe}); co_await child->in().write_all("b\na\n"); child->in().close(); auto count = co_await
//   child->out().read(buffer);             // result<std::size_t>, 0 at the end auto end = co_await child->wait(); //
//   result<exit_status>
//
// A child never becomes a zombie and inherits nothing but its three standard descriptors. A process that is dropped while
// its child runs kills it, or leaves it, as its options say.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>
#include <tide/runtime/io_operation.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

namespace detail {
struct child;
}

/// How a child ended: by itself, with a code, or by a signal.
class exit_status {
 public:
  /// As waitid(2) gives it: si_code and si_status.
  exit_status(int how, int value) noexcept : how_(how), value_(value) {}
  [[nodiscard]] bool success() const noexcept { return exited() && value_ == 0; }
  [[nodiscard]] bool exited() const noexcept { return how_ == CLD_EXITED; }
  [[nodiscard]] int code() const noexcept { return exited() ? value_ : -1; }
  [[nodiscard]] int signal() const noexcept { return exited() ? 0 : value_; }
  bool operator==(const exit_status&) const noexcept = default;

 private:
  int how_;
  int value_;
};

/// Our end of a child's standard stream. One read and one write at a time; nothing may be pending when it goes.
class pipe_end {
 public:
  class read_operation final : public io_operation {
   public:
    read_operation(int fd, bytes_span into) noexcept : io_operation(ring::request::read(fd, into, ~0ULL)) {}
    result<std::size_t> await_resume() const noexcept {
      if (auto failed = error()) return fail(*failed);
      return static_cast<std::size_t>(result_code());
    }
  };
  pipe_end() noexcept = default;
  explicit pipe_end(descriptor fd) noexcept : fd_(std::move(fd)) {}

  /// What is there, at least a byte, into lent memory; 0 at the end of the stream.
  [[nodiscard]] read_operation read(bytes_span into) noexcept { return {fd_.get(), into}; }
  /// All of it. EPIPE when the child reads no longer; no signal.
  task<result<>> write_all(bytes_view bytes);
  task<result<>> write_all(std::string_view text) { return write_all(bytes_of(text)); }

  /// What the child sees as the end of its input.
  void close() noexcept { fd_.reset(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// Gives the descriptor away.
  [[nodiscard]] descriptor release() noexcept { return std::move(fd_); }

 private:
  descriptor fd_;
};

class process {
 public:
  enum class stdio : std::uint8_t {
    inherit,  ///< ours
    null,     ///< /dev/null
    pipe      ///< in(), out() or error(); the child's input is one end of a Unix socket pair, its outputs are pipes
  };
  enum class when_dropped : std::uint8_t { kill, leave };

  struct options {
    std::vector<std::string> arguments{};                   ///< the first is the program, looked up in PATH
    std::optional<std::vector<std::string>> environment{};  ///< NAME=value each; ours if absent
    std::string directory{};                                ///< to start in; ours if empty
    stdio in = stdio::inherit;
    stdio out = stdio::inherit;
    stdio error = stdio::inherit;
    /// Also what a wait() does whose scope is cancelled: kill ends the child and collects it, before the wait gives
    /// errc::canceled; leave only stops waiting.
    when_dropped on_drop = when_dropped::kill;
    bool own_group = false;  ///< a process group of its own, which kill() and dropping reach as a whole
  };

  /// Starts a child, with all signals unblocked and as by default. Blocks for the time of vfork and exec, about a
  /// millisecond. Errors: those of execve(2), so ENOENT if there is no such program; EMFILE. SIGCHLD must not be ignored.
  static result<process> start(const options& wanted);

  process(process&&) noexcept = default;
  process& operator=(process&&) noexcept = default;

  [[nodiscard]] pid_t id() const noexcept;
  [[nodiscard]] pipe_end& in() noexcept { return in_; }
  [[nodiscard]] pipe_end& out() noexcept { return out_; }
  [[nodiscard]] pipe_end& error() noexcept { return error_; }

  class wait_operation final : public io_operation {
   public:
    wait_operation(detail::child& of, when_dropped on_cancel) noexcept;
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> caller) {
      return begin_wait(caller, caller.promise().node());
    }
    result<exit_status> await_resume() noexcept;

   private:
    bool begin_wait(std::coroutine_handle<> caller, cancel_node& node);
    void on_cancel() noexcept override;
    detail::child* child_;
    when_dropped policy_;
    bool killed_ = false;
  };
  /// Until the child has ended; how it ended, as often as asked. One wait at a time. A pipe that is full keeps the child
  /// from ending: read what it says.
  [[nodiscard]] wait_operation wait() noexcept;
  /// How it ended, if it has and a wait has said so.
  [[nodiscard]] std::optional<exit_status> status() const noexcept;

  /// Sends a signal. ESRCH once it has ended: never reaches a stranger that got the same number.
  result<> kill(int signal = SIGKILL) noexcept;
  /// SIGTERM, then, if it takes longer than `grace`, SIGKILL; and waits. Goes on to its end when the scope is cancelled.
  task<result<exit_status>> stop(clock::duration grace);

 private:
  struct let_go {
    void operator()(detail::child* of) const noexcept;
  };
  explicit process(std::unique_ptr<detail::child, let_go> of) noexcept : child_(std::move(of)) {}
  std::unique_ptr<detail::child, let_go> child_;
  pipe_end in_;
  pipe_end out_;
  pipe_end error_;
};

}  // namespace tide

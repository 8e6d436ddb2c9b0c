#include <tide/runtime/process.hpp>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <tide/base/intrusive_list.hpp>
#include <tide/runtime/combine.hpp>
#include <tide/runtime/time.hpp>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char** environ;

namespace tide {
namespace detail {

/// A child that has been started, until it has been collected. The descriptor of the process makes every call race-free.
struct child {
  pid_t id = -1;
  descriptor handle;
  bool own_group = false;
  process::when_dropped on_drop = process::when_dropped::kill;
  std::optional<exit_status> ended;

  /// True once it has ended, and is no zombie any more.
  bool collect(int how) noexcept {
    if (ended) return true;
    siginfo_t info{};
    int done = -1;
    do done = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(handle.get()), &info, WEXITED | how);
    while (done != 0 && errno == EINTR);
    if (done != 0) {
      ended.emplace(CLD_EXITED, -1);  // somebody else collected it
    } else if (info.si_pid != 0) {
      ended.emplace(info.si_code, info.si_status);
    }
    return ended.has_value();
  }
  result<> send(int signal) noexcept {
    if (ended) return fail_errno(ESRCH);
    if (own_group ? ::kill(-id, signal) == 0 : ::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0) == 0)
      return {};
    return fail_errno(errno);
  }
};

/// Collects the children that were dropped before their end.
class child_reaper final : public executor_service {
 public:
  explicit child_reaper(executor& home) noexcept : home_(home) {}
  ~child_reaper() override {
    while (orphan* each = orphans_.pop_front()) each->forget();
  }
  void adopt(std::unique_ptr<child> dropped) {
    auto* const made = new orphan(std::move(dropped));
    orphans_.push_back(*made);
    home_.ring().start(*made, ring::request::poll(made->of->handle.get(), POLLIN));
  }

 private:
  struct orphan final : ring::operation, list_hook {
    explicit orphan(std::unique_ptr<child> whose) noexcept : of(std::move(whose)) {}
    void complete(ring::completion said) noexcept override {
      unlink();
      // An executor that ends cancels the poll: what was killed is gone in a moment, what was left goes to init with us.
      if (said.result >= 0 || of->on_drop == process::when_dropped::kill) of->collect(0);
      delete this;
    }
    void forget() noexcept { unlink(); }
    std::unique_ptr<child> of;
  };
  executor& home_;
  intrusive_list<orphan> orphans_;
};

}  // namespace detail

namespace {

using detail::child;

/// The ends of one of the three streams. The child's is none of 0, 1 and 2, which are overwritten one by one.
struct stream_ends {
  descriptor ours;
  descriptor childs;
};

result<descriptor> above_standard(descriptor fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  descriptor moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved) return fail_errno(errno);
  return moved;
}

result<stream_ends> make_ends(process::stdio wanted, int number) {
  stream_ends ends;
  std::array<int, 2> made{-1, -1};
  if (wanted == process::stdio::null) {
    ends.childs = descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!ends.childs) return fail_errno(errno);
  } else if (wanted == process::stdio::pipe && number == STDIN_FILENO) {
    // A socket, since writing to a pipe that nobody reads sends SIGPIPE, and to a socket need not.
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data()) != 0) return fail_errno(errno);
    ends = {descriptor(made[0]), descriptor(made[1])};
  } else if (wanted == process::stdio::pipe) {
    if (::pipe2(made.data(), O_CLOEXEC) != 0) return fail_errno(errno);
    ends = {descriptor(made[0]), descriptor(made[1])};
  } else {
    return ends;
  }
  auto moved = above_standard(std::move(ends.childs));
  if (!moved) return fail(moved.error());
  ends.childs = std::move(*moved);
  return ends;
}

/// What posix_spawn is told, freed at the end.
class spawn_orders {
 public:
  spawn_orders() noexcept {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  spawn_orders(const spawn_orders&) = delete;
  spawn_orders& operator=(const spawn_orders&) = delete;
  ~spawn_orders() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  void place(const descriptor& fd, int number) noexcept {
    if (fd) note(::posix_spawn_file_actions_adddup2(&actions_, fd.get(), number));
  }
  void begin_as(const process::options& wanted) noexcept {
    if (!wanted.directory.empty()) note(::posix_spawn_file_actions_addchdir_np(&actions_, wanted.directory.c_str()));
    note(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1));
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    const int group = wanted.own_group ? POSIX_SPAWN_SETPGROUP : 0;  // number 0: its own
    ::posix_spawnattr_setflags(&attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group));
  }
  result<pid_t> spawn(const process::options& wanted) {
    std::vector<char*> arguments = pointers(wanted.arguments);
    std::vector<char*> environment;
    if (wanted.environment) environment = pointers(*wanted.environment);
    pid_t id = -1;
    if (error_ == 0) {
      error_ = ::posix_spawnp(&id, arguments[0], &actions_, &attributes_, arguments.data(),
                              wanted.environment ? environment.data() : environ);
    }
    if (error_ != 0) return fail_errno(error_);
    return id;
  }

 private:
  void note(int error) noexcept {
    if (error_ == 0) error_ = error;
  }
  /// As exec wants them; it changes nothing, whatever its type says.
  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (const std::string& each : texts) all.push_back(const_cast<char*>(each.c_str()));
    all.push_back(nullptr);
    return all;
  }
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  int error_ = 0;
};

class send_operation final : public io_operation {
 public:
  send_operation(int fd, bytes_view bytes) noexcept : io_operation(ring::request::send(fd, bytes, true)) {}
  result<std::size_t> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return static_cast<std::size_t>(result_code());
  }
};

}  // namespace

task<result<>> pipe_end::write_all(bytes_view bytes) {
  while (!bytes.empty()) {
    const auto sent = co_await send_operation(fd_.get(), bytes);
    if (!sent) co_return fail(sent.error());
    bytes = bytes.subspan(*sent);
  }
  co_return {};
}

result<process> process::start(const options& wanted) {
  if (wanted.arguments.empty()) return fail_errno(EINVAL);
  const std::array kinds{wanted.in, wanted.out, wanted.error};
  std::array<stream_ends, 3> ends;
  spawn_orders orders;
  for (int number = 0; number < 3; ++number) {
    auto made = make_ends(kinds[static_cast<std::size_t>(number)], number);
    if (!made) return fail(made.error());
    auto& mine = ends[static_cast<std::size_t>(number)] = std::move(*made);
    orders.place(mine.childs, number);
  }
  orders.begin_as(wanted);
  std::unique_ptr<child, let_go> of(new child);
  of->own_group = wanted.own_group;
  of->on_drop = wanted.on_drop;
  auto id = orders.spawn(wanted);
  if (!id) {
    of->ended.emplace(CLD_EXITED, -1);
    return fail(id.error());
  }
  of->id = *id;
  of->handle = descriptor(static_cast<int>(::syscall(SYS_pidfd_open, *id, 0)));
  if (!of->handle) {  // no descriptor left: the child cannot be kept
    const int error = errno;
    ::kill(*id, SIGKILL);
    ::waitpid(*id, nullptr, 0);
    of->ended.emplace(CLD_KILLED, SIGKILL);
    return fail_errno(error);
  }
  process made(std::move(of));
  made.in_ = pipe_end(std::move(ends[0].ours));
  made.out_ = pipe_end(std::move(ends[1].ours));
  made.error_ = pipe_end(std::move(ends[2].ours));
  return made;
}

pid_t process::id() const noexcept { return child_->id; }
std::optional<exit_status> process::status() const noexcept { return child_->ended; }
result<> process::kill(int signal) noexcept { return child_->send(signal); }

void process::let_go::operator()(child* of) const noexcept {
  std::unique_ptr<child> dropped(of);
  if (dropped->ended || dropped->collect(WNOHANG)) return;
  if (dropped->on_drop == when_dropped::kill) (void)dropped->send(SIGKILL);
  if (executor* const here = executor::current()) {
    here->use<detail::child_reaper>().adopt(std::move(dropped));
  } else if (dropped->on_drop == when_dropped::kill) {
    dropped->collect(0);
  }
}

// A poll and a waitid(2) that finds it ended: one more system call in the life of a child than the ring's own waitid (6.7),
// and the same way on every kernel.
process::wait_operation::wait_operation(child& of, when_dropped on_cancel) noexcept
    : io_operation(ring::request::poll(of.handle.get(), POLLIN)), child_(&of), policy_(on_cancel) {}

process::wait_operation process::wait() noexcept { return {*child_, child_->on_drop}; }

bool process::wait_operation::begin_wait(std::coroutine_handle<> caller, cancel_node& node) {
  if (child_->ended) return false;
  if (!node.requested() || policy_ == when_dropped::leave) return begin(caller, node);
  attach(caller, node);
  on_cancel();
  node.home().ring().start(*this, request_);
  return true;
}

void process::wait_operation::on_cancel() noexcept {
  if (policy_ == when_dropped::leave) return io_operation::on_cancel();
  killed_ = child_->send(SIGKILL).has_value();  // the poll sees its end
}

result<exit_status> process::wait_operation::await_resume() noexcept {
  if (!child_->ended) {
    if (auto failed = io_operation::error()) return fail(*failed);
    child_->collect(0);
  }
  if (killed_ && child_->ended->signal() == SIGKILL) return fail(errc::canceled);
  return *child_->ended;
}

task<result<exit_status>> process::stop(clock::duration grace) {
  auto patient = [](child& of, clock::duration time) -> task<result<exit_status>> {
    (void)of.send(SIGTERM);
    auto ended = co_await timeout(time, wait_operation(of, when_dropped::leave));
    if (ended || ended.error() != errc::timed_out) co_return ended;
    (void)of.send(SIGKILL);
    co_return co_await wait_operation(of, when_dropped::leave);
  };
  return shield(patient(*child_, grace));
}

}  // namespace tide

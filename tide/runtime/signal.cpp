#include <tide/runtime/signal.hpp>

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace tide {

result<signal_set> signal_set::create(std::initializer_list<int> numbers) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : numbers) {
    if (::sigaddset(&set, number) != 0) return fail_errno(errno);
  }
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) return fail_errno(error);
  descriptor fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno(errno);
  return signal_set(std::move(fd));
}

// Read by this thread and not by the ring: a 6.1 kernel lets a thread of their own do that, which does not see
// the signals that were sent to this thread alone.
void signal_set::next_operation::complete(ring::completion said) noexcept {
  if (said.result >= 0) {
    signalfd_siginfo info{};
    const auto got = ::read(fd_, &info, sizeof info);
    if (got < 0 && errno == EAGAIN) {  // another task was faster
      if (restart(request_)) return;
      said.result = -ECANCELED;
    } else {
      said.result = got < 0 ? -errno : static_cast<std::int32_t>(info.ssi_signo);
    }
  }
  finish(said);
}

}  // namespace tide

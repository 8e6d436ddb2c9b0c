#include <tide/runtime/signal.hpp>

#include <signal.h>

#include <cerrno>

namespace tide {

result<signal_set> signal_set::create(std::initializer_list<int> numbers) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : numbers) {
    if (::sigaddset(&set, number) != 0) return fail_errno(errno);
  }
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) return fail_errno(error);
  descriptor fd(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!fd) return fail_errno(errno);
  return signal_set(std::move(fd));
}

}  // namespace tide

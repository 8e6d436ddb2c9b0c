#include <tide/runtime/detail/fiber_overflow.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <mutex>
#include <string_view>

#include <tide/runtime/detail/fiber_core.hpp>
#include <tide/runtime/detail/fiber_stack.hpp>

namespace tide::detail {
namespace {

constexpr std::size_t alternate_bytes = std::size_t{64} << 10U;  // room for a handler that prints a backtrace

// A signal's action belongs to the process; what it was before is written once, before our handler can run.
struct sigaction former;

void say(std::string_view text) noexcept {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void say_number(std::size_t number) noexcept {
  std::array<char, 20> digits;
  std::size_t first = digits.size();
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  say({digits.data() + first, digits.size() - first});
}

/// Only calls that a signal handler may make.
void on_segv(int number, siginfo_t* info, void* context) {
  const fiber_core* const fiber = running_fiber();
  if (fiber != nullptr && fiber->stack() != nullptr && in_guard(*fiber->stack(), info->si_addr)) {
    say("tide: fiber '");
    say(fiber->name());
    say("' ran over its stack of ");
    say_number(fiber->stack()->usable);
    say(" bytes (tide::fiber::options::stack_bytes)\n");
  }
  if ((former.sa_flags & SA_SIGINFO) != 0) return former.sa_sigaction(number, info, context);
  if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) return former.sa_handler(number);
  ::sigaction(SIGSEGV, &former, nullptr);  // the access is tried again, and ends the process as it would have
}

void install() {
  struct sigaction ours{};
  ours.sa_sigaction = on_segv;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&ours.sa_mask);
  ::sigaction(SIGSEGV, nullptr, &former);
  ::sigaction(SIGSEGV, &ours, nullptr);
}

}  // namespace

overflow_watch::overflow_watch() {
  static std::once_flag installed;
  std::call_once(installed, install);
  stack_t now{};
  if (::sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;
  alternate_ = std::make_unique_for_overwrite<std::byte[]>(alternate_bytes);
  const stack_t wanted{.ss_sp = alternate_.get(), .ss_flags = 0, .ss_size = alternate_bytes};
  ::sigaltstack(&wanted, nullptr);
}

overflow_watch::~overflow_watch() {
  stack_t now{};
  if (alternate_ == nullptr || ::sigaltstack(nullptr, &now) != 0 || now.ss_sp != alternate_.get()) return;
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  ::sigaltstack(&none, nullptr);
}

}  // namespace tide::detail

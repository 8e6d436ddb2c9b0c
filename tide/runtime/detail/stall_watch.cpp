#include <tide/runtime/detail/stall_watch.hpp>

#include <cxxabi.h>
#include <execinfo.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <format>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <tide/base/log.hpp>
#include <tide/runtime/detail/stack_copy.hpp>
#include <tide/runtime/executor.hpp>

namespace tide::detail {
namespace {

constexpr std::size_t most_frames = 64;

/// What the handler fills in, on the executor's thread. The watching thread reads it after noted_ was posted.
class snapshot {
 public:
  explicit snapshot(executor& of) noexcept : of_(&of) { ::sem_init(&noted_, 0, 0); }
  snapshot(const snapshot&) = delete;
  snapshot& operator=(const snapshot&) = delete;
  ~snapshot() { ::sem_destroy(&noted_); }

  /// Nothing that a signal's handler must not do: no allocation, no lock, no unwinding.
  void note(const ucontext_t& interrupted) noexcept {
    stalled_ = of_ != nullptr && of_->heartbeat().look() == expected_;
    if (stalled_) {
      stack_.take(interrupted);
      const std::string_view name = of_->current_queue().name().substr(0, name_.size());
      name_length_ = static_cast<std::size_t>(std::ranges::copy(name, name_.begin()).out - name_.begin());
    }
    ::sem_post(&noted_);
  }

  void expect(std::uint64_t beat) noexcept { expected_ = beat; }
  /// The executor goes. On its thread, as the handler.
  void forget() noexcept { of_ = nullptr; }
  [[nodiscard]] bool noted_within(std::chrono::milliseconds time) noexcept {
    timespec limit{};
    ::clock_gettime(CLOCK_REALTIME, &limit);
    const long ns = limit.tv_nsec + static_cast<long>(std::chrono::nanoseconds(time).count());
    limit.tv_sec += ns / 1'000'000'000;
    limit.tv_nsec = ns % 1'000'000'000;
    int failed = 0;
    do {
      failed = ::sem_timedwait(&noted_, &limit);
    } while (failed != 0 && errno == EINTR);
    return failed == 0;
  }
  [[nodiscard]] bool stalled() const noexcept { return stalled_; }
  [[nodiscard]] stall_report report() const {
    stall_report made{.queue = std::string(name_.data(), name_length_), .stack = {}};
    const auto calls = stack_.calls(most_frames);
    const std::unique_ptr<char*, void (*)(void*)> names(::backtrace_symbols(calls.data(), static_cast<int>(calls.size())),
                                                        std::free);
    for (std::size_t i = 0; i < calls.size(); ++i) made.stack.push_back({calls[i], readable(names ? names.get()[i] : "?")});
    return made;
  }

 private:
  /// "object(symbol+0x12) [0x…]" with the symbol as it was written.
  static std::string readable(std::string text) {
    const auto begin = text.find('(');
    const auto end = text.find('+', begin);
    if (begin == std::string::npos || end == std::string::npos || end == begin + 1) return text;
    int failed = 0;
    const std::unique_ptr<char, void (*)(void*)> plain(
        abi::__cxa_demangle(text.substr(begin + 1, end - begin - 1).c_str(), nullptr, nullptr, &failed), std::free);
    return plain ? text.substr(0, begin + 1) + plain.get() + text.substr(end) : text;
  }

  executor* of_;
  std::atomic<std::uint64_t> expected_{0};  // also tells the handler that the last report was read
  bool stalled_ = false;
  std::size_t name_length_ = 0;
  std::array<char, 64> name_{};
  sem_t noted_{};
  stack_copy stack_;
};

void on_signal(int, siginfo_t* sent, void* interrupted) {
  if (sent->si_code != SI_QUEUE || sent->si_pid != ::getpid()) return;  // not by stall_watch
  const int before = errno;
  static_cast<snapshot*>(sent->si_value.sival_ptr)->note(*static_cast<const ucontext_t*>(interrupted));
  errno = before;
}

}  // namespace

class stall_watch::watcher {
 public:
  watcher(executor& of, const stall_options& wanted)
      : of_(of),
        wanted_(wanted),
        signal_(wanted.signal != 0 ? wanted.signal : SIGRTMIN + 5),
        snapshot_(std::make_unique<snapshot>(of)),
        watched_(::pthread_self()) {
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    if (::sigaction(signal_, &action, nullptr) != 0) throw std::system_error(errno, std::system_category(), "stall signal");
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal_);
    ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
    thread_ = std::thread([this] { watch(); });
  }
  ~watcher() {
    {
      const std::lock_guard lock(guard_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    // A signal that is still on its way arrives before this thread leaves the kernel the next time; one that is held back
    // keeps what it will write to.
    ::sched_yield();
    if (!under_way_ || snapshot_->noted_within(std::chrono::milliseconds(0))) return;
    snapshot_->forget();
    static_cast<void>(snapshot_.release());
  }

 private:
  void watch() {
    std::uint64_t seen = of_.heartbeat().look();
    auto since = clock::now();
    bool told = false;
    std::unique_lock lock(guard_);
    while (!changed_.wait_for(lock, wanted_.threshold / 4, [this] { return stopping_; })) {
      const std::uint64_t beat = of_.heartbeat().look();
      const auto now = clock::now();
      if (beat != seen || heartbeat::asleep(beat)) {
        seen = beat;
        since = now;
        told = false;
      } else if (!told && now - since >= wanted_.threshold) {
        lock.unlock();
        told = ask(beat, now - since);
        lock.lock();
      }
    }
  }

  /// True unless the executor has not answered yet: then it is asked for its answer again.
  bool ask(std::uint64_t beat, std::chrono::nanoseconds lasted) {
    if (!under_way_) {
      snapshot_->expect(beat);
      under_way_ = ::pthread_sigqueue(watched_, signal_, {.sival_ptr = snapshot_.get()}) == 0;
      if (!under_way_) return false;  // too many signals wait
    }
    if (!snapshot_->noted_within(std::chrono::milliseconds(100))) return false;
    under_way_ = false;
    if (!snapshot_->stalled()) return true;
    stall_report found = snapshot_->report();
    found.lasted = lasted;
    if (wanted_.sink) {
      wanted_.sink(found);
    } else {
      log::warning("a task has kept the executor to itself", {{"stall", found.text()}});
    }
    return true;
  }

  executor& of_;
  stall_options wanted_;
  int signal_;
  std::unique_ptr<snapshot> snapshot_;
  pthread_t watched_;
  bool under_way_ = false;  // the handler has not run yet; watching thread, then the destructor
  std::mutex guard_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

stall_watch::stall_watch(executor& of, const stall_options& wanted)
    : watcher_(wanted.threshold.count() > 0 ? std::make_unique<watcher>(of, wanted) : nullptr) {}
stall_watch::~stall_watch() = default;

}  // namespace tide::detail

namespace tide {

std::string stall_report::text() const {
  std::string whole = std::format("queue \"{}\", {} ms and more:", queue,
                                  std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count());
  for (const stall_frame& each : stack) whole += "\n  " + each.text;
  return whole;
}

}  // namespace tide

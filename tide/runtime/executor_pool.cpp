#include <tide/runtime/executor_pool.hpp>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include <tide/base/topology.hpp>
#include <tide/runtime/detail/thread_setup.hpp>

namespace tide::detail {

/// Where the threads wait until it is known whether every one of them can run.
struct pool_threads::start_line {
  explicit start_line(std::size_t count) : made(count) {}

  void report(std::size_t index, result<executor_handle> what) {
    const std::lock_guard lock(guard);
    if (what) {
      made[index] = std::move(*what);
    } else if (!failed) {
      failed = what.error();
    }
    ++reported;
    changed.notify_all();
  }
  bool wait_for_the_word() {
    std::unique_lock lock(guard);
    changed.wait(lock, [this] { return decided; });
    return !failed;
  }
  void decide(std::size_t begun) {
    std::unique_lock lock(guard);
    changed.wait(lock, [&] { return reported == begun; });
    decided = true;
    changed.notify_all();
  }

  std::mutex guard;
  std::condition_variable changed;
  std::vector<std::optional<executor_handle>> made;
  std::error_code failed;
  std::size_t reported = 0;
  bool decided = false;
  std::vector<std::thread> threads;
};

pool_threads::pool_threads() = default;
pool_threads::~pool_threads() { join(); }

result<std::vector<cpu_set>> pool_threads::places(const placement& where) {
  const auto machine = topology::of_this_thread();
  if (!machine) return fail(machine.error());
  return where.on(*machine);
}

result<std::unique_ptr<pool_threads>> pool_threads::start(const pool_options& wanted, const std::vector<cpu_set>& places,
                                                          body run) {
  std::unique_ptr<pool_threads> pool(new pool_threads());
  pool->run_ = std::move(run);
  pool->line_ = std::make_unique<start_line>(places.size());
  start_line& line = *pool->line_;
  for (std::size_t index = 0; index < places.size(); ++index) {
    executor::options mine = wanted.each;
    mine.cpus = places[index];
    if (!mine.name.empty()) mine.name += '-' + std::to_string(index);
    try {
      line.threads.emplace_back([whole = pool.get(), index, mine = std::move(mine)] { whole->work(index, mine); });
    } catch (const std::system_error& none) {
      const std::lock_guard lock(line.guard);
      if (!line.failed) line.failed = none.code();
      break;
    }
  }
  line.decide(line.threads.size());
  if (line.failed) return fail(line.failed);  // the pool's end joins the threads, of which none runs anything
  for (std::optional<executor_handle>& each : line.made) pool->handles_.push_back(std::move(*each));
  return pool;
}

void pool_threads::work(std::size_t index, const executor::options& wanted) {
  // First of all, so that what the executor allocates comes from its own node.
  const auto kept = wanted.cpus.empty() ? result<>() : keep_on(wanted.cpus);
  auto made = kept ? executor::create(wanted) : result<std::unique_ptr<executor>>(fail(kept.error()));
  line_->report(index, made ? result<executor_handle>((*made)->handle()) : fail(made.error()));
  if (line_->wait_for_the_word()) run_(**made, index);
}

void pool_threads::join() {
  for (std::thread& each : line_->threads) {
    if (each.joinable()) each.join();
  }
}

}  // namespace tide::detail

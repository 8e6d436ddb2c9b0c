#include <exception>
#include <future>
#include <thread>
#include <utility>

#include <apps/relay/practice/live_counters.hpp>
#include <apps/relay/practice/network.hpp>
#include <tide/base/log.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>

namespace tide::relay::practice {

/// What the thread tells about itself once it listens.
struct network_thread::shared_part {
  executor_handle handle;
  std::shared_ptr<scope*> inside;  // belongs to the thread; nullptr once the network has ended
  std::vector<std::string> urls;
  std::shared_ptr<const live_counters> counters;
};

struct network_thread::state {
  shared_part shared;
  std::thread thread;
  ~state() {
    shared.handle.post([inside = shared.inside] {
      if (*inside != nullptr) (*inside)->cancel();
    });
    thread.join();
  }

  using started = std::promise<result<shared_part>>;
  static task<> serve(const network_options& wanted, started& said, scope& inside) {
    auto made = network::bind(wanted);
    if (!made) {
      said.set_value(fail(made.error()));
      co_return;
    }
    struct forgotten_at_the_end {
      std::shared_ptr<scope*> pointer;
      ~forgotten_at_the_end() { *pointer = nullptr; }
    } const here{std::make_shared<scope*>(&inside)};
    said.set_value(shared_part{.handle = inside.node().home().handle(),
                               .inside = here.pointer,
                               .urls = made->urls(),
                               .counters = made->shared_counters()});
    co_await made->serve();
  }
  static void run(network_options wanted, started said) {
    auto home = executor::create({});
    if (!home) return said.set_value(fail(home.error()));
    try {
      (*home)->run([&](scope& inside) { return serve(wanted, said, inside); });
    } catch (const std::exception& error) {
      log::error("the practice network has ended", {{"error", error.what()}});
    }
  }
};

result<network_thread> network_thread::start(const network_options& wanted) {
  state::started said;
  auto heard = said.get_future();
  std::thread thread(&state::run, wanted, std::move(said));
  auto shared = heard.get();
  if (!shared) {
    thread.join();
    return fail(shared.error());
  }
  std::unique_ptr<state> running(new state{.shared = std::move(*shared), .thread = std::move(thread)});
  return network_thread(std::move(running));
}

network_thread::network_thread(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
network_thread::network_thread(network_thread&&) noexcept = default;
network_thread& network_thread::operator=(network_thread&&) noexcept = default;
network_thread::~network_thread() = default;

const std::vector<std::string>& network_thread::urls() const noexcept { return state_->shared.urls; }
network_counters network_thread::count() const noexcept { return state_->shared.counters->snapshot(); }

}  // namespace tide::relay::practice

// Values that travel between tasks, and executors that split their work by key.
#include <cstddef>
#include <map>
#include <print>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tide/sync/channel.hpp>
#include <tide/sync/sharded.hpp>
#include <tide/tide.hpp>

tide::task<> produce(tide::channel<std::string>& lines) {
  for (const char* line : {"one", "two", "three"}) {
    if (!co_await lines.send(line)) co_return;  // waits while the channel is full
  }
  lines.close();  // what is inside can still be received
}

tide::task<> hand_over(tide::scope& scope) {
  tide::channel<std::string> lines(2);
  scope.spawn(produce, std::ref(lines));
  while (auto line = co_await lines.receive()) std::println("{}", *line);
}

struct counters {  // one on each executor: no locks inside
  using message = std::string;
  tide::task<> handle(message word, std::size_t) {
    ++count[word];
    co_return;
  }
  std::map<std::string, int> count;
};

tide::task<> count_words(tide::scope& scope, tide::sharded<counters>& all, std::size_t rank, counters& mine) {
  auto shard = co_await all.start(scope, rank, mine);  // waits until every executor has come
  if (!shard) co_return;
  for (const char* word : {"tide", "pool", "ring", "tide"}) {
    if (!co_await shard->send(shard->owner_of(std::string(word)), word)) co_return;
  }
  shard->close();         // nothing more from here
  co_await scope.join();  // handles what comes until the others have closed too
}

int main() {
  if (const int code = tide::run(hand_over); code != 0) return code;

  constexpr std::size_t executors = 2;
  tide::sharded<counters> all(executors, 16);
  std::vector<counters> parts(executors);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < executors; ++rank) {
    threads.emplace_back(
        [&, rank] { tide::run([&](tide::scope& scope) { return count_words(scope, all, rank, parts[rank]); }); });
  }
  for (std::thread& each : threads) each.join();
  int found = 0;
  for (const counters& part : parts) {
    for (const auto& [word, count] : part.count) {
      std::println("{}: {}", word, count);
      found += count;
    }
  }
  return found == 8 ? 0 : 1;
}

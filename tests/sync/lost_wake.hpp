// Two sides that take turns, so that nearly every wake finds the other side asleep: parked in its ring, or in a futex. No
// timer is armed anywhere: one lost wake stops the test for good.
//
//   struct my_game {                                  // played by two, `me` 0 and 1; me 0 begins
//     static constexpr auto name = "Mine";
//     tide::task<> task(std::size_t me);
//     void thread(std::size_t me);
//   };
//   between_two_executors<my_game>();
#pragma once

#include <cstddef>
#include <functional>

#include <tide/runtime/scope.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "sync/together.hpp"

namespace sync_test {

inline constexpr int lost_wake_rounds = support::sanitized ? 500 : 2'000;

template <class Game>
void play_as_executor(together& all, Game& game, std::size_t me) {
  all.executor([&game, me](tide::scope&) -> tide::task<> { co_await game.task(me); });
}

template <class Game>
void between_two_executors() {
  Game game;
  together all;
  play_as_executor(all, game, 0);
  play_as_executor(all, game, 1);
}

template <class Game>
void between_an_executor_and_a_thread(std::size_t executor) {
  Game game;
  together all;
  play_as_executor(all, game, executor);
  all.thread([&] { game.thread(1 - executor); });
}

template <class Game>
void between_two_threads() {
  Game game;
  together all;
  all.thread([&] { game.thread(0); });
  all.thread([&] { game.thread(1); });
}

template <class Game>
void between_two_coroutines_of_one_executor() {
  Game game;
  support::run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([](Game& of) -> tide::task<> { co_await of.task(0); }, std::ref(game));
    co_await game.task(1);
    co_await scope.join();
  });
}

}  // namespace sync_test

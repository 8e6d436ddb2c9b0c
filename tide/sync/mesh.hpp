// Every executor to every other, by a spsc channel for each pair and direction: mesh<T>.
//
//   tide::mesh<message> net(4, 256);                                     // four executors, room for 256 a pair
//   auto port = co_await net.join(rank);                                 // on each; waits, without spinning, for all of
//   them co_await port->to(2).send(message); auto next = co_await port->from(2).receive();
//
// Who is who is said by the rank that each joins with. A port that goes closes its channels, and the others notice.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <tide/runtime/task.hpp>
#include <tide/sync/latch.hpp>
#include <tide/sync/spsc.hpp>

namespace tide {

/// Made anywhere, joined from any thread. Outlives the joining, not the ports.
template <class T>
class mesh {
 public:
  /// One executor's ends. Moves; belongs to the thread it is used on.
  class port {
   public:
    [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
    [[nodiscard]] std::size_t size() const noexcept { return to_.size(); }
    /// Towards a peer and from it; empty ends, which are closed, for the own rank.
    [[nodiscard]] typename spsc<T>::sender& to(std::size_t peer) noexcept { return to_[peer]; }
    [[nodiscard]] typename spsc<T>::receiver& from(std::size_t peer) noexcept { return from_[peer]; }
    /// Tells the peers that nothing more comes from here.
    void close_sending() noexcept { to_ = std::vector<typename spsc<T>::sender>(to_.size()); }

   private:
    friend mesh;
    port(std::size_t rank, std::size_t size) : rank_(rank), to_(size), from_(size) {}
    std::size_t rank_;
    std::vector<typename spsc<T>::sender> to_;
    std::vector<typename spsc<T>::receiver> from_;
  };

  /// `size` executors; `capacity` values fit between each two, each way.
  mesh(std::size_t size, std::size_t capacity) : joined_(size), all_here_(static_cast<std::uint32_t>(size)) {
    for (std::size_t rank = 0; rank < size; ++rank) ports_.push_back(port(rank, size));
    for (std::size_t from = 0; from < size; ++from) {
      for (std::size_t to = 0; to < size; ++to) {
        if (from == to) continue;
        auto made = spsc<T>::create(capacity);
        ports_[from].to_[to] = std::move(made.sender);
        ports_[to].from_[from] = std::move(made.receiver);
      }
    }
  }

  /// The port of this rank, once every rank has joined. std::errc::invalid_argument for a rank that there is not,
  /// std::errc::already_connected for one that has joined. errc::canceled: the others go on and find this rank closed.
  [[nodiscard]] task<result<port>> join(std::size_t rank) {
    if (rank >= ports_.size()) co_return fail(std::make_error_code(std::errc::invalid_argument));
    if (joined_[rank].exchange(true)) co_return fail(std::make_error_code(std::errc::already_connected));
    port mine = std::move(ports_[rank]);
    if (auto all = co_await all_here_.arrive_and_wait(); !all) co_return fail(all.error());
    co_return mine;
  }

 private:
  std::vector<port> ports_;
  std::vector<std::atomic<bool>> joined_;
  latch all_here_;
};

}  // namespace tide

// State split over executors, each part with one owner, and messages that find their owner: sharded<Handler>.
//
//   struct counters {                                                    // one on each executor; no locks inside
//     using message = std::string;
//     tide::task<> handle(message key, std::size_t from) { ++count[key]; co_return; }
//     std::map<std::string, int> count;
//   };
//   tide::sharded<counters> all(4, 256);                                 // four executors, room for 256 messages a pair
//   auto shard = co_await all.start(scope, rank, mine);                  // on each; waits, without spinning, for all of
//   them co_await shard->send(shard->owner_of(key), key);                     // here: handled at once; elsewhere: sent
//
// Messages of one shard to another are handled one after the other, in the order they were sent.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/sync/mesh.hpp>

namespace tide {

/// Made anywhere, started from any thread. Outlives the starting, not the shards.
template <class Handler>
class sharded {
 public:
  using message = typename Handler::message;

  /// One executor's part of the whole. Moves; belongs to its executor. When it goes, nothing more is sent from here.
  class shard {
   public:
    shard(shard&& other) noexcept = default;
    shard& operator=(shard&& other) noexcept {
      std::swap(port_, other.port_);
      std::swap(handler_, other.handler_);
      return *this;
    }
    ~shard() {
      if (port_) close();
    }
    [[nodiscard]] std::size_t rank() const noexcept { return port_->rank(); }
    [[nodiscard]] std::size_t size() const noexcept { return port_->size(); }
    template <class Key>
    [[nodiscard]] std::size_t owner_of(const Key& key) const {
      return std::hash<Key>()(key) % size();
    }
    /// co_await: result<>; waits while there are too many under way. errc::closed if that shard receives no more,
    /// errc::canceled. One task at a time for each peer.
    [[nodiscard]] task<result<>> send(std::size_t to, message what) {
      if (to != rank()) co_return co_await port_->to(to).send(std::move(what));
      co_await handler_->handle(std::move(what), to);
      co_return {};
    }
    /// Tells the peers that nothing more comes from here. Their scopes end their receiving when all have said so.
    void close() noexcept { port_->close_sending(); }

   private:
    friend sharded;
    shard(typename mesh<message>::port&& port, Handler& handler)
        : port_(std::make_shared<typename mesh<message>::port>(std::move(port))), handler_(&handler) {}
    std::shared_ptr<typename mesh<message>::port> port_;  // the receiving tasks have it too
    Handler* handler_;
  };

  sharded(std::size_t size, std::size_t capacity) : net_(size, capacity) {}

  /// Joins as `rank` and, once every rank has started, spawns into `inside` what receives: a task for each peer, which ends
  /// when that peer has closed. The handler outlives `inside`. Errors: those of mesh::join.
  [[nodiscard]] task<result<shard>> start(scope& inside, std::size_t rank, Handler& handler) {
    auto port = co_await net_.join(rank);
    if (!port) co_return fail(port.error());
    shard made(std::move(*port), handler);
    for (std::size_t peer = 0; peer < made.size(); ++peer) {
      if (peer != rank) inside.spawn(receive, made.port_, peer, std::ref(handler));
    }
    co_return made;
  }

 private:
  static task<> receive(std::shared_ptr<typename mesh<message>::port> port, std::size_t from, Handler& handler) {
    while (auto next = co_await port->from(from).receive()) co_await handler.handle(std::move(*next), from);
  }
  mesh<message> net_;
};

}  // namespace tide

// An operation that writes down what it is told, for tests of the ring itself.
//
//   probe op;  ring.start(op, request::nop());  wait_for(ring, [&] { return op.ended(); });
#pragma once

#include <functional>
#include <vector>

#include <tide/ring/ring.hpp>

class probe final : public tide::ring::operation {
 public:
  void complete(tide::ring::completion said) noexcept override {
    heard.push_back(said);
    if (then) then(said);
  }
  [[nodiscard]] bool ended() const noexcept { return !heard.empty() && !heard.back().more(); }
  [[nodiscard]] int result() const { return heard.back().result; }

  std::vector<tide::ring::completion> heard;
  std::function<void(tide::ring::completion)> then;
};

/// Turns the ring until `done()`.
template <class Done>
void wait_for(tide::ring::ring& ring, Done done) {
  while (!done()) {
    ring.submit_and_wait(tide::ring::ring::forever);
    ring.reap();
  }
}

/// Starts one operation and waits for its end; gives its result.
inline int run_one(tide::ring::ring& ring, const tide::ring::request& what) {
  probe op;
  ring.start(op, what);
  wait_for(ring, [&] { return op.ended(); });
  return op.result();
}

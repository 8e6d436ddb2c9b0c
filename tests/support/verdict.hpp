// A ring on which one request of a kind fails, with any error that there is.
//
//   support::one_failure failing{.kind = request::send(0, {}, true).operation(), .error = EIO};
//   auto executor = tide::executor::create(failing.options()).value();      …      EXPECT_TRUE(failing.happened);
#pragma once

#include <map>

#include <tide/ring/request.hpp>
#include <tide/runtime/executor.hpp>

namespace support {

/// Stays where it is while the executor lives.
struct one_failure {
  unsigned kind = 0;   ///< request::operation()
  int error = 0;       ///< 0: none
  unsigned after = 0;  ///< so many of the kind go well before
  bool happened = false;
  std::map<unsigned, std::size_t> seen{};  ///< requests of each kind that somebody waits for

  std::int32_t operator()(const tide::ring::request& what) {
    ++seen[what.operation()];
    if (error == 0 || happened || what.operation() != kind || after-- != 0) return 0;
    happened = true;
    return -error;
  }
  tide::executor::options options() {
    tide::executor::options wanted;
    wanted.ring.verdict = [this](const tide::ring::request& what) { return (*this)(what); };
    return wanted;
  }
};

}  // namespace support

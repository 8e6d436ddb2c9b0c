// GCC 14 does not know the type of (co_await an_operation_of_a_template_parameter).value(); it knows that of these.
//
//   EXPECT_EQ(value_of(co_await end.read_some(memory)), 3u);
#pragma once

#include <cstddef>
#include <system_error>

#include <tide/base/result.hpp>

namespace support {

template <class T>
T value_of(tide::result<T> outcome) {
  return outcome.value();
}
template <class T>
std::error_code error_of(const tide::result<T>& outcome) {
  return outcome ? std::error_code{} : outcome.error();
}
inline std::size_t size_of(const tide::result<std::size_t>& outcome) { return outcome.value_or(0); }

}  // namespace support

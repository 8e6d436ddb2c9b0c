// Two handlers with a copy between them: left.handler ⇄ left.port =copy= right.port ⇄ right.handler.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <tide/io/any_stream.hpp>
#include <tide/io/copy.hpp>
#include <tide/io/duplex.hpp>

namespace support {

/// The kinds of streams that copies treat differently.
struct local_kind {
  static constexpr const char* name = "Local";
  using end = tide::local::duplex_end;
  using port = end;
};
struct shared_kind {
  static constexpr const char* name = "Shared";
  using end = tide::duplex_end;
  using port = end;
};
/// Through a buffer: nothing but read and write can be seen of the stream.
struct erased_kind {
  static constexpr const char* name = "Erased";
  using end = tide::duplex_end;
  using port = tide::any_stream;
};
struct kind_names {
  template <class Kind>
  static std::string GetName(int) {
    return Kind::name;
  }
};

template <class Kind>
struct side {
  typename Kind::end handler;
  typename Kind::port port;

  static side make(const tide::duplex_options& wanted) {
    auto pair = Kind::end::make(wanted);
    return {std::move(pair.first), typename Kind::port(std::move(pair.second))};
  }
};

}  // namespace support

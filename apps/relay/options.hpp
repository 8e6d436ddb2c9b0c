// What the relay is told on its command line.
//
//   auto options = parse_options(argc, argv);     // prints help or what is wrong, and says how to exit
//   if (!options.settings) return options.exit_code;
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tide/base/log.hpp>
#include <tide/net/address.hpp>

namespace tide::relay {

struct settings {
  net::address listen;
  std::filesystem::path data;
  std::vector<std::string> hosts;  ///< "ws://host:port", no path
  bool dev = false;
  bool practice = false;
  double practice_rate = 0;  ///< events a second over all practice hosts; 0: as fast as they go
  unsigned practice_hosts = 8;
  std::uint16_t practice_port = 2481;  ///< of the first practice host
  std::filesystem::path practice_frames;
  std::optional<std::chrono::seconds> seconds;  ///< stop after so long
  bool status = false;                          ///< a live status line on the terminal
  std::size_t segment_bytes = 0;
  std::uint32_t segments = 0;
  std::chrono::seconds stall{30};
  std::size_t most_consumers = 2000;
  log::level log_level = log::level::info;
};

struct parsed_options {
  std::optional<settings> chosen;
  int exit_code = 0;
};

parsed_options parse_options(int argc, const char* const* argv);

}  // namespace tide::relay

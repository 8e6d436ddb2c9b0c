// Runs a program to its end and gives what it said.
//
//   auto [status, output] = support::run_program({TIDE_EXAMPLE_LUA, "greet.lua"});
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include <tide/base/descriptor.hpp>

extern char** environ;

namespace support {

struct program_end {
  int status = -1;  ///< as waitpid(2) gives it; 0 is success
  std::string output;
};

/// Its standard output; what it writes to its standard error goes to ours.
inline program_end run_program(std::vector<std::string> arguments) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const tide::descriptor read_end(ends[0]);
  tide::descriptor write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  std::vector<char*> raw;
  for (std::string& each : arguments) raw.push_back(each.data());
  raw.push_back(nullptr);
  pid_t id = -1;
  const int failed = ::posix_spawnp(&id, raw[0], &actions, nullptr, raw.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  write_end.reset();
  program_end end;
  if (failed != 0) return end;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = ::read(read_end.get(), part.data(), part.size())) > 0;) {
    end.output.append(part.data(), static_cast<std::size_t>(count));
  }
  ::waitpid(id, &end.status, 0);
  return end;
}

}  // namespace support

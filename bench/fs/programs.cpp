#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "fs/rungs.hpp"

namespace bench {
namespace {

double children_cpu_ns() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto ns = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
  };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

/// What a command prints.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  char piece[4096];
  for (std::size_t size = 0; (size = std::fread(piece, 1, sizeof piece, pipe)) > 0;) text.append(piece, size);
  if (::pclose(pipe) != 0) throw std::runtime_error(command + " failed");
  return text;
}

/// A run of fio, and what it says of itself: its start is not in there.
window fio(const data_file& file, const std::string& job, bool write, double each, std::chrono::nanoseconds length) {
  const auto seconds = std::max<long long>(1, std::chrono::round<std::chrono::seconds>(length).count());
  const std::string text = output_of(
      "fio --name=bench --output-format=json --direct=1 --ioengine=io_uring --time_based --norandommap --runtime=" +
      std::to_string(seconds) + " --size=" + std::to_string(file.size) + " --filename=" + file.path + " " + job);
  const auto said = nlohmann::json::parse(text.substr(text.find('{')))["jobs"][0];
  const auto& moved = said[write ? "write" : "read"];
  const double wall_ns = moved["runtime"].get<double>() * 1e6;
  const double cpu = (said["usr_cpu"].get<double>() + said["sys_cpu"].get<double>()) / 100;
  return {.messages = moved["total_ios"].get<double>() * each, .wall_ns = wall_ns, .cpu_ns = wall_ns * cpu};
}

}  // namespace

bool have_program(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT(concurrency-mt-unsafe)
}

side fio_random_reads(const data_file& from, unsigned depth) {
  return [=](std::chrono::nanoseconds length) {
    return fio(from, "--rw=randread --bs=4k --iodepth=" + std::to_string(depth), false, 1, length);
  };
}

side fio_stream(const data_file& file, bool write) {
  return [=](std::chrono::nanoseconds length) {
    const std::string job = std::string("--rw=") + (write ? "write --overwrite=1" : "read") +
                            " --bs=1m --iodepth=" + std::to_string(stream_depth);
    return fio(file, job, write, static_cast<double>(piece_bytes), length);
  };
}

side dd_stream(const data_file& file, bool write) {
  return [=](std::chrono::nanoseconds) {
    const auto count = std::to_string(file.size / piece_bytes);
    const std::string command = write ? "dd if=/dev/zero of=" + file.path + " bs=1M oflag=direct conv=notrunc count=" + count
                                      : "dd if=" + file.path + " of=/dev/null bs=1M iflag=direct count=" + count;
    const double cpu = children_cpu_ns();
    const auto begun = std::chrono::steady_clock::now();
    static_cast<void>(output_of(command + " 2>&1"));
    const double wall = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begun).count();
    return window{.messages = static_cast<double>(file.size), .wall_ns = wall, .cpu_ns = children_cpu_ns() - cpu};
  };
}

}  // namespace bench

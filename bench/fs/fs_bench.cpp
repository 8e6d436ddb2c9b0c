// tide-bench-fs: reads and writes past the page cache against the same by hand on a ring, fio and dd, by the paired method
// (harness/paired.hpp). Makes a file in a directory of its own and removes it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <print>
#include <stdexcept>
#include <string>
#include <vector>

#include <tide/fs/aligned.hpp>
#include <tide/fs/file.hpp>
#include <tide/fs/stream_reader.hpp>
#include <tide/fs/stream_writer.hpp>
#include <tide/runtime/scope.hpp>

#include "fs/rungs.hpp"
#include "harness/machine.hpp"
#include "harness/report.hpp"
#include "harness/stopwatch.hpp"

namespace {

using bench::data_file;
using bench::side;
using tide::fs::file;

constexpr std::size_t pinned = std::size_t{8} << 20U;

/// One executor, and one file that is open on it between windows.
struct opened {
  opened(const data_file& at, bool write, bool fixed, std::chrono::nanoseconds spin = {})
      : executor(tide::executor::create({.spin_before_park = spin, .registered_memory = fixed ? pinned : 0}).value()) {
    executor->run([&](tide::scope&) -> tide::task<> {
      tide::fs::open_options wanted;
      wanted.access = write ? tide::fs::access::read_write : tide::fs::access::read_only;
      wanted.direct = true;
      auto made = co_await file::open(at.path, wanted);
      if (!made || !made->direct()) throw std::runtime_error("cannot open " + at.path + " past the page cache");
      data = std::move(*made);
    });
  }
  std::unique_ptr<tide::executor> executor;
  file data;
};

tide::task<> read_lent(const file& data, bench::random_blocks& blocks, const bench::stopwatch& watch,
                       std::chrono::nanoseconds length, double& done) {
  auto memory = tide::fs::aligned_buffer::make(bench::block_bytes).value();
  do {
    const auto size = co_await data.read_at(blocks.next(), tide::bytes_span(memory));
    if (!size || *size != bench::block_bytes) throw std::runtime_error("a read failed");
    ++done;
  } while (watch.within(length));
}

/// The same, a slice each time.
tide::task<> read_slices(const file& data, bench::random_blocks& blocks, const bench::stopwatch& watch,
                         std::chrono::nanoseconds length, double& done) {
  do {
    const auto piece = co_await data.read(blocks.next(), bench::block_bytes);
    if (!piece || piece->size() != bench::block_bytes) throw std::runtime_error("a read failed");
    ++done;
  } while (watch.within(length));
}

template <class Reader>
side random_reads(const data_file& from, unsigned depth, bool fixed, Reader reader, std::chrono::nanoseconds spin = {}) {
  auto on = std::make_shared<opened>(from, false, fixed, spin);
  auto blocks = std::make_shared<bench::random_blocks>(from.size);
  return [=](std::chrono::nanoseconds length) {
    return on->executor->run([&](tide::scope& scope) -> tide::task<bench::window> {
      const bench::stopwatch watch;
      double done = 0;
      for (unsigned i = 0; i < depth; ++i) {
        scope.spawn(reader, std::cref(on->data), std::ref(*blocks), std::cref(watch), length, std::ref(done));
      }
      co_await scope.join();
      co_return watch.finish(done);
    });
  };
}

side read_stream(const data_file& from) {
  auto on = std::make_shared<opened>(from, false, false);
  return [=](std::chrono::nanoseconds length) {
    return on->executor->run([&](tide::scope&) -> tide::task<bench::window> {
      const bench::stopwatch watch;
      double done = 0;
      while (watch.within(length)) {
        tide::fs::stream_reader stream(on->data, {.buffer = bench::piece_bytes, .ahead = bench::stream_depth});
        while (watch.within(length)) {
          const auto piece = co_await stream.next();
          if (!piece) throw std::runtime_error("a read failed");
          if (piece->empty()) break;
          done += static_cast<double>(piece->size());
        }
      }
      co_return watch.finish(done);
    });
  };
}

/// Whole passes, as dd makes them.
side write_stream(const data_file& to, bool copied) {
  auto on = std::make_shared<opened>(to, true, false);
  auto piece = std::make_shared<std::vector<std::byte>>(bench::piece_bytes, std::byte{1});
  return [=](std::chrono::nanoseconds length) {
    return on->executor->run([&](tide::scope&) -> tide::task<bench::window> {
      const bench::stopwatch watch;
      double done = 0;
      do {
        tide::fs::stream_writer stream(
            file::adopt(on->data.duplicate().value()),
            {.buffer = bench::piece_bytes, .behind = bench::stream_depth, .sync_on_close = false});
        for (std::uint64_t at = 0; at < to.size; at += bench::piece_bytes) {
          tide::result<> wrote;
          if (copied) {
            wrote = co_await stream.write(*piece);
          } else {  // what is in it is the program's business
            wrote = co_await stream.write(tide::fs::aligned_buffer::make(bench::piece_bytes).value());
          }
          if (!wrote) throw std::runtime_error("a write failed");
        }
        if (!co_await stream.close()) throw std::runtime_error("a write failed");
        done += static_cast<double>(to.size);
      } while (watch.within(length));
      co_return watch.finish(done);
    });
  };
}

struct benchmark {
  std::string name;
  std::string reference_name;
  side subject;
  side reference;
  bool stream = false;   // longer windows too: what is under way at the end is not counted
  bool program = false;  // the reference is a program: longer windows, fewer of them
};

struct options {
  std::size_t pairs = 25;
  unsigned window_ms = 200;
  std::size_t program_pairs = 9;
  std::uint64_t megabytes = 1024;
  std::string directory = std::filesystem::temp_directory_path().string();
  std::string only;
  std::string json;
};

std::vector<benchmark> benchmarks(const data_file& data) {
  std::vector<benchmark> all;
  for (const unsigned depth : {1U, 32U}) {
    const std::string name = "random4k-qd" + std::to_string(depth);
    all.push_back({name, "raw", random_reads(data, depth, false, read_lent), bench::raw_random_reads(data, depth, false)});
    all.push_back({name + "-fixed", "raw-fixed", random_reads(data, depth, true, read_lent),
                   bench::raw_random_reads(data, depth, true)});
    all.push_back({name + "-slices", "raw", random_reads(data, depth, false, read_slices),
                   bench::raw_random_reads(data, depth, false)});
    if (bench::have_program("fio")) {
      all.push_back(
          {name, "fio", random_reads(data, depth, false, read_lent), bench::fio_random_reads(data, depth), false, true});
      all.push_back({name + "-spin", "fio", random_reads(data, depth, false, read_lent, std::chrono::microseconds(100)),
                     bench::fio_random_reads(data, depth), false, true});
    }
  }
  all.push_back({"read1m", "raw", read_stream(data), bench::raw_stream(data, false), true});
  all.push_back({"read1m", "dd", read_stream(data), bench::dd_stream(data, false), true, true});
  all.push_back({"write1m", "raw", write_stream(data, false), bench::raw_stream(data, true), true});
  all.push_back({"write1m-copied", "raw", write_stream(data, true), bench::raw_stream(data, true), true});
  all.push_back({"write1m", "dd", write_stream(data, false), bench::dd_stream(data, true), true, true});
  if (bench::have_program("fio")) {
    all.push_back({"read1m", "fio", read_stream(data), bench::fio_stream(data, false), true, true});
    all.push_back({"write1m", "fio", write_stream(data, false), bench::fio_stream(data, true), true, true});
  }
  return all;
}

void add(bench::report& out, const benchmark& each, const bench::paired_series& series, bool cpu) {
  const auto result = bench::compare(series, [cpu](const bench::window& done) {
    return cpu ? done.cpu_ns / done.messages : done.messages / done.wall_ns * 1e9;
  });
  const bench::target least{bench::bound::ratio_at_least, 0.98};
  const bench::target most{bench::bound::ratio_at_most, 1.05};
  out.add({.bench = "fs",
           .name = each.name,
           .metric = cpu ? "cpu" : "rate",
           .unit = cpu ? (each.stream ? "ns/B" : "ns/read") : (each.stream ? "B/s" : "reads/s"),
           .ours = result.subject,
           .reference = result.reference,
           .reference_name = each.reference_name,
           .ratio = result.ratio,
           .target = cpu ? most : least});
}

data_file make_file(const std::filesystem::path& directory, std::uint64_t megabytes) {
  const data_file made{(directory / "data").string(), megabytes << 20U};
  tide::executor::create({}).value()->run([&](tide::scope&) -> tide::task<> {
    tide::fs::open_options wanted;
    wanted.access = tide::fs::access::write_only;
    wanted.create = true;
    auto data = co_await file::open(made.path, wanted);
    if (!data) throw std::runtime_error("cannot make " + made.path);
    tide::fs::stream_writer stream(std::move(*data));
    const std::vector<std::byte> piece(bench::piece_bytes, std::byte{1});
    for (std::uint64_t i = 0; i < megabytes; ++i) {
      if (!co_await stream.write(piece)) throw std::runtime_error("cannot write " + made.path);
    }
    if (!co_await stream.close()) throw std::runtime_error("cannot write " + made.path);
  });
  return made;
}

void run(const options& chosen, const std::filesystem::path& directory) {
  bench::run_first();
  const data_file data = make_file(directory, chosen.megabytes);
  const auto all = benchmarks(data);  // before this thread has one core: with one, executors do not spin
  const auto awake = bench::keep_cores_awake();
  bench::pin_to(0);
  bench::report out(chosen.json);
  for (const benchmark& each : all) {
    if (!chosen.only.empty() && each.name != chosen.only) continue;
    const auto window =
        std::chrono::milliseconds(each.program || each.stream ? std::max(chosen.window_ms, 1000U) : chosen.window_ms);
    const auto series = bench::take_pairs(each.subject, each.reference,
                                          {.pairs = each.program ? chosen.program_pairs : chosen.pairs, .length = window});
    add(out, each, series, false);
    add(out, each, series, true);
  }
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  CLI::App app("Files past the page cache, by paired windows");
  app.add_option("--pairs", chosen.pairs, "pairs of windows a case")->check(CLI::Range(1, 1000));
  app.add_option("--program-pairs", chosen.program_pairs, "the same against other programs")->check(CLI::Range(1, 100));
  app.add_option("--window-ms", chosen.window_ms, "length of a window")->check(CLI::Range(1, 10'000));
  app.add_option("--directory", chosen.directory, "where the file is made, on the device to measure");
  app.add_option("--megabytes", chosen.megabytes, "size of the file")->check(CLI::Range(16, 65'536));
  app.add_option("--only", chosen.only, "this case alone");
  app.add_option("--json", chosen.json, "append one JSON object a finding to this file");
  CLI11_PARSE(app, argc, argv);
  std::string directory = chosen.directory + "/tide-bench-XXXXXX";
  try {
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("cannot make a directory in " + chosen.directory);
    run(chosen, directory);
    std::filesystem::remove_all(directory);
    return 0;
  } catch (const std::exception& error) {
    std::println(stderr, "{}", error.what());
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    return 1;
  }
}

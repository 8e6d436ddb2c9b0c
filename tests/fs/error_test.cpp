// What the kernel refuses is a value, whatever it is and whenever it comes: every error of every request of every operation.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tide/fs/directory.hpp>
#include <tide/fs/paths.hpp>
#include <tide/fs/read_many.hpp>
#include <tide/fs/sealed_file.hpp>
#include <tide/fs/stream_reader.hpp>
#include <tide/fs/stream_writer.hpp>
#include <tide/ring/file_requests.hpp>

#include "fs/scratch.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using tide::fs::access;
using tide::fs::file;
namespace requests = tide::ring::file_requests;

/// Gives one of the next requests an error of its own.
struct refusing {
  int in = -1;  // so many requests from now; negative: none
  int error = 0;
  bool refused = false;
  std::int32_t operator()(const tide::ring::request& what) {
    if (what.operation() == tide::ring::request::close(0).operation()) return 0;  // the descriptor would stay
    if (in < 0 || in-- > 0) return 0;
    refused = true;
    return -error;
  }
};

std::unique_ptr<tide::executor> executor_with(std::function<std::int32_t(const tide::ring::request&)> verdict) {
  tide::executor::options wanted;
  wanted.ring.verdict = std::move(verdict);
  return tide::executor::create(wanted).value();  // kind in all else
}

using outcome = tide::result<>;
template <class T>
outcome plain(const tide::result<T>& from) {
  return from.transform([](const auto&) {});
}

struct files {
  const support::scratch& where;
  file both;
  file direct;
  tide::fs::directory folder;
};
struct operation {
  const char* name;
  tide::task<outcome> (*run)(files&);
  bool recovers = false;  // has another way after some errors, or reads beyond the end, where nobody hears of one
};

tide::fs::open_options fresh() { return {.access = access::read_write, .create = true, .truncate = true}; }

const operation operations[] = {
    {"open", [](files& with) -> tide::task<outcome> { co_return plain(co_await file::open(with.where / "data")); }},
    {"open direct",
     [](files& with) -> tide::task<outcome> {
       tide::fs::open_options wanted;
       wanted.direct = true;
       co_return plain(co_await file::open(with.where / "data", wanted));
     },
     true},
    {"read_at",
     [](files& with) -> tide::task<outcome> {
       std::array<std::byte, 100> memory;
       co_return plain(co_await with.both.read_at(0, memory));
     }},
    {"read_at given",
     [](files& with) -> tide::task<outcome> {
       auto given = co_await with.both.read_at(0, std::vector<std::byte>(100));
       EXPECT_EQ(given.buffer.size(), 100u) << "it comes back";
       co_return plain(given.size);
     }},
    {"read", [](files& with) -> tide::task<outcome> { co_return plain(co_await with.both.read(10, 100)); }},
    {"read direct", [](files& with) -> tide::task<outcome> { co_return plain(co_await with.direct.read(10, 100)); }},
    {"read_vectored",
     [](files& with) -> tide::task<outcome> {
       std::array<std::byte, 100> memory;
       const iovec piece{memory.data(), memory.size()};
       co_return plain(co_await with.both.read_vectored(0, {&piece, 1}));
     }},
    {"write_all_at", [](files& with) -> tide::task<outcome> { co_return plain(co_await with.both.write_all_at(0, "abc")); }},
    {"write_vectored",
     [](files& with) -> tide::task<outcome> {
       std::array<std::byte, 100> memory{};
       const iovec piece{memory.data(), memory.size()};
       co_return plain(co_await with.both.write_vectored(0, {&piece, 1}));
     }},
    {"sync", [](files& with) -> tide::task<outcome> { co_return co_await with.both.sync(); }},
    {"sync_data", [](files& with) -> tide::task<outcome> { co_return co_await with.both.sync_data(); }},
    {"sync_range", [](files& with) -> tide::task<outcome> { co_return co_await with.both.sync_range(0, 1, 2); }},
    {"allocate", [](files& with) -> tide::task<outcome> { co_return co_await with.both.allocate(0, 4096); }},
    {"punch_hole", [](files& with) -> tide::task<outcome> { co_return co_await with.both.punch_hole(0, 4096); }},
    {"truncate", [](files& with) -> tide::task<outcome> { co_return co_await with.both.truncate(5000); }},
    {"status", [](files& with) -> tide::task<outcome> { co_return plain(co_await with.both.status()); }},
    {"size", [](files& with) -> tide::task<outcome> { co_return plain(co_await with.both.size()); }},
    {"advise",
     [](files& with) -> tide::task<outcome> { co_return co_await with.both.advise(0, 1, tide::fs::advice::random); }},
    {"rename",
     [](files& with) -> tide::task<outcome> {
       co_return co_await tide::fs::rename(with.where / "data", with.where / "data");
     }},
    {"link and unlink",
     [](files& with) -> tide::task<outcome> {
       outcome made = co_await tide::fs::link(with.where / "data", with.where / "second");
       const outcome gone = co_await tide::fs::unlink(with.where / "second");
       co_return made ? gone : made;
     },
     true},
    {"symlink",
     [](files& with) -> tide::task<outcome> {
       outcome made = co_await tide::fs::symlink("data", with.where / "soft");
       ::unlink((with.where / "soft").c_str());
       co_return made;
     }},
    {"make_directory",
     [](files& with) -> tide::task<outcome> {
       outcome made = co_await tide::fs::make_directory(with.where / "inner");
       ::rmdir((with.where / "inner").c_str());
       co_return made;
     }},
    {"remove_directory",
     [](files& with) -> tide::task<outcome> {
       ::mkdir((with.where / "inner").c_str(), 0700);
       co_return co_await tide::fs::remove_directory(with.where / "inner");
     }},
    {"status of a path",
     [](files& with) -> tide::task<outcome> { co_return plain(co_await tide::fs::status(with.where / "data")); }},
    {"directory", [](files& with) -> tide::task<outcome> { co_return plain(co_await with.folder.entries()); }},
    {"stream_reader",
     [](files& with) -> tide::task<outcome> {
       tide::fs::stream_reader stream(with.both, {.buffer = 4096});
       outcome ended;
       while (true) {
         const auto piece = co_await stream.next();
         if (!piece) ended = plain(piece);
         if (!piece || piece->empty()) break;
       }
       EXPECT_EQ(plain(co_await stream.next()), ended) << "an error stays";
       co_return ended;
     },
     true},
    {"stream_writer",
     [](files& with) -> tide::task<outcome> {
       tide::fs::stream_writer stream(file::adopt(with.direct.duplicate().value()), {.buffer = 4096, .behind = 2});
       const outcome wrote = co_await stream.write(support::patterned(0, 20'000));
       const outcome closed = co_await stream.close();
       EXPECT_TRUE(wrote || !closed) << "what was heard of at a write is heard of at close";
       co_return closed;
     },
     true},
    {"read_many",
     [](files& with) -> tide::task<outcome> {
       const std::array<tide::fs::read_range, 2> ranges{{{0, 10}, {4000, 10}}};
       tide::fs::read_many many(with.both, ranges);
       outcome all;
       for (int i = 0; i < 2; ++i) {
         const auto part = co_await many.next();
         if (!part) all = plain(part);
       }
       co_return all;
     }},
    {"sealed_file",
     [](files& with) -> tide::task<outcome> {
       const tide::fs::sealed_file sealed(file::adopt(with.both.duplicate().value()));
       co_return plain(co_await sealed.read(0, 100));
     }},
};

tide::task<files> prepare(const support::scratch& where) {
  auto both = co_await file::open(where / "data", fresh());
  static_cast<void>(co_await both->write_all_at(0, support::patterned(0, 10'000)));
  tide::fs::open_options wanted{.access = access::read_write, .direct = true};
  auto direct = co_await file::open(where / "data", wanted);
  auto folder = co_await tide::fs::directory::open(where.path());
  co_return files{where, std::move(*both), std::move(*direct), std::move(*folder)};
}

TEST(FileErrors, EveryErrorOfEveryRequestIsAValue) {
  const support::scratch where;
  const auto before = support::open_descriptors();
  refusing refuse;
  executor_with(std::ref(refuse))->run([&](tide::scope&) -> tide::task<> {
    files with = co_await prepare(where);
    for (const operation& each : operations) {
      EXPECT_TRUE(co_await each.run(with)) << each.name;
      for (int error = 1; error <= 133; ++error) {
        if (support::sanitized && error % 5 != 0 && error != EINTR) continue;  // ECANCELED is 125
        for (int number = 0;; ++number) {
          refuse = {.in = number, .error = error};
          const outcome said = co_await each.run(with);
          if (!refuse.refused) break;
          refuse.in = -1;
          if (error == EINTR) {
            EXPECT_TRUE(said) << each.name << ": an interrupted request is made again";
          } else if (error == ECANCELED) {
            EXPECT_TRUE(each.recovers || (!said && said.error() == tide::errc::canceled)) << each.name;
          } else {
            EXPECT_TRUE(each.recovers || (!said && said.error() == std::error_code(error, std::system_category())))
                << each.name << ", request " << number << ", " << error;
          }
        }
        refuse.in = -1;
      }
    }
  });
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(FileErrors, OfCloseAreHeardAndTheDescriptorIsGone) {
  const support::scratch where;
  for (const int error : {EIO, ENOSPC, EDQUOT, EINTR}) {
    int fd = -1;
    const auto verdict = [&](const tide::ring::request& what) {
      if (what.operation() != tide::ring::request::close(0).operation()) return 0;
      ::close(fd);  // as the kernel does, whatever it says then
      return -error;
    };
    executor_with(verdict)->run([&](tide::scope&) -> tide::task<> {
      auto data = co_await file::open(where / "data", fresh());
      fd = data->native_handle();
      const auto closed = co_await data->close();
      EXPECT_EQ(closed.has_value(), error == EINTR) << "interrupted or not, it is closed, once";
      EXPECT_TRUE(closed || closed.error() == std::error_code(error, std::system_category()));
      EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
    });
  }
}

// ---- streams that fail --------------------------------------------------------------------------------------------------

TEST(StreamWriterErrors, AWriteThatFailsIsHeardOfAtWhateverComesNextAndFromThenOn) {
  const support::scratch where;
  const auto before = support::open_descriptors();
  for (const int error : {ENOSPC, EIO, EDQUOT}) {
    for (const int fails : {0, 1, 3}) {
      int writes = 0;
      const auto verdict = [&](const tide::ring::request& what) {
        return what.operation() == tide::ring::request::write(0, {}, 0).operation() && writes++ == fails ? -error : 0;
      };
      executor_with(verdict)->run([&](tide::scope&) -> tide::task<> {
        auto data = co_await file::open(where / "data", fresh());
        tide::fs::stream_writer stream(std::move(*data), {.buffer = 4096, .behind = 2});
        const std::error_code wanted(error, std::system_category());
        outcome said;
        for (int i = 0; i < 5 && said; ++i) said = co_await stream.write(support::patterned(0, 4096));
        if (said) said = co_await stream.flush();
        EXPECT_EQ(said.error(), wanted);
        EXPECT_EQ((co_await stream.write("more")).error(), wanted);
        EXPECT_EQ((co_await stream.sync()).error(), wanted);
        EXPECT_EQ((co_await stream.close()).error(), wanted);
      });
    }
  }
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(StreamWriterErrors, ADeviceThatIsFull) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "needs /dev/full";
  support::run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open("/dev/full", {.access = access::write_only});
    tide::fs::stream_writer stream(std::move(*data));
    EXPECT_TRUE(co_await stream.write("it takes this into its buffer"));
    EXPECT_EQ((co_await stream.flush()).error(), std::errc::no_space_on_device);
    EXPECT_EQ((co_await stream.close()).error(), std::errc::no_space_on_device);
  });
}

TEST(StreamWriterErrors, ShortWritesAreFinished) {
  const support::scratch where;
  tide::executor::options unkind;
  unkind.ring.unkind_seed = 7;
  tide::executor::create(unkind).value()->run([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", fresh());
    tide::fs::stream_writer stream(std::move(*data), {.buffer = 4099});
    EXPECT_TRUE(co_await stream.write(support::patterned(0, 300'000)));
    EXPECT_TRUE(co_await stream.close());
  });
  const std::string text = support::content(where / "data");
  EXPECT_EQ(text.size(), 300'000u);
  EXPECT_EQ(support::fits(0, tide::bytes_of(text)), 300'000u);
}

TEST(StreamWriterErrors, BytesSizeAndDeviceComeInThisOrder) {
  const support::scratch where;
  std::vector<unsigned> order;
  const auto record = [&](const tide::ring::request& what) {
    if (order.empty() || order.back() != what.operation()) order.push_back(what.operation());
    return 0;
  };
  const auto here = executor_with(record);
  if (!here->ring().available().truncate) GTEST_SKIP() << "the size is set by a thread, which the ring does not see";
  here->run([&](tide::scope&) -> tide::task<> {
    tide::fs::open_options wanted = fresh();
    wanted.direct = true;
    auto data = co_await file::open(where / "data", wanted);
    tide::fs::stream_writer stream(std::move(*data), {.buffer = 8192});
    EXPECT_TRUE(co_await stream.write(support::patterned(0, 30'001)));
    order.clear();
    EXPECT_TRUE(co_await stream.close());
  });
  const std::vector<unsigned> wanted{tide::ring::request::write(0, {}, 0).operation(), requests::truncate(0, 0).operation(),
                                     requests::sync(0, true).operation(), tide::ring::request::close(0).operation()};
  EXPECT_EQ(order, wanted);
  EXPECT_EQ(support::content(where / "data").size(), 30'001u);
}

}  // namespace

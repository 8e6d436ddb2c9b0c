// Files and cancelling: whatever is under way when the request comes, no descriptor stays, no buffer is touched after it
// came back, and no read that nobody waits for is in anybody's way. TIDE_OPENS=100000 asks for as many opens, TIDE_CANCELS
// for as many cancelled reads and writes.
#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <tide/fs/file.hpp>
#include <tide/fs/paths.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

#include "fs/scratch.hpp"
#include "support/poisoned.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::run_here;
using tide::fs::access;
using tide::fs::file;

std::uint64_t wanted(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(FileCancel, AnOpenThatRacesWithItLeavesNoDescriptor) {
  const support::scratch where;
  support::write_pattern(where / "data", 100);
  const auto before = support::open_descriptors();
  const auto opens = wanted("TIDE_OPENS", support::sanitized ? 1'000 : 10'000);
  std::uint64_t in_vain = 0;
  auto here = support::make_executor();
  here->run([&](tide::scope&) -> tide::task<> {
    std::mt19937_64 random(1);
    for (std::uint64_t round = 0; round < opens; ++round) {
      tide::fs::open_options how;
      how.direct = random() % 4 == 0;
      if (random() % 2 == 0) {  // on a thread of the kernel
        how.access = access::write_only;
        how.create = true;
        how.truncate = random() % 2 == 0;
      }
      co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
        inside.spawn([&]() -> tide::task<> {
          const auto opened = co_await file::open(where / "data", how);
          EXPECT_TRUE(opened || opened.error() == tide::errc::canceled) << opened.error().message();
          if (opened) ++in_vain;
        });
        for (auto turns = random() % 5; turns > 0; --turns) co_await tide::yield();
        inside.cancel();
        co_await inside.join();
      });
    }
  });
  here.reset();
  EXPECT_EQ(support::open_descriptors(), before);
  EXPECT_LT(in_vain, opens);
}

TEST(FileCancel, NothingIsWrittenIntoMemoryThatCameBack) {
  const support::scratch where;
  constexpr std::size_t size = 8192;
  support::write_pattern(where / "data", 1'000'000);
  support::poisoned_memory memory(64, size);
  auto left = wanted("TIDE_CANCELS", support::sanitized ? 1'000 : 5'000);
  run_here([&](tide::scope& scope) -> tide::task<> {
    auto source = co_await file::open(where / "data");
    auto target = co_await file::open(where / "copy", {.access = access::write_only, .create = true});
    for (unsigned worker = 0; worker < 8; ++worker) {
      scope.spawn([&, worker]() -> tide::task<> {
        std::mt19937_64 random(worker);
        while (left > 0) {
          --left;
          const std::uint64_t offset = random() % 990'000;
          const auto time = std::chrono::microseconds(random() % 20);
          switch (random() % 4) {
            case 0: {  // never awaited
              static_cast<void>(source->read_at(offset, memory.take()));
              break;
            }
            case 1: {
              auto given = co_await tide::timeout(time, target->write_all_at(offset, memory.take()));
              EXPECT_EQ(given.buffer.size(), size) << "it comes back in every case";
              break;
            }
            default: {
              auto given = co_await tide::timeout(time, source->read_exactly_at(offset, memory.take()));
              EXPECT_EQ(given.buffer.size(), size);
              EXPECT_TRUE(!given.size || support::fits(offset, {given.buffer.data(), size}) == size);
            }
          }
        }
      });
    }
    co_await scope.join();
  });
  EXPECT_EQ(memory.damaged(), 0u);
}

TEST(FileCancel, AnExecutorThatEndsWaitsForAThousandReads) {
  const support::scratch where;
  support::write_pattern(where / "data", 4'000'000);
  const auto before = support::open_descriptors();
  support::poisoned_memory memory(1000, 4096);
  {
    auto here = support::make_executor();
    here->run([&](tide::scope&) -> tide::task<> {
      tide::fs::open_options direct;
      direct.direct = true;
      const auto data = std::make_shared<file>(std::move((co_await file::open(where / "data", direct)).value()));
      for (std::uint64_t i = 0; i < 1000; ++i) {
        here->detach([&memory, data, i]() -> tide::task<> {
          auto block = memory.take();  // at no address that a direct file wants: those fail, the others are under way
          static_cast<void>(co_await data->read(i * 4000, 4096));
          static_cast<void>(co_await data->read_at(i * 4096, std::move(block)));
        });
      }
      co_await tide::yield();
    });
  }
  EXPECT_EQ(memory.damaged(), 0u);
  EXPECT_EQ(support::open_descriptors(), before);
}

// ---- what open asks of the system ---------------------------------------------------------------------------------------

/// From here on a process that makes one of these calls is killed.
bool forbid(std::initializer_list<unsigned> calls) {
  std::vector<sock_filter> rules{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const unsigned call : calls) {
    rules.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    rules.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  rules.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{.len = static_cast<unsigned short>(rules.size()), .filter = rules.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(FileOpen, AsksNothingOfTheSystemButThroughTheRing) {
  if (support::sanitized) GTEST_SKIP() << "sanitizers make calls of their own";
  const support::scratch where;
  support::write_pattern(where / "data", 10'000);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool worked = run_here([&](tide::scope&) -> tide::task<bool> {
      if (!forbid({SYS_open, SYS_openat, SYS_openat2, SYS_stat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs,
                   SYS_fstatfs, SYS_readlink, SYS_readlinkat, SYS_ioctl, SYS_dup, SYS_fcntl, SYS_read, SYS_pread64,
                   SYS_getdents64})) {
        co_return false;
      }
      tide::fs::open_options direct;
      direct.direct = true;
      auto data = co_await file::open(where / "data", direct);
      if (!data) co_return false;
      const auto read = co_await data->read(100, 9000);
      if (!read || support::fits(100, read->bytes()) != 9000) co_return false;
      const auto closed = co_await data->close();
      co_return closed.has_value();
    });
    ::_exit(worked ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "it made such a call";
  EXPECT_EQ(status, 0);
}

}  // namespace

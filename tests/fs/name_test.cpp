// Names of files, directories and advisory locks.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <tide/fs/directory.hpp>
#include <tide/fs/paths.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

#include "fs/scratch.hpp"
#include "support/process.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::fs::directory;
using tide::fs::file;
using tide::fs::lock_kind;
using tide::fs::rename_mode;

void touch(const std::string& path, const std::string& text = "") { std::ofstream(path) << text; }

TEST(Names, RenameLinkAndRemove) {
  const support::scratch where;
  touch(where / "a", "a");
  touch(where / "b", "b");
  run_here([&](tide::scope&) -> tide::task<> {
    EXPECT_EQ((co_await tide::fs::rename(where / "a", where / "b", rename_mode::fresh)).error(), std::errc::file_exists);
    EXPECT_TRUE(co_await tide::fs::rename(where / "a", where / "b", rename_mode::exchange));
    EXPECT_EQ(support::content(where / "a"), "b");
    EXPECT_TRUE(co_await tide::fs::rename(where / "a", where / "b"));
    EXPECT_EQ(support::content(where / "b"), "b");
    EXPECT_EQ((co_await tide::fs::rename(where / "a", where / "c")).error(), std::errc::no_such_file_or_directory);
    EXPECT_TRUE(co_await tide::fs::link(where / "b", where / "second"));
    EXPECT_EQ((co_await tide::fs::status(where / "b"))->links, 2u);
    EXPECT_TRUE(co_await tide::fs::unlink(where / "b"));
    EXPECT_TRUE(co_await tide::fs::symlink("second", where / "soft"));
    EXPECT_TRUE(S_ISLNK((co_await tide::fs::status(where / "soft", false))->mode));
    EXPECT_EQ((co_await tide::fs::status(where / "soft"))->size, 1u);
    EXPECT_TRUE(co_await tide::fs::make_directory(where / "inner", 0700));
    EXPECT_EQ((co_await tide::fs::make_directory(where / "inner")).error(), std::errc::file_exists);
    EXPECT_EQ((co_await tide::fs::unlink(where / "inner")).error(), std::errc::is_a_directory);
    EXPECT_TRUE(co_await tide::fs::remove_directory(where / "inner"));
    EXPECT_EQ((co_await tide::fs::remove_directory(where / "second")).error(), std::errc::not_a_directory);
  });
}

TEST(Names, AFileThatIsRenamedOverStaysWhatItWas) {
  const support::scratch where;
  touch(where / "old", "old");
  touch(where / "new", "new");
  run_here([&](tide::scope&) -> tide::task<> {
    auto open = co_await file::open(where / "old");
    EXPECT_TRUE(co_await tide::fs::rename(where / "new", where / "old"));
    EXPECT_EQ(tide::text_of((co_await open->read(0, 10))->bytes()), "old");
    EXPECT_EQ((co_await open->status())->links, 0u);
    EXPECT_EQ(tide::text_of((co_await (co_await file::open(where / "old"))->read(0, 10))->bytes()), "new");
  });
}

TEST(Directory, GivesEveryNameOnceInAsManyBatchesAsItTakes) {
  const support::scratch where;
  const auto before = support::open_descriptors();
  std::set<std::string> names;
  for (int i = 0; i < 1300; ++i) {
    names.insert("a-name-that-takes-some-room-" + std::to_string(i));
    touch((where / "") + "a-name-that-takes-some-room-" + std::to_string(i));
  }
  run_here([&](tide::scope&) -> tide::task<> {
    auto made = co_await directory::create(where / "inner");
    EXPECT_TRUE(made);
    names.insert("inner");
    auto folder = co_await directory::open(where.path());
    auto walk = co_await folder->entries();
    auto other = co_await folder->entries();
    const auto another = co_await other->next();
    EXPECT_TRUE(another && another->inode != 0) << "a second walk is its own";
    std::set<std::string> seen;
    while (true) {
      auto entry = co_await walk->next();
      EXPECT_TRUE(entry);
      if (!entry || !*entry) break;
      EXPECT_TRUE(seen.insert(entry->name).second) << entry->name << " came twice";
      EXPECT_EQ(entry->kind, entry->name == "inner" ? tide::fs::entry_kind::directory : tide::fs::entry_kind::file);
    }
    EXPECT_EQ(seen, names);
    const auto behind = co_await walk->next();
    EXPECT_TRUE(behind && !*behind) << "the end stays the end";
    EXPECT_TRUE(co_await folder->sync());
    auto nothing = co_await made->entries();
    const auto none = co_await nothing->next();
    EXPECT_TRUE(none && !*none) << "an empty one";
  });
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(Directory, IsAPlaceThatPathsDoNotLeave) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto folder = co_await directory::create(where / "inner");
    auto data = co_await file::open(folder->at("data"), {.access = tide::fs::access::write_only, .create = true});
    EXPECT_TRUE(data);
    EXPECT_TRUE(co_await tide::fs::rename(where / "inner", where / "moved"));
    EXPECT_TRUE(co_await tide::fs::rename(folder->at("data"), folder->at("other"))) << "wherever it is now";
    touch(where / "outside");
    EXPECT_TRUE(co_await file::open(folder->at("../outside")));
    EXPECT_EQ((co_await file::open(folder->at("../outside"), {.resolve = {.beneath = true}})).error(),
              std::errc::cross_device_link);
    EXPECT_EQ((co_await directory::open(folder->at("other"))).error(), std::errc::not_a_directory);
    EXPECT_TRUE(co_await folder->close());
  });
}

TEST(FileLock, ExcludesOtherOpensAndNotDuplicates) {
  const support::scratch where;
  touch(where / "data");
  run_here([&](tide::scope&) -> tide::task<> {
    tide::fs::open_options both;
    both.access = tide::fs::access::read_write;
    auto one = co_await file::open(where / "data", both);
    auto two = co_await file::open(where / "data", both);
    auto again = file::adopt(one->duplicate().value());
    {
      auto held = one->try_lock(lock_kind::shared);
      EXPECT_TRUE(held && held->held());
      EXPECT_TRUE(two->try_lock(lock_kind::shared)) << "and lets it go at once";
      EXPECT_EQ(two->try_lock(lock_kind::exclusive).error(), std::errc::resource_unavailable_try_again);
    }
    auto held = one->try_lock(lock_kind::exclusive, 0, 100);
    EXPECT_TRUE(held);
    EXPECT_TRUE(again.try_lock(lock_kind::exclusive, 200, 10)) << "it is the same open file";
    EXPECT_FALSE(two->try_lock(lock_kind::shared, 99, 1));
    EXPECT_TRUE(two->try_lock(lock_kind::exclusive, 100, 1)) << "a part that nobody has";
    EXPECT_TRUE(co_await one->close());
    EXPECT_TRUE(co_await again.close());
    EXPECT_FALSE(two->try_lock(lock_kind::shared)) << "the guard keeps it, also without the file";
    held->unlock();
    EXPECT_TRUE(two->try_lock(lock_kind::exclusive));
  });
}

TEST(FileLock, IsWaitedForAndTheWaitCanEnd) {
  const support::scratch where;
  touch(where / "data");
  run_here([&](tide::scope& scope) -> tide::task<> {
    tide::fs::open_options both;
    both.access = tide::fs::access::read_write;
    auto one = co_await file::open(where / "data", both);
    auto two = co_await file::open(where / "data", both);
    auto held = one->try_lock(lock_kind::exclusive);
    EXPECT_EQ((co_await tide::timeout(2ms, two->lock(lock_kind::exclusive))).error(), tide::errc::timed_out);
    bool had = false;
    scope.spawn([&]() -> tide::task<> {
      const auto mine = co_await two->lock(lock_kind::exclusive);
      had = mine.has_value();
    });
    EXPECT_TRUE(co_await tide::sleep(1ms));
    EXPECT_FALSE(had);
    held->unlock();
    co_await scope.join();
    EXPECT_TRUE(had);
    EXPECT_TRUE(one->try_lock(lock_kind::exclusive));
  });
}

}  // namespace

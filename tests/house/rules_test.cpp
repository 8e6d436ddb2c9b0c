// Each rule of the house against a planted violation, and beside it what must pass.
#include <gtest/gtest.h>

#include <stdexcept>

#include "house/rules.hpp"

namespace {

using house::make_file;
using house::tree;

constexpr std::string_view rooms = R"(
room base:
room ring: base
room runtime: base ring
room io: runtime
room net: io
room pool: base
file tide/pool/waiter: runtime
library liburing.h: tide/ring bench
library wslay/: tide/http
)";

/// "path:line" of each violation.
std::vector<std::string> places(const std::vector<house::violation>& found) {
  std::vector<std::string> list;
  for (const auto& each : found) list.push_back(each.path + ":" + std::to_string(each.line));
  return list;
}

using list = std::vector<std::string>;

TEST(HouseRules, CommentsAndLiteralsAreNoCode) {
  const auto file = make_file(
      "a.cpp", "int a = 1'000; // mmap(\n/* x\n y */ f(\"mm\\\"ap\", '\"');\nauto r = R\"x(one\ntwo)\" )x\" + b;\n");
  ASSERT_EQ(file.code.size(), 5u);
  EXPECT_EQ(file.code[0], "int a = 1'000;         ");
  EXPECT_EQ(file.code[1], "    ");
  EXPECT_EQ(file.code[2], "      f(        ,    );");
  EXPECT_EQ(file.code[3], "auto r =        ");
  EXPECT_EQ(file.code[4], "          + b;");
}

TEST(HouseRules, RoomsReachWhatTheirRoomsReach) {
  const auto table = house::parse_rooms(rooms);
  EXPECT_EQ(table.rooms.at("net"), (std::set<std::string>{"base", "io", "net", "ring", "runtime"}));
  EXPECT_THROW((void)house::parse_rooms("room a: b\nroom b: a\n"), std::invalid_argument);
  EXPECT_THROW((void)house::parse_rooms("kitchen a: b\n"), std::invalid_argument);
}

TEST(HouseRules, AnArrowThatRunsUp) {
  const tree files = {
      make_file("tide/attic/a.hpp", "\n"),
      make_file("tide/net/tcp.hpp", "#include <tide/base/bytes.hpp>\n#include <tide/io/buffer.hpp>\n"),
      make_file("tide/net/udp.hpp", "#include <tide/tide.hpp>\n// #include <tide/pool/pool.hpp>\n"),
      make_file("tide/pool/pool.hpp", "#include <tide/runtime/executor.hpp>\n"),
      make_file("tide/pool/waiter.hpp", "#include <tide/runtime/executor.hpp>\n"),
      make_file("tide/ring/ring.cpp", "#include <tide/base/bytes.hpp>\n#  include \"../runtime/task.hpp\"\n"),
      make_file("tide/runtime/task.hpp", "#include <apps/relay/host.hpp>\n"),
      make_file("tide/tide.hpp", "#include <tide/net/tcp.hpp>\n")};
  EXPECT_EQ(places(house::arrows_that_run_up(files, house::parse_rooms(rooms))),
            (list{"tide/attic/a.hpp:0", "tide/net/udp.hpp:1", "tide/pool/pool.hpp:1", "tide/ring/ring.cpp:2",
                  "tide/runtime/task.hpp:1"}));
}

TEST(HouseRules, ACircle) {
  const tree files = {make_file("tide/io/a.hpp", "#include <tide/io/b.hpp>\n"),
                      make_file("tide/io/b.hpp", "#include \"c.hpp\"\n"),
                      make_file("tide/io/c.hpp", "#include <vector>\n#include <tide/io/a.hpp>\n"),
                      make_file("tide/io/d.hpp", "#include <tide/io/a.hpp>\n#include <tide/io/b.hpp>\n")};
  EXPECT_EQ(places(house::circles(files)), (list{"tide/io/c.hpp:2"}));
}

TEST(HouseRules, AReachIntoDetail) {
  const std::string_view text = "#include <tide/pool/pool.hpp>\n#include <tide/pool/detail/layout.hpp>\n";
  const tree files = {make_file("apps/relay/main.cpp", text), make_file("tests/pool/layout_test.cpp", text),
                      make_file("tests/relay/relay_test.cpp", text), make_file("tide/pool/pool.cpp", text),
                      make_file("tide/replica/replica.cpp", text)};
  EXPECT_EQ(places(house::reaches_into_detail(files)),
            (list{"apps/relay/main.cpp:2", "tests/relay/relay_test.cpp:2", "tide/replica/replica.cpp:2"}));
}

TEST(HouseRules, ALibraryOutOfPlace) {
  const std::string_view text = "#include <liburing.h>\n#include <wslay/wslay.h>\n";
  const tree files = {make_file("bench/echo/raw.cpp", text), make_file("tide/http/websocket.cpp", text),
                      make_file("tide/ring/ring.hpp", text)};
  EXPECT_EQ(places(house::libraries_out_of_place(files, house::parse_rooms(rooms))),
            (list{"bench/echo/raw.cpp:2", "tide/http/websocket.cpp:1", "tide/ring/ring.hpp:2"}));
}

TEST(HouseRules, UnsafeCodeOutOfPlace) {
  for (const char* line :
       {"auto p = reinterpret_cast<char*>(q);", "void* p = ::mmap(nullptr, 1, 0, 0, -1, 0);", "munmap(p, 1);",
        "n.load(std::memory_order_acquire);", "n.load(std::memory_order::relaxed);", "std::atomic_thread_fence(order);",
        "__atomic_load_n(&n, 0);", "swapcontext(&a, &b);", "jump_fcontext(to, nullptr);", "asm volatile(\"pause\");"}) {
    const tree files = {make_file("apps/relay/a.cpp", line),   make_file("examples/a.cpp", line),
                        make_file("tests/ring/a.cpp", line),   make_file("tide/pool/detail/a.hpp", line),
                        make_file("tide/pool/pool.hpp", line), make_file("tide/ring/a.cpp", line),
                        make_file("tide/runtime/a.cpp", line), make_file("tide/runtime/detail/a.hpp", line)};
    EXPECT_EQ(places(house::unsafe_out_of_place(files)),
              (list{"apps/relay/a.cpp:1", "examples/a.cpp:1", "tide/pool/pool.hpp:1", "tide/runtime/a.cpp:1"}))
        << line;
  }
  const tree harmless = {
      make_file("tide/net/a.cpp", "n.load();  // not reinterpret_cast\nlog(\"mmap(\");\nint mmap_count = 0;\n")};
  EXPECT_EQ(places(house::unsafe_out_of_place(harmless)), list{});
}

TEST(HouseRules, UnsafeCodeWithoutAReason) {
  const std::string code = "auto p = reinterpret_cast<char*>(q);\n";
  const std::string gap(11, '\n');
  const tree files = {make_file("tide/ring/bare.cpp", code),
                      make_file("tide/ring/far.cpp", "// SAFETY: long ago\n\n" + gap + code),
                      make_file("tide/ring/near.cpp", "// SAFETY: the kernel keeps it\n" + gap + code),
                      make_file("tide/ring/text.cpp", "log(\"SAFETY:\");\n" + code)};
  EXPECT_EQ(places(house::unsafe_without_reason(files)),
            (list{"tide/ring/bare.cpp:1", "tide/ring/far.cpp:14", "tide/ring/text.cpp:2"}));
}

TEST(HouseRules, TheReasonForAMappingStandsWhereItIsMade) {
  const tree files = {
      make_file("tide/ring/a.cpp", "p = mmap(nullptr, 1, 0, 0, -1, 0);\n" + std::string(12, '\n') + "munmap(p, 1);\n")};
  EXPECT_EQ(places(house::unsafe_without_reason(files)), (list{"tide/ring/a.cpp:1"}));
}

TEST(HouseRules, OneReasonForAllMemoryOrdersOfAFile) {
  const std::string reason = "// SAFETY (for every atomic_ref in this file): one protocol.\n";
  const std::string code = std::string(20, '\n') + "n.load(std::memory_order_acquire);\nreinterpret_cast<char*>(p);\n";
  const tree files = {make_file("tide/pool/detail/begins.cpp", "#include <tide/a.hpp>\n\n" + reason + code),
                      make_file("tide/pool/detail/later.cpp", "int a;\n" + reason + code)};
  EXPECT_EQ(places(house::unsafe_without_reason(files)),
            (list{"tide/pool/detail/begins.cpp:25", "tide/pool/detail/later.cpp:23", "tide/pool/detail/later.cpp:24"}));
}

TEST(HouseRules, ACallOfTheRingOutOfPlace) {
  const std::string_view text = "io_uring_submit(&ring);\nflags = IORING_SETUP_SQPOLL;\nerrc::io_uring_denied;\n";
  const tree files = {make_file("bench/echo/raw.cpp", text), make_file("tide/net/tcp.cpp", text),
                      make_file("tide/ring/ring.cpp", text)};
  EXPECT_EQ(places(house::ring_calls_out_of_place(files)), (list{"tide/net/tcp.cpp:1", "tide/net/tcp.cpp:2"}));
}

TEST(HouseRules, AMacroInAPublicHeader) {
  const std::string_view text = "#pragma once\n # define TIDE_X 1\n// #define Y\n";
  const tree files = {make_file("tide/io/a.cpp", text), make_file("tide/io/a.hpp", text),
                      make_file("tide/io/detail/a.hpp", text)};
  EXPECT_EQ(places(house::macros_in_headers(files)), (list{"tide/io/a.hpp:2"}));
}

TEST(HouseRules, AnOpenNamespaceInAHeader) {
  const std::string_view text = "using namespace std::chrono_literals;\nusing std::vector;\n";
  const tree files = {make_file("apps/relay/a.hpp", text), make_file("tide/io/a.cpp", text)};
  EXPECT_EQ(places(house::using_namespace_in_headers(files)), (list{"apps/relay/a.hpp:1"}));
}

TEST(HouseRules, AHeaderThatMayBeReadTwice) {
  const tree files = {make_file("tide/io/a.hpp", "// #pragma once\n"), make_file("tide/io/b.hpp", "// B.\n#pragma once\n")};
  EXPECT_EQ(places(house::headers_without_pragma_once(files)), (list{"tide/io/a.hpp:0"}));
}

TEST(HouseRules, AHeaderWithoutIntroduction) {
  const std::string words = "// What it gives, in a sentence.\n";
  const tree files = {make_file("tests/io/helper.hpp", words + "#pragma once\n"),
                      make_file("tide/io/bare.hpp", "#pragma once\n"),
                      make_file("tide/io/detail/a.hpp", words + "#pragma once\n"),
                      make_file("tide/io/good.hpp", words + "//\n//   use(it);\n#pragma once\n"),
                      make_file("tide/io/late.hpp", words + "#pragma once\n//   use(it);\n")};
  EXPECT_EQ(places(house::headers_without_introduction(files)), (list{"tide/io/bare.hpp:1", "tide/io/late.hpp:1"}));
}

TEST(HouseRules, ANoteWithoutIssue) {
  const tree files = {make_file("tide/io/a.cpp", "// TODO: later\n// TODO(#12): then\n// FIXME\nint TODOS;\n")};
  EXPECT_EQ(places(house::notes_without_issue(files)), (list{"tide/io/a.cpp:1", "tide/io/a.cpp:3"}));
}

TEST(HouseRules, ALongFile) {
  const std::string text(421, '\n');
  const tree files = {make_file("docs/long.md", text), make_file("scripts/long", text),
                      make_file("tide/io/excused.cpp", text), make_file("tide/io/long.cpp", text),
                      make_file("tide/io/short.cpp", text.substr(1))};
  const std::string_view reasons = "# remark: this\ntide/io/excused.cpp: a table\ntide/io/short.cpp: no more\n";
  EXPECT_EQ(places(house::long_files(files, reasons)),
            (list{"scripts/long:0", "tide/io/long.cpp:0", "tide/io/short.cpp:0"}));
}

TEST(HouseRules, ATraceOfAMachine) {
  // Split, so that this file has none.
  const tree files = {
      make_file("docs/a.md",
                "see /"
                "work/x\nin `/"
                "home/ann/src`\nhttps://registry.example.org/left-pad\n"),
      make_file("docs/b.md", "the work/life\nfind /tmp/x\nthe registry of npm\nhttp://deb.debian.org/debian\n"),
      make_file("package-lock.json", "  \"resolved\": \"https://somewhere/x.tgz\",\n")};
  EXPECT_EQ(places(house::traces_of_a_machine(files)),
            (list{"docs/a.md:1", "docs/a.md:2", "docs/a.md:3", "package-lock.json:1"}));
}

}  // namespace

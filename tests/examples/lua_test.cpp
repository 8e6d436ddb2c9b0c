// Runs examples/lua with scripts.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

#include "examples/program.hpp"
#include "examples/server.hpp"

namespace {

void echo(int fd) {
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = ::recv(fd, part.data(), part.size(), 0)) > 0;) {
    if (::send(fd, part.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) != count) return;
  }
}

/// A script in a file of its own.
class script {
 public:
  explicit script(const std::string& text) {
    static int number = 0;
    path_ = testing::TempDir() + "tide_lua_test_" + std::to_string(::getpid()) + "_" + std::to_string(number++) + ".lua";
    std::ofstream(path_) << text;
  }
  script(const script&) = delete;
  script& operator=(const script&) = delete;
  ~script() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

TEST(ExampleLua, AScriptSendsReceivesAndSleepsOnTheRing) {
  const support::threaded_server server(echo);
  const auto [status, output] = support::run_program(
      {TIDE_EXAMPLE_LUA, TIDE_SOURCE_DIR "/examples/lua/greet.lua", "127.0.0.1", std::to_string(server.port())});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(output, "greet: line 1\ngreet: line 2\ngreet: line 3\ngreet: tick 1 tick 2\n");
}

// The first waits for an answer that the server gives only once it has heard the second, whichever comes first.
TEST(ExampleLua, OneScriptRunsWhileAnotherWaits) {
  tide::descriptor first;
  tide::descriptor second;
  const support::threaded_server server([&](int fd) {
    char said = ' ';
    if (::recv(fd, &said, 1, 0) != 1) return;
    (said == '1' ? first : second).reset(::dup(fd));
    if (!first || !second) return;
    EXPECT_EQ(::send(first.get(), "go", 2, MSG_NOSIGNAL), 2);
    first.reset();
    second.reset();
  });
  const script waits("local c = assert(connect(arg[1], tonumber(arg[2]))) c:send('1') print('first got ' .. c:receive())");
  const script speaks("local c = assert(connect(arg[1], tonumber(arg[2]))) c:send('2') c:receive()");
  const auto [status, output] =
      support::run_program({TIDE_EXAMPLE_LUA, waits.path(), speaks.path(), "127.0.0.1", std::to_string(server.port())});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(output, "first got go\n");
}

TEST(ExampleLua, ErrorsAreTheScripts) {
  const script refused("local c, why = connect('127.0.0.1', 1) print(c, type(why)) error('the end', 0)");
  const auto [status, output] = support::run_program({TIDE_EXAMPLE_LUA, refused.path()});
  EXPECT_NE(status, 0);
  EXPECT_EQ(output, "nil\tstring\n");
}

}  // namespace

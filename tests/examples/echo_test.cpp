// Runs examples/echo as it is, and talks to it.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <string>

#include <tide/base/descriptor.hpp>

extern char** environ;

namespace {

class program {
 public:
  explicit program(const char* path) {
    std::string name = path;
    char* arguments[] = {name.data(), nullptr};
    if (::posix_spawn(&id_, path, nullptr, nullptr, arguments, environ) != 0) id_ = -1;
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program() {
    if (id_ < 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  [[nodiscard]] bool ended() { return id_ < 0 || (::waitpid(id_, nullptr, WNOHANG) == id_ && (id_ = -1, true)); }

 private:
  pid_t id_ = -1;
};

/// Tries until the program listens; it is the program's end or the test's time limit that ends a vain try.
tide::descriptor connect_to(program& server, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  while (!server.ended()) {
    tide::descriptor made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(made.get(), static_cast<sockaddr*>(static_cast<void*>(&at)), sizeof at) == 0) return made;
    ::usleep(1000);
  }
  return {};
}

TEST(ExampleEcho, SendsBackWhatItGets) {
  program echo(TIDE_EXAMPLE_ECHO);
  const tide::descriptor first = connect_to(echo, 7777);
  const tide::descriptor second = connect_to(echo, 7777);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  for (const int fd : {second.get(), first.get()}) {
    const std::string text(10'000, fd == first.get() ? 'a' : 'b');
    ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(::shutdown(fd, SHUT_WR), 0);
    std::string got(text.size() + 1, ' ');
    ASSERT_EQ(::recv(fd, got.data(), got.size(), MSG_WAITALL), static_cast<ssize_t>(text.size()));
    got.pop_back();
    EXPECT_EQ(got, text);
  }
  EXPECT_FALSE(echo.ended());
}

}  // namespace

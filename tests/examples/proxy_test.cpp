// Runs examples/proxy as it is: bytes and half-closes go through it, a stop delivers and ends well.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include <tide/base/descriptor.hpp>

#include "examples/server.hpp"

extern char** environ;

namespace {

/// The proxy as a process, and what it says.
class program {
 public:
  explicit program(std::vector<std::string> arguments) {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    output_ = tide::descriptor(ends[0]);
    const tide::descriptor write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    std::vector<char*> raw;
    for (std::string& each : arguments) raw.push_back(each.data());
    raw.push_back(nullptr);
    if (::posix_spawn(&id_, raw[0], &actions, nullptr, raw.data(), environ) != 0) id_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program() {
    if (id_ < 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  std::string line() {
    std::string text;
    for (char each = 0; ::read(output_.get(), &each, 1) == 1 && each != '\n';) text += each;
    return text;
  }
  void tell(int signal) const { ::kill(id_, signal); }
  int wait() {
    int status = -1;
    ::waitpid(std::exchange(id_, -1), &status, 0);
    return status;
  }

 private:
  pid_t id_ = -1;
  tide::descriptor output_;
};

tide::descriptor connect_to(const std::string& port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tide::descriptor made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(made.get(), static_cast<sockaddr*>(static_cast<void*>(&at)), sizeof at), 0);
  return made;
}
std::string read_to_end(int fd) {
  std::string all;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = ::recv(fd, part.data(), part.size(), 0)) > 0;) {
    all.append(part.data(), static_cast<std::size_t>(count));
  }
  return all;
}

TEST(ExampleProxy, CarriesHalfClosesCountsAndStopsWell) {
  support::threaded_server answerer([](int fd) {  // once the question has ended
    const std::string question = read_to_end(fd);
    const std::string answer = question + question;
    EXPECT_EQ(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
  });
  program proxy({TIDE_EXAMPLE_PROXY, "--listen", "127.0.0.1:0", "--to", "127.0.0.1:" + std::to_string(answerer.port())});
  const std::string told = proxy.line();
  ASSERT_TRUE(told.starts_with("listening on 127.0.0.1:")) << told;
  const std::string port = told.substr(told.rfind(':') + 1);
  {
    const tide::descriptor client = connect_to(port);
    EXPECT_EQ(::send(client.get(), "question", 8, MSG_NOSIGNAL), 8);
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(read_to_end(client.get()), "questionquestion");
  }
  const tide::descriptor under_way = connect_to(port);
  EXPECT_EQ(::send(under_way.get(), "last", 4, MSG_NOSIGNAL), 4);
  std::string counted;  // until the connection is known to be open, and its bytes to have gone through
  while (!counted.contains("2 connections, 1 open, 1 complete")) {
    proxy.tell(SIGUSR1);
    counted = proxy.line();
    ASSERT_FALSE(counted.empty());
  }
  proxy.tell(SIGTERM);
  EXPECT_EQ(proxy.line(), "stopping: 1 connections are open");
  read_to_end(under_way.get());
  EXPECT_TRUE(proxy.line().starts_with("2 connections, 0 open"));
  EXPECT_EQ(proxy.wait(), 0);
}

TEST(ExampleProxy, ResetsWhomItCannotServe) {
  program proxy({TIDE_EXAMPLE_PROXY, "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--connect", "1"});
  const std::string told = proxy.line();
  const tide::descriptor client = connect_to(told.substr(told.rfind(':') + 1));
  char byte = 0;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  proxy.tell(SIGTERM);
  EXPECT_TRUE(proxy.line().starts_with("stopping"));
  EXPECT_TRUE(proxy.line().contains("1 unreachable"));
  EXPECT_EQ(proxy.wait(), 0);
}

}  // namespace

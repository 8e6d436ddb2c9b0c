// Runs examples/postgres against a server that speaks just enough of PostgreSQL's protocol 3.0, and against a real one where
// the machine has one.
#include <gtest/gtest.h>

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "examples/program.hpp"
#include "examples/server.hpp"

namespace {

using namespace std::string_literals;

std::string big_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 0xffU);
  return text;
}

std::string message(char type, const std::string& body) {
  return type + big_endian(static_cast<std::uint32_t>(body.size()) + 4, 4) + body;
}

/// The next message of the client: its type (0 for the first, which has none) and body. Empty at the end.
std::string receive(int fd, bool first) {
  std::string head(first ? 4 : 5, '\0');
  if (::recv(fd, head.data(), head.size(), MSG_WAITALL) != static_cast<ssize_t>(head.size())) return {};
  std::uint32_t length = 0;
  for (std::size_t i = head.size() - 4; i < head.size(); ++i) length = length << 8U | static_cast<unsigned char>(head[i]);
  std::string body(length - 4, '\0');
  if (::recv(fd, body.data(), body.size(), MSG_WAITALL) != static_cast<ssize_t>(body.size())) return {};
  return (first ? '\0' : head[0]) + body;
}

/// The beginning byte by byte, so that the client finds half messages and has to wait again.
void dribble(int fd, const std::string& bytes) {
  const std::size_t slow = std::min<std::size_t>(bytes.size(), 200);
  for (std::size_t i = 0; i < slow; ++i) ASSERT_EQ(::send(fd, &bytes[i], 1, MSG_NOSIGNAL), 1);
  const std::size_t rest = bytes.size() - slow;
  if (rest > 0) {
    ASSERT_EQ(::send(fd, &bytes[slow], rest, MSG_NOSIGNAL), static_cast<ssize_t>(rest));
  }
}

const std::string ready = message('Z', "I");

std::string table(std::string_view query) {
  const std::string column = "?column?\0"s + big_endian(0, 4) + big_endian(0, 2) + big_endian(25, 4) +
                             big_endian(0xffff, 2) + big_endian(0xffffffff, 4) + big_endian(0, 2);
  const std::string cell = big_endian(static_cast<std::uint32_t>(query.size()), 4) + std::string(query);
  return message('T', big_endian(1, 2) + column) + message('D', big_endian(1, 2) + cell) +
         message('D', big_endian(1, 2) + cell) + message('C', "SELECT 2\0"s);
}

void speak(int fd) {
  ASSERT_NE(receive(fd, true).find("user"), std::string::npos) << "a start-up message";
  dribble(fd, message('R', big_endian(0, 4)) + message('S', "server_version\0"s + "15.0\0"s) + ready);
  while (true) {
    const std::string asked = receive(fd, false);
    if (asked.empty() || asked[0] == 'X') return;
    ASSERT_EQ(asked[0], 'Q');
    const std::string query = asked.substr(1, asked.size() - 2);
    dribble(fd, (query == "fail" ? message('E', "SERROR\0C42601\0Mno such thing\0\0"s) : table(query)) + ready);
  }
}

std::string fake(const support::threaded_server& server) {
  return "host=127.0.0.1 port=" + std::to_string(server.port()) + " user=u dbname=d sslmode=disable gssencmode=disable";
}

TEST(ExamplePostgres, AQueryWaitsOnTheRing) {
  const support::threaded_server server(speak);
  const auto [status, output] = support::run_program({TIDE_EXAMPLE_POSTGRES, fake(server), "give this back"});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(output, "give this back\ngive this back\n");
}

TEST(ExamplePostgres, ALargeQueryAndItsAnswer) {
  const support::threaded_server server(speak);
  const std::string large(100'000, 'q');
  const auto [status, output] = support::run_program({TIDE_EXAMPLE_POSTGRES, fake(server), large});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(output, large + '\n' + large + '\n');
}

TEST(ExamplePostgres, TheServersErrorsAreSaid) {
  const support::threaded_server server(speak);
  EXPECT_NE(support::run_program({TIDE_EXAMPLE_POSTGRES, fake(server), "fail"}).status, 0);
  EXPECT_NE(support::run_program({TIDE_EXAMPLE_POSTGRES, "host=127.0.0.1 port=1 sslmode=disable", "x"}).status, 0);
}

/// A PostgreSQL of its own in a folder of its own, reached by a socket there. It refuses to run as root.
class real_server {
 public:
  real_server() {
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql"))
      programs_ = version.path() / "bin";
    folder_ = testing::TempDir() + "tide_postgres_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    if (::getuid() == 0) {
      const passwd* const user = ::getpwnam("postgres");
      if (user == nullptr || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) return;
      as_ = {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"};
    }
    running_ = run({programs_ / "initdb", "-D", folder_ + "/data", "-A", "trust", "-U", "tide", "--no-sync"}) &&
               run({programs_ / "pg_ctl", "-D", folder_ + "/data", "-l", folder_ + "/log", "-w", "-o",
                    "-k " + folder_ + " -c listen_addresses='' -F", "start"});
  }
  real_server(const real_server&) = delete;
  real_server& operator=(const real_server&) = delete;
  ~real_server() {
    if (running_) run({programs_ / "pg_ctl", "-D", folder_ + "/data", "-m", "immediate", "-w", "stop"});
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] bool running() const noexcept { return running_; }
  [[nodiscard]] std::string where() const { return "host=" + folder_ + " user=tide dbname=postgres"; }

 private:
  bool run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), as_.begin(), as_.end());
    return support::run_program(std::move(arguments)).status == 0;
  }
  std::filesystem::path programs_;
  std::string folder_;
  std::vector<std::string> as_;
  bool running_ = false;
};

TEST(ExamplePostgres, ARealServer) {
  if (!std::filesystem::exists("/usr/lib/postgresql")) GTEST_SKIP() << "there is no PostgreSQL server on this machine";
  const real_server server;
  if (!server.running()) GTEST_SKIP() << "the PostgreSQL server of this machine does not start for us";
  const auto [status, output] =
      support::run_program({TIDE_EXAMPLE_POSTGRES, server.where(),
                            "select i, repeat('x', 3) from generate_series(1, 2) i; select pg_sleep(0.01)"});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(output, "1\txxx\n2\txxx\n\n");
}

}  // namespace

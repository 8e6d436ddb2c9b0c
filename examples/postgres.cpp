// A query by libpq, which knows nothing of the runtime, in a fiber: where it would block, the fiber waits on the ring.
// Try: ./example_postgres "host=/var/run/postgresql dbname=postgres" "select version()"
#include <libpq-fe.h>
#include <chrono>
#include <cstdio>
#include <memory>

#include <tide/runtime/fiber.hpp>
#include <tide/runtime/poll.hpp>
#include <tide/runtime/run.hpp>
#include <tide/runtime/time.hpp>

namespace {

namespace fiber = tide::fiber;
using connection_ptr = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using answer_ptr = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// False once the program is to end.
bool wait_for(PGconn* connection, unsigned events) {
  return fiber::await(tide::poll(PQsocket(connection), events)).has_value();
}

connection_ptr connect(const char* where) {
  connection_ptr connection(PQconnectStart(where), PQfinish);
  auto wanted = PGRES_POLLING_WRITING;  // as PQconnectPoll's manual says
  while (PQstatus(connection.get()) != CONNECTION_BAD && wanted != PGRES_POLLING_OK && wanted != PGRES_POLLING_FAILED) {
    if (!wait_for(connection.get(), wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT)) break;
    wanted = PQconnectPoll(connection.get());
  }
  if (wanted == PGRES_POLLING_OK) PQsetnonblocking(connection.get(), 1);
  return connection;
}

/// Sends all of the query, reading what comes meanwhile: a server that cannot send stops receiving.
bool send(PGconn* connection, const char* query) {
  if (PQsendQuery(connection, query) != 1) return false;
  int left = 0;
  while ((left = PQflush(connection)) == 1) {
    if (!wait_for(connection, POLLIN | POLLOUT) || PQconsumeInput(connection) != 1) return false;
  }
  return left == 0;
}

/// The next answer; none at the end, or when the connection is lost.
answer_ptr next(PGconn* connection) {
  while (PQisBusy(connection) == 1) {
    if (!wait_for(connection, POLLIN) || PQconsumeInput(connection) != 1) break;
  }
  return {PQgetResult(connection), PQclear};
}

void print(const PGresult* answer) {
  for (int row = 0; row < PQntuples(answer); ++row) {
    for (int column = 0; column < PQnfields(answer); ++column) {
      std::printf("%s%s", column == 0 ? "" : "\t", PQgetvalue(answer, row, column));
    }
    std::printf("\n");
  }
}

int run_query(const char* where, const char* query) {
  const connection_ptr connection = connect(where);
  if (PQstatus(connection.get()) != CONNECTION_OK || !send(connection.get(), query)) {
    std::fprintf(stderr, "%s", PQerrorMessage(connection.get()));
    return 1;
  }
  int failed = 0;
  while (const answer_ptr answer = next(connection.get())) {
    if (PQresultStatus(answer.get()) != PGRES_TUPLES_OK && PQresultStatus(answer.get()) != PGRES_COMMAND_OK) {
      std::fprintf(stderr, "%s", PQresultErrorMessage(answer.get()));
      failed = 1;
    }
    print(answer.get());
  }
  return failed;
}

/// Shows that the loop turns while libpq waits.
tide::task<> count_turns(long& turns) {
  while (co_await tide::sleep(std::chrono::milliseconds(1))) ++turns;
}

}  // namespace

int main(int count, char** values) {
  if (count != 3) {
    std::fprintf(stderr, "usage: example_postgres CONNECTION QUERY\n");
    return 2;
  }
  long turns = 0;  // out here, since what is spawned in the scope may outlive its body
  return tide::run([&](tide::scope& scope) -> tide::task<int> {
    scope.spawn(count_turns, std::ref(turns));
    const int failed =
        co_await fiber::call({.stack_bytes = std::size_t{512} << 10U, .name = "query"}, run_query, values[1], values[2]);
    std::fprintf(stderr, "the loop made %ld turns of its own meanwhile\n", turns);
    co_return failed;
  });
}

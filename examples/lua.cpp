// Lua scripts that wait on the ring, each in a fiber of its own: what looks blocking to a script lets all others run.
// Try: ./example_lua examples/lua/greet.lua 127.0.0.1 7777     (with the echo example running)
//
// Scripts get the command line in `arg`, and
//   sleep(seconds)                     connect(host, port) -> connection, or nil and why not
//   connection:send(text) -> true      connection:receive() -> text ("" at the end of the stream)      connection:close()
#include <tide/tide.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <lua.hpp>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <tide/runtime/fiber.hpp>

namespace {

namespace fiber = tide::fiber;
constexpr const char* connection_type = "tide.connection";

// Lua leaves a function by longjmp, which runs no destructor. So nothing here that needs one is alive when Lua is called.

using connection = std::optional<tide::net::tcp_stream>;  // in memory of Lua's, empty while it connects

int refuse(lua_State* lua, const std::error_code& why) {
  std::array<char, 128> text{};
  why.message().copy(text.data(), text.size() - 1);
  lua_pushnil(lua);
  lua_pushstring(lua, text.data());
  return 2;
}

/// A script that is asked to end does so by an error that goes up through it.
int end_if_cancelled(lua_State* lua, int results) { return fiber::cancelled() ? luaL_error(lua, "cancelled") : results; }

int sleep_seconds(lua_State* lua) {
  const std::chrono::duration<double> time(luaL_checknumber(lua, 1));
  (void)fiber::await(tide::sleep(std::chrono::duration_cast<tide::clock::duration>(time)));
  return end_if_cancelled(lua, 0);
}

std::error_code connect_to(connection& into, const char* host, std::uint16_t port) {
  auto made = fiber::await(tide::net::tcp_stream::connect({host, port}));
  if (!made) return made.error();
  into.emplace(std::move(*made));
  return {};
}
int connect(lua_State* lua) {
  const char* const host = luaL_checkstring(lua, 1);
  const auto port = static_cast<std::uint16_t>(luaL_checkinteger(lua, 2));
  auto* const made = ::new (lua_newuserdatauv(lua, sizeof(connection), 0)) connection();
  luaL_setmetatable(lua, connection_type);
  const std::error_code failed = connect_to(*made, host, port);
  return end_if_cancelled(lua, failed ? refuse(lua, failed) : 1);
}

tide::net::tcp_stream& stream_of(lua_State* lua) {
  auto& found = *static_cast<connection*>(luaL_checkudata(lua, 1, connection_type));
  if (!found) luaL_argerror(lua, 1, "is closed");
  return *found;
}

int send(lua_State* lua) {
  std::size_t length = 0;
  const char* const text = luaL_checklstring(lua, 2, &length);
  const auto sent = fiber::await(stream_of(lua).write_all(std::string_view(text, length)));
  if (!sent) return end_if_cancelled(lua, refuse(lua, sent.error()));
  lua_pushboolean(lua, 1);
  return end_if_cancelled(lua, 1);
}

/// The kernel writes into the buffer that becomes the script's string.
int receive(lua_State* lua) {
  tide::net::tcp_stream& stream = stream_of(lua);
  luaL_Buffer buffer;
  char* const begin = luaL_buffinitsize(lua, &buffer, 4096);
  const auto count = fiber::await(stream.read_some(std::as_writable_bytes(std::span(begin, 4096))));
  if (!count) return end_if_cancelled(lua, refuse(lua, count.error()));
  luaL_pushresultsize(&buffer, *count);
  return end_if_cancelled(lua, 1);
}

int close(lua_State* lua) {
  fiber::await(stream_of(lua).close());
  static_cast<connection*>(lua_touserdata(lua, 1))->reset();
  return 0;
}
int collect(lua_State* lua) {
  static_cast<connection*>(lua_touserdata(lua, 1))->~connection();
  return 0;
}

void add_functions(lua_State* lua) {
  luaL_openlibs(lua);
  lua_register(lua, "sleep", sleep_seconds);
  lua_register(lua, "connect", connect);
  luaL_newmetatable(lua, connection_type);
  const luaL_Reg methods[] = {{"send", send}, {"receive", receive}, {"close", close}, {"__gc", collect}, {nullptr, nullptr}};
  luaL_setfuncs(lua, methods, 0);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, -2, "__index");
}

int run_script(const char* path, const std::vector<const char*>& arguments) {
  const std::unique_ptr<lua_State, decltype(&lua_close)> lua(luaL_newstate(), lua_close);
  add_functions(lua.get());
  lua_newtable(lua.get());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    lua_pushstring(lua.get(), arguments[i]);
    lua_rawseti(lua.get(), -2, static_cast<lua_Integer>(i) + 1);
  }
  lua_setglobal(lua.get(), "arg");
  if (luaL_dofile(lua.get(), path) == LUA_OK) return 0;
  std::fprintf(stderr, "%s\n", lua_tostring(lua.get(), -1));
  return 1;
}

}  // namespace

int main(int count, char** values) {
  // Every argument that ends in .lua is a script, and the others are for all of them.
  std::vector<const char*> scripts;
  std::vector<const char*> arguments;
  for (int i = 1; i < count; ++i) (std::string_view(values[i]).ends_with(".lua") ? scripts : arguments).push_back(values[i]);
  int failed = 0;
  const int started = tide::run([&](tide::scope& scope) -> tide::task<> {
    for (const char* script : scripts) {
      fiber::spawn(scope, {.stack_bytes = std::size_t{256} << 10U, .name = script}, [&, script] {
        failed += run_script(script, arguments);
        std::fflush(stdout);
      });
    }
    co_await scope.join();
  });
  return started != 0 || failed != 0 ? 1 : 0;
}

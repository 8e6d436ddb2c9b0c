// The echo server on libuv (epoll), written as its guide advises: uv_try_write first, a queued write for what is left. A
// peer.
#include <uv.h>

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "echo/server_support.hpp"

namespace {

struct session {
  uv_tcp_t socket{};
  std::array<char, 4096> buffer;
};

struct queued_write {
  uv_write_t request{};
  std::vector<char> bytes;
};

session* session_of(uv_handle_t* handle) { return static_cast<session*>(handle->data); }

void close(uv_handle_t* handle) {
  uv_close(handle, [](uv_handle_t* closed) { delete session_of(closed); });
}

void received(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  void* handle = stream;
  if (count < 0) return close(static_cast<uv_handle_t*>(handle));
  if (count == 0) return;
  const auto wanted = static_cast<unsigned>(count);
  const uv_buf_t answer = uv_buf_init(buffer->base, wanted);
  const int outcome = uv_try_write(stream, &answer, 1);
  const unsigned written = outcome < 0 ? 0 : static_cast<unsigned>(outcome);
  if (outcome < 0 && outcome != UV_EAGAIN) return close(static_cast<uv_handle_t*>(handle));
  if (written == wanted) return;
  auto rest = std::make_unique<queued_write>();
  rest->bytes.assign(buffer->base + written, buffer->base + wanted);
  rest->request.data = rest.get();
  const uv_buf_t remaining = uv_buf_init(rest->bytes.data(), wanted - written);
  const int queued = uv_write(&rest->request, stream, &remaining, 1,
                              [](uv_write_t* done, int) { delete static_cast<queued_write*>(done->data); });
  if (queued == 0) static_cast<void>(rest.release());
}

void accepted(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* peer = new session;
  uv_tcp_init(listener->loop, &peer->socket);
  peer->socket.data = peer;
  void* handle = &peer->socket;
  auto* stream = static_cast<uv_stream_t*>(handle);
  if (uv_accept(listener, stream) != 0) return close(static_cast<uv_handle_t*>(handle));
  uv_read_start(
      stream,
      [](uv_handle_t* reader, std::size_t, uv_buf_t* buffer) {
        session* owner = session_of(reader);
        *buffer = uv_buf_init(owner->buffer.data(), static_cast<unsigned>(owner->buffer.size()));
      },
      received);
}

}  // namespace

int main(int argc, char** argv) {
  bench::answer_signals(nullptr);
  tide::descriptor listener = bench::listen_on(bench::port_of(argc, argv));
  bench::announce(listener.get());
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t acceptor;
  uv_tcp_init(loop, &acceptor);
  uv_tcp_open(&acceptor, listener.release());
  void* stream = &acceptor;
  if (uv_listen(static_cast<uv_stream_t*>(stream), 4096, accepted) != 0) return 1;
  return uv_run(loop, UV_RUN_DEFAULT);
}

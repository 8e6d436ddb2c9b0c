// The echo server on Asio (epoll), callbacks: a peer.
#include <asio.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include "echo/server_support.hpp"

namespace {

class session : public std::enable_shared_from_this<session> {
 public:
  explicit session(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  void receive() {
    socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](std::error_code error, std::size_t count) {
      if (!error) self->send(count);
    });
  }

 private:
  void send(std::size_t count) {
    asio::async_write(socket_, asio::buffer(buffer_, count),
                      [self = shared_from_this()](std::error_code error, std::size_t) {
                        if (!error) self->receive();
                      });
  }

  asio::ip::tcp::socket socket_;
  std::array<std::byte, 4096> buffer_;
};

void accept(asio::ip::tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](std::error_code error, asio::ip::tcp::socket socket) {
    if (!error) std::make_shared<session>(std::move(socket))->receive();
    accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::answer_signals(nullptr);
  tide::descriptor listener = bench::listen_on(bench::port_of(argc, argv));
  bench::announce(listener.get());
  asio::io_context context(1);
  asio::ip::tcp::acceptor acceptor(context, asio::ip::tcp::v4(), listener.release());
  accept(acceptor);
  context.run();
}

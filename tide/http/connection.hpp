// One connection of a server: requests one after another, pipelined ones too, each read whole within its time.
//
//   scope.spawn(tide::http::connection::serve, std::move(stream), std::cref(handle), std::cref(options), std::ref(count));
#pragma once

#include <tide/http/server.hpp>

namespace tide::http {

class connection {
 public:
  static task<> serve(net::tcp_stream stream, const handler& handle, const server_options& wanted, server_counters& count);

 private:
  connection(net::tcp_stream stream, const server_options& wanted, server_counters& count) noexcept
      : stream_(std::move(stream)),
        wanted_(wanted),
        count_(count),
        peer_(stream_.peer_address().value_or(net::address())),
        parser_(wanted.request) {}
  /// True: parser_.message() holds a request. False: the connection is over (quietly, or refused_ says why).
  task<bool> read_request();
  task<bool> answer(const handler& handle);
  task<> refuse(response answer);
  task<> linger();

  net::tcp_stream stream_;
  const server_options& wanted_;
  server_counters& count_;
  net::address peer_;
  request_parser parser_;
  chunk input_;
  std::error_code refused_;
};

}  // namespace tide::http

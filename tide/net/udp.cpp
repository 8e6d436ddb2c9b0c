#include <tide/net/udp.hpp>

#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

#include <tide/base/descriptor.hpp>
#include <tide/net/detail/socket.hpp>
#include <tide/runtime/close.hpp>

namespace tide::net {
namespace detail {

const msghdr* message::set(bytes_view bytes, const address& to, std::uint16_t segment) noexcept {
  header_ = {};
  // sendmsg reads only; msghdr has no const form.
  piece_ = {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  header_.msg_iov = &piece_;
  header_.msg_iovlen = 1;
  if (to.valid()) {
    std::memcpy(&peer_, to.raw(), to.raw_size());
    header_.msg_name = &peer_;
    header_.msg_namelen = to.raw_size();
  }
  if (segment != 0) {
    header_.msg_control = control_.data();
    header_.msg_controllen = CMSG_SPACE(sizeof segment);
    cmsghdr* const first = CMSG_FIRSTHDR(&header_);
    *first = {.cmsg_len = CMSG_LEN(sizeof segment), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    std::memcpy(CMSG_DATA(first), &segment, sizeof segment);
  }
  return &header_;
}

msghdr* message::set(bytes_span into) noexcept {
  header_ = {};
  piece_ = {.iov_base = into.data(), .iov_len = into.size()};
  header_.msg_iov = &piece_;
  header_.msg_iovlen = 1;
  peer_.ss_family = AF_UNSPEC;
  header_.msg_name = &peer_;
  header_.msg_namelen = sizeof peer_;
  header_.msg_control = control_.data();
  header_.msg_controllen = control_.size();
  return &header_;
}

std::uint16_t message::segment() const noexcept {
  msghdr& header = const_cast<msghdr&>(header_);  // the macros know no const
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    if (each->cmsg_level != SOL_UDP || each->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(each), sizeof size);
    return static_cast<std::uint16_t>(size);
  }
  return 0;
}

}  // namespace detail

udp_socket::~udp_socket() { close_descriptor(fd_); }

result<udp_socket> udp_socket::bind(const address& at, const udp_options& wanted) {
  if (!at.valid()) return fail(errc::malformed);
  descriptor fd(::socket(at.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno);
  struct option {
    bool wanted;
    int layer;
    int name;
    int value;
  };
  const option options[] = {{wanted.reuse_address, SOL_SOCKET, SO_REUSEADDR, 1},
                            {wanted.reuse_port, SOL_SOCKET, SO_REUSEPORT, 1},
                            {wanted.broadcast, SOL_SOCKET, SO_BROADCAST, 1},
                            {wanted.coalesce, SOL_UDP, UDP_GRO, 1},
                            {at.family() == AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, wanted.v6_only ? 1 : 0},
                            {wanted.send_buffer > 0, SOL_SOCKET, SO_SNDBUF, wanted.send_buffer},
                            {wanted.receive_buffer > 0, SOL_SOCKET, SO_RCVBUF, wanted.receive_buffer}};
  for (const option& each : options) {
    if (!each.wanted) continue;
    if (auto done = detail::set(fd.get(), each.layer, each.name, each.value); !done) return fail(done.error());
  }
  if (::bind(fd.get(), at.raw(), at.raw_size()) < 0) return fail_errno(errno);
  return udp_socket(fd.release());
}

result<address> udp_socket::local_address() const noexcept { return detail::name_of<&::getsockname>(fd_); }

namespace {

result<> change_membership(int fd, const address& group, unsigned interface, int option) noexcept {
  if (!group.valid()) return fail(errc::malformed);
  group_req request{};
  request.gr_interface = interface;
  std::memcpy(&request.gr_group, group.raw(), group.raw_size());
  const int layer = group.family() == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  if (::setsockopt(fd, layer, option, &request, sizeof request) < 0) return fail_errno(errno);
  return {};
}

}  // namespace

result<> udp_socket::join(const address& group, unsigned interface) noexcept {
  return change_membership(fd_, group, interface, MCAST_JOIN_GROUP);
}
result<> udp_socket::leave(const address& group, unsigned interface) noexcept {
  return change_membership(fd_, group, interface, MCAST_LEAVE_GROUP);
}

result<> udp_socket::multicast_ttl(std::uint8_t hops) noexcept {
  auto own = local_address();
  if (!own) return fail(own.error());
  if (own->family() == AF_INET) return detail::set(fd_, IPPROTO_IP, IP_MULTICAST_TTL, hops);
  return detail::set(fd_, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops);
}

// ---- batches ----------------------------------------------------------------------------------------------------------

bool udp_batch::add(bytes_view bytes, const address& to) noexcept {
  if (size_ == parts_.size()) return false;
  part& next = parts_[size_++];
  next.bytes = bytes;
  next.to = to;
  return true;
}

void udp_batch::part::complete(ring::completion said) noexcept {
  if (said.result == -EINTR) return of->start(*this);  // nothing has happened
  of->ended(said.result);
}

void send_batch_operation::start(udp_batch::part& one) {
  if (node_->requested()) return ended(-ECANCELED);
  one.of = this;
  node_->home().ring().start(one, ring::request::send_message(fd_, one.message.set(one.bytes, one.to, 0), false));
}

bool send_batch_operation::begin(std::coroutine_handle<> caller, cancel_node& node) {
  if (node.requested()) {
    first_error_ = -ECANCELED;
    return false;
  }
  caller_ = caller;
  node_ = &node;
  node.attach(*this);
  under_way_ = batch_->size();
  for (udp_batch::part& each : std::span(batch_->parts_).first(batch_->size())) start(each);
  return true;
}

void send_batch_operation::ended(std::int32_t said) noexcept {
  node_->queue().count_operation(static_cast<std::size_t>(said < 0 ? 0 : said));
  if (said >= 0) {
    ++sent_;
  } else if (first_error_ == 0) {
    first_error_ = said;
  }
  if (--under_way_ != 0) return;
  unlink();
  node_->queue().resume(caller_);
}

void send_batch_operation::on_cancel() noexcept {
  for (udp_batch::part& each : std::span(batch_->parts_).first(batch_->size())) node_->home().ring().cancel(each);
}

result<std::size_t> send_batch_operation::await_resume() const noexcept {
  if (sent_ == 0 && first_error_ != 0) return fail(*io_operation::error_of(first_error_));
  return sent_;
}

}  // namespace tide::net

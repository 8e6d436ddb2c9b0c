// What the WebSocket codec allocates, counted by the allocation functions of this binary.
#include <tide/http/codec/websocket.hpp>

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <string>

namespace {

thread_local std::size_t allocations = 0;
thread_local std::size_t bytes_held = 0;

void* try_allocate(std::size_t size) noexcept {
  void* const block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) return nullptr;
  ++allocations;
  bytes_held += malloc_usable_size(block);
  return block;
}

void* allocate(std::size_t size) {
  if (void* const block = try_allocate(size)) return block;
  throw std::bad_alloc();
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  bytes_held -= malloc_usable_size(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return try_allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return try_allocate(size); }
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t) noexcept { release(block); }

namespace {

namespace ws = tide::http::ws;
using ws::opcode;

std::vector<std::byte> frame_of(ws::codec& sender, std::size_t size) {
  std::vector<std::byte> out;
  EXPECT_TRUE(sender.encode_message(opcode::binary, std::vector<std::byte>(size), out));
  return out;
}

std::size_t receive(ws::codec& receiver, tide::bytes_view bytes) {
  std::size_t messages = 0;
  while (receiver.next(bytes)) ++messages;
  return messages;
}

TEST(WebSocketAllocations, NoneForAMessageOnceTheBufferHasGrown) {
  auto server = ws::codec::server();
  auto client = ws::codec::client();
  const auto down = frame_of(server, 4000);
  const auto up = frame_of(client, 4000);
  std::vector<std::byte> out;
  const auto exchange_one = [&] {
    out.clear();
    return receive(client, down) + receive(server, up) +
           static_cast<std::size_t>(client.encode_message(opcode::binary, down, out).has_value());
  };
  ASSERT_EQ(exchange_one(), 3u);
  const std::size_t before = allocations;
  std::size_t done = 0;
  for (int i = 0; i < 1000; ++i) done += exchange_one();
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(done, 3000u);
}

TEST(WebSocketAllocations, NoneBeforeTheBytesOfALongFrameHaveCome) {
  auto server = ws::codec::server();
  auto client = ws::codec::client();
  const auto frame = frame_of(server, 5'000'000);
  const std::size_t before = bytes_held;
  EXPECT_EQ(receive(client, std::span(frame).first(1000)), 0u);
  EXPECT_LT(bytes_held - before, 16'384u);
}

TEST(WebSocketAllocations, ABufferThatGrewTooFarIsGivenBack) {
  auto server = ws::codec::server();
  auto client = ws::codec::client();
  const auto large = frame_of(server, 1'000'000);
  const auto small = frame_of(server, 10);
  const std::size_t before = bytes_held;
  EXPECT_EQ(receive(client, large), 1u);
  EXPECT_EQ(receive(client, small), 1u);
  EXPECT_LT(bytes_held - before, 16'384u);
}

}  // namespace

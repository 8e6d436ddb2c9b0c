#include <gtest/gtest.h>
#include <liburing.h>

#include <array>
#include <cstring>
#include <numeric>

#include <tide/ring/request.hpp>

namespace {

TEST(RingRequest, KeepsEveryByteOfAnEntry) {
  std::array<unsigned char, sizeof(io_uring_sqe)> bytes{};
  std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(0xc0));
  io_uring_sqe entry{};
  std::memcpy(&entry, bytes.data(), bytes.size());
  const auto kept = tide::ring::request::from(entry);
  EXPECT_EQ(std::memcmp(&kept.entry(), bytes.data(), bytes.size()), 0);
}

}  // namespace

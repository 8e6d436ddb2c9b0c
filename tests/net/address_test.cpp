#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include <tide/net/address.hpp>

#include "support/run.hpp"

namespace {

using tide::net::address;
using namespace std::string_view_literals;

TEST(Address, ParsesAndPrints) {
  for (const auto text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[2001:db8::1]:1"}) {
    const auto made = address::parse(text);
    ASSERT_TRUE(made) << text;
    EXPECT_EQ(made->to_string(), text);
  }
  EXPECT_EQ(address::parse("[2001:DB8:0:0::1]:7")->to_string(), "[2001:db8::1]:7");
  EXPECT_EQ(address("1.2.3.4", 9).port(), 9);
  EXPECT_EQ(address("::1", 9).port(), 9);
  EXPECT_EQ(address().to_string(), "(no address)");
  EXPECT_EQ(address().port(), 0);
}

TEST(Address, RefusesWhatIsNone) {
  for (const auto text :
       {"",           ":",          "1.2.3.4",  "1.2.3.4:",      "1.2.3.4:65536",   "1.2.3.4:-1",   "1.2.3.4:+1",
        "1.2.3.4: 1", "1.2.3.4:1x", "1.2.3:80", "01.2.3.4.5:80", "::1:80",          "[1.2.3.4]:80", "[::1:80",
        "::1]:80",    "[]:80",      "[::1]80",  "localhost:80",  "[fe80::1%lo]:80", "256.1.1.1:1"}) {
    EXPECT_EQ(address::parse(text).error(), tide::errc::malformed) << text;
  }
  EXPECT_FALSE(address::parse("1.2.3.4\0evil:80"sv)) << "text after a zero byte counts";
  EXPECT_FALSE(address("1.2.3.4\0evil"sv, 80).valid());
  EXPECT_FALSE(address(std::string(10'000, '1'), 80).valid());
  EXPECT_FALSE(address("", 80).valid());
}

TEST(Address, WhatIsPrivate) {
  for (const auto ip : {"0.0.0.0",
                        "0.1.2.3",
                        "10.0.0.1",
                        "10.255.255.255",
                        "100.64.0.1",
                        "100.127.255.255",
                        "127.0.0.1",
                        "127.255.255.254",
                        "169.254.1.1",
                        "172.16.0.1",
                        "172.31.255.255",
                        "192.0.0.1",
                        "192.0.2.1",
                        "192.88.99.1",
                        "192.168.0.1",
                        "198.18.0.1",
                        "198.19.255.255",
                        "198.51.100.1",
                        "203.0.113.1",
                        "224.0.0.1",
                        "239.255.255.255",
                        "240.0.0.1",
                        "255.255.255.255",
                        "::",
                        "::1",
                        "::127.0.0.1",
                        "fc00::1",
                        "fdff::1",
                        "fe80::1",
                        "fec0::1",
                        "ff02::1",
                        "100::1",
                        "2001::1",
                        "2001:1ff::1",
                        "2001:db8::1",
                        "3fff::1",
                        "3fff:fff::1",
                        "5f00::1",
                        "::ffff:10.0.0.1",
                        "::ffff:127.0.0.1",
                        "64:ff9b::10.0.0.1",
                        "64:ff9b::7f00:1",
                        "64:ff9b:1::8.8.8.8",
                        "2002:a00:1::1",
                        "2002:7f00:1::1"}) {
    const address made(ip, 1);
    EXPECT_TRUE(made.valid()) << ip;
    EXPECT_TRUE(made.is_private()) << ip;
  }
  EXPECT_TRUE(address().is_private());
}

TEST(Address, WhatIsPublic) {
  for (const auto ip :
       {"1.1.1.1",         "8.8.8.8",          "9.255.255.255",  "11.0.0.0",       "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "128.0.0.1",        "169.253.1.1",    "172.15.255.255", "172.32.0.0",      "192.0.1.1",
        "192.167.1.1",     "192.169.0.1",      "198.17.255.255", "198.20.0.0",     "223.255.255.255", "2606:4700::1111",
        "2001:200::1",     "2001:db7::1",      "2001:db9::1",    "2a00::1",        "3ffe::1",         "3fff:1000::1",
        "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
    const address made(ip, 1);
    EXPECT_TRUE(made.valid()) << ip;
    EXPECT_FALSE(made.is_private()) << ip;
  }
}

TEST(Resolve, NamesAndNumbers) {
  support::run_here([](tide::scope&) -> tide::task<> {
    const auto local = co_await tide::net::resolve("localhost", 80);
    EXPECT_TRUE(local);
    for (const address& each : *local) {
      EXPECT_EQ(each.port(), 80);
      EXPECT_TRUE(each.is_private());
    }
    const auto number = co_await tide::net::resolve("192.0.2.7", 81);
    EXPECT_EQ(number->at(0).to_string(), "192.0.2.7:81");
    EXPECT_FALSE(co_await tide::net::resolve("", 80));
    EXPECT_FALSE(co_await tide::net::resolve(std::string("localhost\0.evil", 15), 80));
    const auto missing = co_await tide::net::resolve("no-such-host.invalid", 80);
    EXPECT_FALSE(missing);
    EXPECT_STREQ(missing.error().category().name(), "resolver");
    EXPECT_FALSE(missing.error().message().empty());
  });
}

}  // namespace

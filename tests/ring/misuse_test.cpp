// Mistakes with lifetimes that the compiler cannot see: each is loud where assertions are on. Counterparts of liburing's
// xfail_prep_*_out_of_scope.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include <tide/ring/ring.hpp>

#include "ring/probe.hpp"
#include "ring/sockets.hpp"

namespace {

using tide::ring::request;

#ifdef NDEBUG
constexpr bool asserting = false;
#else
constexpr bool asserting = true;
#endif

class RingMisuseDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!asserting) GTEST_SKIP() << "a build without assertions";
    made_ = tide::ring::ring::create({.entries = 8}).value();
    ASSERT_TRUE(made_->enable());
  }
  std::unique_ptr<tide::ring::ring> made_;
  std::array<tide::descriptor, 2> sockets_ = socket_pair();
  std::array<std::byte, 4> into_{};
};

TEST_F(RingMisuseDeathTest, AnOperationThatGoesWhileTheKernelWorksForIt) {
  EXPECT_DEATH(
      {
        probe out_of_scope;
        made_->start(out_of_scope, request::receive(sockets_[0].get(), into_));
      },
      "the kernel still works for this operation");
}

TEST_F(RingMisuseDeathTest, ARingThatGoesBeforeItsOperations) {
  EXPECT_DEATH(
      {
        auto* const left = new probe;
        made_->start(*left, request::receive(sockets_[0].get(), into_));
        made_.reset();
      },
      "an operation outlives its ring");
}

TEST_F(RingMisuseDeathTest, AnOperationThatIsStartedTwice) {
  EXPECT_DEATH(
      {
        auto* const one = new probe;
        made_->start(*one, request::receive(sockets_[0].get(), into_));
        made_->start(*one, request::nop());
      },
      "in_flight");
}

TEST_F(RingMisuseDeathTest, AChainThatIsCancelledByOneOfItsFirst) {
  using link = tide::ring::ring::link;
  auto* const links = new std::array<probe, 2>;  // goes with the child
  const std::array chain{link{&links->front(), request::receive(sockets_[0].get(), into_)},
                         link{&links->back(), request::nop()}};
  const auto cancel_the_first = [&] {
    (void)made_->start_chain(chain);
    made_->cancel(links->front());
  };
  EXPECT_DEATH(cancel_the_first(), "the last of a chain");
  delete links;
}

}  // namespace

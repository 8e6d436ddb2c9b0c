// One value from one task or thread to another: oneshot<T>.
//
//   auto [sender, receiver] = tide::oneshot<reply>::create();
//   sender.send(reply);                                  // never waits
//   auto answer = co_await receiver.receive();           // result<reply>; errc::closed if the sender went without a word
#pragma once

#include <utility>

#include <tide/sync/spsc.hpp>

namespace tide {

/// A channel for one value. Any thread; ends move and cannot be copied. T moves without throwing. Allocates when it is made.
template <class T>
class oneshot {
 public:
  class sender {
   public:
    sender() noexcept = default;
    /// Sends and closes. errc::closed if nobody receives, or at the second call: then the value is not moved from.
    result<> send(T&& value) noexcept {
      auto once = std::exchange(through_, {});
      if (!once.try_send(std::move(value))) return fail(errc::closed);
      return {};
    }

   private:
    friend oneshot;
    explicit sender(typename spsc<T>::sender through) noexcept : through_(std::move(through)) {}
    typename spsc<T>::sender through_;
  };
  using receiver = typename spsc<T>::receiver;

  struct ends {
    oneshot::sender sender;
    oneshot::receiver receiver;
  };
  [[nodiscard]] static ends create() {
    auto made = spsc<T>::create(1);
    return {.sender = sender(std::move(made.sender)), .receiver = std::move(made.receiver)};
  }
};

}  // namespace tide

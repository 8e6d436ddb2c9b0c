// A stream of any type behind one type: for code that shall not be a template, and for tables of mixed streams.
//
//   tide::any_stream peer(std::move(tcp));         // owns it
//   auto size = co_await peer.read_some(buffer);   // as on the stream itself
//
// Each operation is one task more: a frame from the executor's cache, and no allocation once the cache is warm.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/stream.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

/// Move-only; stays where it is while an operation of it waits. Thread rules are those of what is inside. Reading from an
/// empty one, or writing to it, fails with errc::closed.
class any_stream {
 public:
  any_stream() noexcept = default;
  /// Allocates once.
  template <stream S>
    requires(!std::same_as<std::remove_cvref_t<S>, any_stream>)
  explicit any_stream(S&& inside) : held_(std::make_unique<held<std::remove_cvref_t<S>>>(std::forward<S>(inside))) {}

  [[nodiscard]] task<result<std::size_t>> read_some(bytes_span into) {
    return held_ ? held_->read_some(into) : closed<std::size_t>();
  }
  [[nodiscard]] task<result<std::size_t>> write_some(bytes_view bytes) {
    return held_ ? held_->write_some(bytes) : closed<std::size_t>();
  }
  [[nodiscard]] task<result<>> write_all(bytes_view bytes) { return held_ ? held_->write_all(bytes) : closed<void>(); }
  [[nodiscard]] task<result<>> write_all(std::string_view text) { return write_all(bytes_of(text)); }
  [[nodiscard]] task<result<>> shutdown() { return held_ ? held_->shutdown() : closed<void>(); }
  /// With `why` where the stream inside can hand an error on.
  task<> close(std::error_code why = {}) {
    if (held_) co_await held_->close(why);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }
  /// What is inside if it is an S, else nullptr.
  template <stream S>
  [[nodiscard]] S* get() noexcept {
    auto* const found = dynamic_cast<held<S>*>(held_.get());
    return found == nullptr ? nullptr : &found->inside;
  }

 private:
  struct any {
    any() noexcept = default;
    any(const any&) = delete;
    any& operator=(const any&) = delete;
    virtual ~any() = default;
    virtual task<result<std::size_t>> read_some(bytes_span into) = 0;
    virtual task<result<std::size_t>> write_some(bytes_view bytes) = 0;
    virtual task<result<>> write_all(bytes_view bytes) = 0;
    virtual task<result<>> shutdown() = 0;
    virtual task<> close(std::error_code why) = 0;
  };
  template <class S>
  struct held final : any {
    template <class Given>
    explicit held(Given&& given) : inside(std::forward<Given>(given)) {}
    task<result<std::size_t>> read_some(bytes_span into) override { co_return co_await inside.read_some(into); }
    task<result<std::size_t>> write_some(bytes_view bytes) override { co_return co_await inside.write_some(bytes); }
    task<result<>> write_all(bytes_view bytes) override { co_return co_await inside.write_all(bytes); }
    task<result<>> shutdown() override { co_return co_await inside.shutdown(); }
    task<> close(std::error_code why) override {
      if constexpr (requires { inside.close(why); }) {
        co_await inside.close(why);
      } else {
        co_await inside.close();
      }
    }
    S inside;
  };
  template <class T>
  static task<result<T>> closed() {
    co_return fail(errc::closed);
  }
  std::unique_ptr<any> held_;
};

}  // namespace tide

// Keeps count of numbered things (buffers) that an executor lends out and that may come back from any thread, even after the
// executor has ended.
//
//   ledger.lend();                                   // home thread
//   ledger.returned_here();                          // home thread
//   if (ledger.return_from_elsewhere(number)) …      // any other thread; true: last one of an ended owner, free it all
//   ledger.collect([&](std::uint32_t number) { … }); // home thread: what others have returned
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tide {

class lease_ledger {
 public:
  explicit lease_ledger(std::size_t numbers);

  void lend() noexcept { ++lent_; }
  void returned_here() noexcept { ++returned_here_; }
  /// Any thread but the home one (or any thread once disown() was called). True: the caller frees the owner.
  [[nodiscard]] bool return_from_elsewhere(std::uint32_t number) noexcept;
  /// Home thread: calls take(number) for each that came back from elsewhere since the last time.
  template <class F>
  void collect(F take) {
    for (std::uint32_t at = take_all(); at != 0;) {
      const std::uint32_t number = at - 1;
      at = next_[number];
      take(number);
    }
  }
  [[nodiscard]] bool has_returned() const noexcept;
  /// Home thread, last call: the owner ends. True: nothing is out, the caller frees it now; else the last return does.
  [[nodiscard]] bool disown() noexcept;

 private:
  std::uint32_t take_all() noexcept;

  std::uint64_t lent_ = 0;           // home thread only
  std::uint64_t returned_here_ = 0;  // home thread only
  std::unique_ptr<std::uint32_t[]> next_;
  std::atomic<std::uint32_t> returned_{0};    // a stack through next_, number + 1; 0: empty
  std::atomic<std::int64_t> outstanding_{0};  // minus what came from elsewhere; disown() adds what is out
};

}  // namespace tide

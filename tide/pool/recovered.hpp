// What the processes before left in a pool, one block after the other. The pool is complete while this runs: allocating,
// attaching and freeing inside the loop are legal.
//
//   for (tide::block& left : pool.recovered()) {
//     if (expired(left)) left.release();                     // drop it
//     else if (wanted(left)) mine.push_back(std::move(left));  // take it
//   }                                                        // otherwise it stays in the pool, and comes back next time
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include <tide/pool/block.hpp>

namespace tide {

/// A single-pass range. Blocks that somebody holds by now are left out, so several threads may walk at once: each block is
/// seen by at least one of them. Empty when the pool was joined: its blocks belong to the living.
class recovered_blocks {
 public:
  class iterator {
   public:
    using value_type = block;
    using difference_type = std::ptrdiff_t;

    /// The block, held by the iterator: move it out to keep hold of it, release() it to free it, or leave it.
    [[nodiscard]] block& operator*() const noexcept { return current_; }
    [[nodiscard]] block* operator->() const noexcept { return &current_; }
    iterator& operator++() {
      current_.persist();
      ++number_;
      find();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& at, std::default_sentinel_t) noexcept {
      return at.number_ >= at.core_->header().maximum_blocks;
    }

   private:
    friend class recovered_blocks;
    iterator(pool_detail::core& core, std::uint64_t type) : core_(&core), type_(type) { find(); }
    void find();

    pool_detail::core* core_;
    std::uint64_t type_;
    std::uint32_t number_ = 0;
    mutable block current_;
  };

  [[nodiscard]] iterator begin() const { return iterator(*core_, type_); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class pool;
  template <pool_storable T>
  friend class recovered_objects;
  recovered_blocks(pool_detail::core& core, std::uint64_t type) noexcept : core_(&core), type_(type) {}

  pool_detail::core* core_;
  std::uint64_t type_;
};

/// The same, of the blocks that hold a T; others stay untouched. A reference stays valid after the step that gave it for as
/// long as nobody frees the block.
template <pool_storable T>
class recovered_objects {
 public:
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    [[nodiscard]] T& operator*() const noexcept { return *pool_detail::object_at<T>(at_->data()); }
    [[nodiscard]] T* operator->() const noexcept { return &**this; }
    iterator& operator++() {
      ++at_;
      skip_foreign();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& at, std::default_sentinel_t end) noexcept { return at.at_ == end; }

    /// Takes the object out of the walk: it stays held. `*it` must not be used after this.
    [[nodiscard]] holder<T> take() { return holder<T>(std::move(*at_)); }
    /// Frees the object. `*it` must not be used after this.
    void drop() { at_->release(); }

   private:
    friend class recovered_objects;
    explicit iterator(recovered_blocks::iterator at) : at_(std::move(at)) { skip_foreign(); }
    void skip_foreign() {
      while (at_ != std::default_sentinel && at_->size() != sizeof(T)) ++at_;
    }

    recovered_blocks::iterator at_;
  };

  [[nodiscard]] iterator begin() const { return iterator(blocks_.begin()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class pool;
  explicit recovered_objects(recovered_blocks blocks) noexcept : blocks_(blocks) {}

  recovered_blocks blocks_;
};

}  // namespace tide

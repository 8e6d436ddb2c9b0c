// A priority queue whose links live in its members: O(1) push and look at the least, O(log n) amortised removal of any.
//
//   struct timer : tide::heap_hook { std::int64_t deadline; };
//   struct sooner { bool operator()(const timer& a, const timer& b) const noexcept { return a.deadline < b.deadline; } };
//   tide::pairing_heap<timer, sooner> timers;
//   timers.push(t);  timers.top();  timers.erase(t);
#pragma once

namespace tide {

class heap_hook {
 public:
  heap_hook() noexcept = default;
  heap_hook(const heap_hook&) = delete;
  heap_hook& operator=(const heap_hook&) = delete;
  [[nodiscard]] bool queued() const noexcept { return queued_; }

 private:
  template <class T, class Before>
  friend class pairing_heap;
  heap_hook* child_ = nullptr;
  heap_hook* next_ = nullptr;      // next sibling
  heap_hook* previous_ = nullptr;  // previous sibling, or the parent of a first child
  bool queued_ = false;
};

/// Members derive from heap_hook, stay where they are while queued, and are erased before they die. Equal members leave in
/// no promised order.
template <class T, class Before>
class pairing_heap {
 public:
  pairing_heap() noexcept = default;
  pairing_heap(const pairing_heap&) = delete;
  pairing_heap& operator=(const pairing_heap&) = delete;

  [[nodiscard]] bool empty() const noexcept { return root_ == nullptr; }
  /// True if there is exactly one member.
  [[nodiscard]] bool single() const noexcept { return root_ != nullptr && root_->child_ == nullptr; }
  [[nodiscard]] T* top() const noexcept { return static_cast<T*>(root_); }

  void push(T& member) noexcept {
    heap_hook& hook = member;
    hook.child_ = hook.next_ = hook.previous_ = nullptr;
    hook.queued_ = true;
    root_ = root_ == nullptr ? &hook : meld(root_, &hook);
  }

  void erase(T& member) noexcept {
    heap_hook* hook = &member;
    if (hook == root_) {
      root_ = merge_pairs(hook->child_);
    } else {
      if (hook->previous_->child_ == hook) {
        hook->previous_->child_ = hook->next_;
      } else {
        hook->previous_->next_ = hook->next_;
      }
      if (hook->next_ != nullptr) hook->next_->previous_ = hook->previous_;
      if (heap_hook* rest = merge_pairs(hook->child_)) root_ = meld(root_, rest);
    }
    hook->child_ = hook->next_ = hook->previous_ = nullptr;
    hook->queued_ = false;
  }

 private:
  /// Joins two roots; the loser becomes the first child of the winner. Neither may have siblings.
  static heap_hook* meld(heap_hook* a, heap_hook* b) noexcept {
    if (Before()(*static_cast<T*>(b), *static_cast<T*>(a))) {
      heap_hook* swapped = a;
      a = b;
      b = swapped;
    }
    b->next_ = a->child_;
    if (a->child_ != nullptr) a->child_->previous_ = b;
    b->previous_ = a;
    a->child_ = b;
    a->next_ = a->previous_ = nullptr;
    return a;
  }

  /// The two-pass merge of a chain of siblings, without recursion: pairs from the left, then all from the right.
  static heap_hook* merge_pairs(heap_hook* first) noexcept {
    heap_hook* pairs = nullptr;  // a stack, linked through next_
    while (first != nullptr) {
      heap_hook* a = first;
      heap_hook* b = a->next_;
      first = b == nullptr ? nullptr : b->next_;
      a->next_ = a->previous_ = nullptr;
      if (b != nullptr) {
        b->next_ = b->previous_ = nullptr;
        a = meld(a, b);
      }
      a->next_ = pairs;
      pairs = a;
    }
    heap_hook* merged = nullptr;
    while (pairs != nullptr) {
      heap_hook* rest = pairs->next_;
      pairs->next_ = nullptr;
      merged = merged == nullptr ? pairs : meld(merged, pairs);
      pairs = rest;
    }
    return merged;
  }

  heap_hook* root_ = nullptr;
};

}  // namespace tide

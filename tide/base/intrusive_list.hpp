// A doubly linked list whose links live in its members: no allocation, O(1) unlink from anywhere.
//
//   struct waiter : tide::list_hook { … };
//   tide::intrusive_list<waiter> waiting;
//   waiting.push_back(w);  w.unlink();
//
// (Boost.Intrusive has the same list; this one is a tenth of its compile time in headers that every coroutine includes:
// docs/decisions/0003-intrusive-containers.md.)
#pragma once

namespace tide {

/// Base of a member. Unlinks itself when it goes, so a list never holds a dead member. Not copyable, not movable while
/// linked.
class list_hook {
 public:
  list_hook() noexcept = default;
  list_hook(const list_hook&) = delete;
  list_hook& operator=(const list_hook&) = delete;
  ~list_hook() { unlink(); }

  [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }
  void unlink() noexcept {
    if (next_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T>
  friend class intrusive_list;
  list_hook* next_ = nullptr;
  list_hook* previous_ = nullptr;
};

/// A list of T, which derives from list_hook. Owns nothing: members that are still linked when it goes are unlinked.
template <class T>
class intrusive_list {
 public:
  intrusive_list() noexcept { head_.next_ = head_.previous_ = &head_; }
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;
  ~intrusive_list() {
    while (pop_front() != nullptr) {
    }
    head_.next_ = head_.previous_ = nullptr;
  }

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }

  void push_back(T& member) noexcept {
    list_hook& hook = member;
    hook.next_ = &head_;
    hook.previous_ = head_.previous_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }

  /// The first member, unlinked, or nullptr.
  [[nodiscard]] T* pop_front() noexcept {
    if (empty()) return nullptr;
    T* member = static_cast<T*>(head_.next_);
    member->list_hook::unlink();
    return member;
  }

  [[nodiscard]] T* front() const noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }

  /// Calls f(member) for each, first to last. f may unlink the member it is given, and no other.
  template <class F>
  void for_each(F f) const {
    for (list_hook* at = head_.next_; at != &head_;) {
      list_hook* next = at->next_;
      f(static_cast<T&>(*at));
      at = next;
    }
  }

  /// Moves all members of `other` behind those of this list.
  void splice_back(intrusive_list& other) noexcept {
    if (other.empty()) return;
    list_hook* first = other.head_.next_;
    list_hook* last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  list_hook head_;
};

}  // namespace tide

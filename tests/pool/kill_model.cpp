#include "kill_model.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <random>
#include <utility>

namespace tide_test {
namespace {

books* armed = nullptr;
tide::pool_detail::fault_point interference_point{};
std::function<void()> interference_once;

class victim {
 public:
  victim(tide::pool& pool, books& record, std::uint64_t seed) : pool_(pool), books_(record), random_(seed) {}

  void step() {
    const auto index = static_cast<std::uint32_t>(random_() % books::slots);
    slot& chosen = books_.all[index];
    switch (chosen.state) {
      case slot_state::empty: return random_() % 2 == 0 ? allocate(index) : make(index);
      case slot_state::held:
        return random_() % 2 == 0 ? give_up(index, operation::release) : give_up(index, operation::persist);
      case slot_state::detached: return random_() % 2 == 0 ? attach(index) : free(index);
    }
  }
  void sync() { (void)pool_.sync(); }

 private:
  void begin(operation what, std::uint32_t index) {
    books_.pending_slot = index;
    books_.pending_kind = books_.all[index].kind;
    books_.pending_content = books_.all[index].content;
    // The order of the stores is all that matters, and a killed process has made every store up to its death.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    books_.pending = what;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  void end(std::uint32_t index, slot_state state) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    books_.all[index].state = state;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    books_.pending = operation::none;
    ++books_.operations;
  }

  stamp fresh(std::uint32_t index) {
    const std::uint64_t value = random_();
    return {.slot = index, .life = static_cast<std::uint32_t>(::getpid()), .value = value, .value_again = value};
  }

  void allocate(std::uint32_t index) {
    slot& chosen = books_.all[index];
    chosen.kind = random_() % 3 == 0 ? tide::block_kind::non_recoverable : tide::block_kind::recoverable;
    chosen.content = fresh(index);
    begin(operation::allocate, index);
    auto made = pool_.allocate(chosen.kind, sizeof(stamp));
    if (!made) return abandon();
    std::memcpy(made->data(), &chosen.content, sizeof(stamp));
    chosen.handle = made->handle();
    blocks_[index] = std::move(*made);
    end(index, slot_state::held);
  }
  void make(std::uint32_t index) {
    slot& chosen = books_.all[index];
    chosen.kind = tide::block_kind::recoverable;
    chosen.content = fresh(index);
    begin(operation::make, index);
    auto made = pool_.make<stamp>(chosen.content);
    if (!made) return abandon();
    chosen.handle = made->handle();
    blocks_[index] = std::move(made->untyped());
    end(index, slot_state::held);
  }
  void give_up(std::uint32_t index, operation how) {
    begin(how, index);
    if (random_() % 4 == 0) {  // through a second reference
      auto second = blocks_[index].share();
      blocks_[index].persist();
      if (second) blocks_[index] = std::move(*second);
    }
    if (how == operation::release)
      blocks_[index].release();
    else
      blocks_[index].persist();
    end(index, how == operation::release ? slot_state::empty : slot_state::detached);
  }
  void attach(std::uint32_t index) {
    begin(operation::attach, index);
    auto found = pool_.attach(books_.all[index].handle);
    if (!found) ::_exit(3);  // the books say that it is there
    blocks_[index] = std::move(*found);
    end(index, slot_state::held);
  }
  void free(std::uint32_t index) {
    begin(operation::free, index);
    if (!pool_.free(books_.all[index].handle)) ::_exit(4);
    end(index, slot_state::empty);
  }
  void abandon() { books_.pending = operation::none; }

  tide::pool& pool_;
  books& books_;
  std::mt19937_64 random_;
  std::array<tide::block, books::slots> blocks_;
};

}  // namespace

books* shared_books() {
  void* at = ::mmap(nullptr, sizeof(books), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : new (at) books{};
}

void interfere(tide::pool_detail::fault_point point, std::function<void()> interference) {
  interference_point = point;
  interference_once = std::move(interference);
}

void arm(books& of_victim) { armed = &of_victim; }

int live(const std::filesystem::path& path, books& record, std::uint64_t seed, std::uint32_t operations) {
  auto pool = tide::pool::open(path, model_options());
  if (!pool) return 2;
  record.opened = 1;
  {
    victim life(*pool, record, seed);
    for (std::uint32_t done = 0; done < operations; ++done) {
      life.step();
      if (done % 128 == 127) life.sync();
    }
    // What is held now is detached by the end of `life`: the books count held and detached alike after a death, and a block
    // that is not recoverable is gone either way.
  }
  return 0;
}

}  // namespace tide_test

namespace tide::pool_detail {

void reach(fault_point point) noexcept {
  if (tide_test::interference_once && tide_test::interference_point == point) {
    std::exchange(tide_test::interference_once, nullptr)();
  }
  tide_test::books* const record = tide_test::armed;
  if (record == nullptr || record->countdown == 0 || record->point != point) return;
  if (--record->countdown == 0) ::kill(::getpid(), SIGKILL);
}

}  // namespace tide::pool_detail

#include <tide/pool/error.hpp>

#include <string>

namespace tide {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tide.pool"; }
  std::string message(int value) const override {
    switch (static_cast<pool_errc>(value)) {
      case pool_errc::wrong_magic: return "not a pool";
      case pool_errc::wrong_version: return "the pool has a format version that this build does not read";
      case pool_errc::wrong_features: return "the pool uses a format feature that this build does not know";
      case pool_errc::wrong_name: return "the pool has another name";
      case pool_errc::wrong_type: return "the pool or block holds another type";
      case pool_errc::wrong_size: return "the pool has another block size, alignment or maximum";
      case pool_errc::truncated: return "the pool's file is shorter than its records say";
      case pool_errc::incomplete: return "the creation of the pool was interrupted";
      case pool_errc::corrupt_header: return "neither copy of the pool's header is whole";
      case pool_errc::busy: return "the pool is held by another process";
      case pool_errc::too_many_openers: return "too many processes have the pool open";
      case pool_errc::invalid_options: return "invalid pool options";
      case pool_errc::too_large: return "more bytes than a block of the pool holds";
      case pool_errc::full: return "the pool is full";
      case pool_errc::stale: return "the block was freed";
      case pool_errc::held: return "the block is held";
      case pool_errc::too_many_references: return "too many references to one block";
      case pool_errc::foreign_process: return "the pool was opened before fork()";
    }
    return "unknown pool error";
  }
};

}  // namespace

const std::error_category& pool_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(pool_errc code) noexcept { return {static_cast<int>(code), pool_category()}; }

}  // namespace tide

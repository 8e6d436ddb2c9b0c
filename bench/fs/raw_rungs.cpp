#include <fcntl.h>
#include <liburing.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include <tide/base/descriptor.hpp>

#include "fs/rungs.hpp"
#include "harness/stopwatch.hpp"

namespace bench {
namespace {

/// A ring with a file and a buffer for each request under way; deferred, one issuer: as cheap as it gets.
class raw_file {
 public:
  raw_file(const data_file& file, unsigned depth, std::size_t bytes, bool fixed, bool write)
      : fd_(::open(file.path.c_str(), (write ? O_WRONLY : O_RDONLY) | O_DIRECT | O_CLOEXEC)),
        bytes_(bytes),
        fixed_(fixed),
        write_(write) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    open_ = io_uring_queue_init_params(256, &ring_, &params) == 0;
    if (!fd_ || !open_) throw std::runtime_error("cannot open " + file.path + " or a ring");
    io_uring_register_ring_fd(&ring_);
    memory_ = static_cast<std::byte*>(::operator new(depth * bytes, std::align_val_t(4096)));
    for (std::size_t i = 0; i < depth * bytes; i += 4096) memory_[i] = std::byte{1};
    const iovec whole{memory_, depth * bytes};
    if (fixed && io_uring_register_buffers(&ring_, &whole, 1) != 0) throw std::runtime_error("cannot register buffers");
  }
  raw_file(const raw_file&) = delete;
  raw_file& operator=(const raw_file&) = delete;
  ~raw_file() {
    if (open_) io_uring_queue_exit(&ring_);
    ::operator delete(memory_, std::align_val_t(4096));
  }

  void begin(unsigned number, std::uint64_t offset) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    std::byte* const at = memory_ + number * bytes_;
    const auto size = static_cast<unsigned>(bytes_);
    if (write_) {
      io_uring_prep_write(entry, fd_.get(), at, size, offset);
    } else if (fixed_) {
      io_uring_prep_read_fixed(entry, fd_.get(), at, size, offset, 0);
    } else {
      io_uring_prep_read(entry, fd_.get(), at, size, offset);
    }
    io_uring_sqe_set_data64(entry, number);
  }
  /// Submits, waits for one at least, and calls `again(number)` for each that has ended.
  template <class Again>
  unsigned turn(Again again) {
    io_uring_submit_and_wait(&ring_, 1);
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* each = nullptr;
    io_uring_for_each_cqe(&ring_, head, each) {
      if (each->res != static_cast<int>(bytes_)) throw std::runtime_error("a transfer failed");
      again(static_cast<unsigned>(each->user_data));
      ++seen;
    }
    io_uring_cq_advance(&ring_, seen);
    return seen;
  }

 private:
  tide::descriptor fd_;
  io_uring ring_{};
  std::size_t bytes_;
  std::byte* memory_ = nullptr;
  bool fixed_;
  bool write_;
  bool open_ = false;
};

template <class Next>
side transfers(const std::shared_ptr<raw_file>& file, unsigned depth, double each, Next next) {
  return [=](std::chrono::nanoseconds length) mutable {
    const stopwatch watch;
    double done = 0;
    for (unsigned number = 0; number < depth; ++number) file->begin(number, next());
    while (watch.within(length)) done += file->turn([&](unsigned number) { file->begin(number, next()); });
    for (unsigned left = depth; left > 0;) left -= file->turn([](unsigned) {});
    return watch.finish((done + depth) * each);
  };
}

}  // namespace

side raw_random_reads(const data_file& from, unsigned depth, bool fixed) {
  return transfers(std::make_shared<raw_file>(from, depth, block_bytes, fixed, false), depth, 1,
                   [blocks = random_blocks(from.size)]() mutable { return blocks.next(); });
}

side raw_stream(const data_file& file, bool write) {
  return transfers(std::make_shared<raw_file>(file, stream_depth, piece_bytes, false, write), stream_depth,
                   static_cast<double>(piece_bytes), [at = std::uint64_t{0}, size = file.size]() mutable {
                     const std::uint64_t here = at;
                     at = (at + piece_bytes) % size;
                     return here;
                   });
}

}  // namespace bench

#include <apps/relay/log_sink.hpp>

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace tide::relay {

struct log_sink::parts {
  std::shared_ptr<spdlog::details::thread_pool> thread = std::make_shared<spdlog::details::thread_pool>(8192, 1);
  std::shared_ptr<spdlog::async_logger> logger = std::make_shared<spdlog::async_logger>(
      "relay", std::make_shared<spdlog::sinks::stderr_sink_mt>(), thread, spdlog::async_overflow_policy::overrun_oldest);
};

log_sink::log_sink() : parts_(std::make_unique<parts>()) {
  parts_->logger->set_pattern("%v");
  parts_->logger->flush_on(spdlog::level::info);
  log::set_sink(this);
}

log_sink::~log_sink() {
  log::set_sink(nullptr);
  if (const std::size_t lost = parts_->thread->overrun_counter(); lost > 0) {
    parts_->logger->warn("{} log lines were dropped: standard error was too slow", lost);
  }
}

void log_sink::write(log::level, std::string_view line) noexcept {
  parts_->logger->info(spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tide::relay

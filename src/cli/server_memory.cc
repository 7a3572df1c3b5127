#include "cli/server_memory.h"

#include <malloc.h>

#include <chrono>
#include <ctime>

namespace autoglm {
namespace {

constexpr std::chrono::seconds kPause{2};
constexpr double kIdleSeconds = 0.02;    // of work within kPause
constexpr double kWorkedSeconds = 0.20;  // since the last time, before it is worth the while

double worked_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

void return_large_memory() { mallopt(M_MMAP_THRESHOLD, 256 << 10); }

IdleMemory::IdleMemory() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

void IdleMemory::run(const std::stop_token& stop) {
  double trimmed = 0;
  double before = worked_seconds();
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, stop, kPause, [&] { return stop.stop_requested(); })) {
    const double now = worked_seconds();
    if (now - before < kIdleSeconds && now - trimmed > kWorkedSeconds) {
      malloc_trim(0);
      trimmed = worked_seconds();
    }
    before = now;
  }
}

}  // namespace autoglm

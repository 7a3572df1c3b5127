// How the memory of a server that runs for months goes back to the system.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace autoglm {

// Bodies and answers of megabytes come from the system and go back to it. By itself malloc learns
// from the first of them to keep such sizes: after some minutes of them a server held twice the
// memory. For the process.
void return_large_memory();

// What many small pieces leave free lies between others that are in use, one heap for each thread,
// and malloc keeps it. While one of these lives, a process that has nothing to do gives it back:
// after minutes of many clients that is a third of a small server's memory. "Nothing to do" is read
// from the time of the process's processors, so it needs to know no kind of work.
class IdleMemory {
 public:
  IdleMemory();

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // the last: ends before the others go
};

}  // namespace autoglm

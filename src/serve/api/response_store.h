// Answers of the Responses API to which clients come back: in memory, each its owner's, for a time
// and within a bound. Members may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace autoglm::serve {

// JSON texts: as values they would be ten times as large.
struct StoredResponse {
  std::string response;  // the object that was answered with
  std::string input;     // the list of items that it answered, those of earlier turns included
  std::string output;    // the list of items that it added
};

class ResponseStore {
 public:
  using Clock = std::chrono::steady_clock;
  struct Limits {
    size_t bytes = size_t{128} << 20;  // of all texts together
    Clock::duration lifetime = std::chrono::hours(24);
  };
  explicit ResponseStore(Limits limits, std::function<Clock::time_point()> now = Clock::now)
      : limits_(limits), now_(std::move(now)) {}
  ResponseStore() : ResponseStore(Limits{}) {}

  // Where there is no room, the oldest of the owner that has most makes room.
  void put(const std::string& owner, const std::string& id, StoredResponse response);
  std::optional<StoredResponse> get(const std::string& owner, const std::string& id);
  // Whether there was one.
  bool erase(const std::string& owner, const std::string& id);
  size_t bytes() const;

 private:
  struct Entry {
    std::string owner, id;
    StoredResponse response;
    Clock::time_point ends;
    size_t bytes() const;
  };
  using Entries = std::list<Entry>;  // oldest first

  Entries::iterator find(const std::string& owner, const std::string& id);
  void remove(Entries::iterator entry);
  void remove_ended();
  void make_room();

  const Limits limits_;
  const std::function<Clock::time_point()> now_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::map<std::string, Entries::iterator> by_id_;
  std::map<std::string, size_t> bytes_of_owner_;
  size_t bytes_ = 0;
};

}  // namespace autoglm::serve

#include "serve/api/response_store.h"

#include <algorithm>
#include <utility>

namespace autoglm::serve {

size_t ResponseStore::Entry::bytes() const {
  return sizeof(Entry) + owner.size() + id.size() + response.response.size() +
         response.input.size() + response.output.size();
}

void ResponseStore::put(const std::string& owner, const std::string& id, StoredResponse response) {
  const std::lock_guard lock(mutex_);
  remove_ended();
  const auto entry = entries_.insert(
      entries_.end(), Entry{owner, id, std::move(response), now_() + limits_.lifetime});
  by_id_[id] = entry;
  bytes_of_owner_[owner] += entry->bytes();
  bytes_ += entry->bytes();
  make_room();
}

std::optional<StoredResponse> ResponseStore::get(const std::string& owner, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto entry = find(owner, id);
  if (entry == entries_.end()) return std::nullopt;
  return entry->response;
}

bool ResponseStore::erase(const std::string& owner, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto entry = find(owner, id);
  if (entry == entries_.end()) return false;
  remove(entry);
  return true;
}

size_t ResponseStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

// Another's is as if there were none.
ResponseStore::Entries::iterator ResponseStore::find(const std::string& owner,
                                                     const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->owner != owner) return entries_.end();
  if (found->second->ends > now_()) return found->second;
  remove(found->second);
  return entries_.end();
}

void ResponseStore::remove(Entries::iterator entry) {
  bytes_ -= entry->bytes();
  const auto owner = bytes_of_owner_.find(entry->owner);
  owner->second -= entry->bytes();
  if (owner->second == 0) bytes_of_owner_.erase(owner);
  by_id_.erase(entry->id);
  entries_.erase(entry);
}

void ResponseStore::remove_ended() {
  while (!entries_.empty() && entries_.front().ends <= now_()) remove(entries_.begin());
}

void ResponseStore::make_room() {
  while (bytes_ > limits_.bytes) {
    const auto most =
        std::ranges::max_element(bytes_of_owner_, {}, [](const auto& one) { return one.second; });
    remove(std::ranges::find(entries_, most->first, &Entry::owner));
  }
}

}  // namespace autoglm::serve

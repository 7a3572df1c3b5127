// A mark stands behind the first character of the word, so that no template
// that looks for the whole word finds it, and the word's own characters stay as
// they are.
#include "text/literal_text.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/utf8.h"

namespace autoglm {
namespace {

// Letters of a script that is not read any more (Linear A): templates escape,
// fold and strip letters least of all. Three of them make a mark.
constexpr char32_t kFirstLetter = 0x10600;
constexpr size_t kLetters = 300;

std::string mark_number(size_t number) {
  std::string mark;
  for (int i = 0; i < 3; ++i) {
    append_utf8(mark, kFirstLetter + static_cast<char32_t>(number % kLetters));
    number /= kLetters;
  }
  return mark;
}

bool is_marked_role(const json::object& message) {
  const json::value* role = message.if_contains("role");
  return role == nullptr || (*role != "system" && *role != "assistant");
}

}  // namespace

LiteralText::LiteralText(const Tokenizer& tokenizer) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(TokenId{id})) continue;
    std::string spelling = tokenizer.token_spelling(TokenId{id});
    // A single character is no word to be mistaken.
    if (spelling.size() < 2) continue;
    longest_ = std::max(longest_, spelling.size());
    spellings_.push_back(std::move(spelling));
  }
  std::sort(spellings_.begin(), spellings_.end());
  spellings_.erase(std::unique(spellings_.begin(), spellings_.end()), spellings_.end());
}

// The longest spelling that begins at `at`, or 0.
size_t LiteralText::length_at(std::string_view text, size_t at) const {
  size_t longest = 0;
  auto begin = spellings_.begin(), end = spellings_.end();
  const size_t most = std::min(longest_, text.size() - at);
  for (size_t n = 0; n < most && begin != end; ++n) {
    const auto byte = static_cast<unsigned char>(text[at + n]);
    const auto byte_of = [n](const std::string& s) {
      return n < s.size() ? static_cast<int>(static_cast<unsigned char>(s[n])) : -1;
    };
    begin =
        std::partition_point(begin, end, [&](const std::string& s) { return byte_of(s) < byte; });
    end =
        std::partition_point(begin, end, [&](const std::string& s) { return byte_of(s) <= byte; });
    if (begin != end && begin->size() == n + 1) longest = n + 1;
  }
  return longest;
}

namespace {

// The strings of a value by the name that they have in their object: the texts of a list's parts
// are one text in a template that puts them one behind the other.
using Pieces = std::vector<boost::json::string*>;
void collect(json::value& value, const std::string& name, std::map<std::string, Pieces>& pieces) {
  if (value.is_array()) {
    for (json::value& item : value.get_array()) collect(item, name, pieces);
  } else if (value.is_object()) {
    for (auto& member : value.get_object()) {
      collect(member.value(), std::string(member.key()), pieces);
    }
  } else if (value.is_string()) {
    pieces[name].push_back(&value.get_string());
  }
}

}  // namespace

bool LiteralText::visit(json::value& value, std::string_view mark) const {
  std::map<std::string, Pieces> pieces_by_name;
  collect(value, "", pieces_by_name);
  bool found = false;
  for (const auto& [name, pieces] : pieces_by_name) {
    std::string joined;
    for (const boost::json::string* piece : pieces) joined.append(piece->data(), piece->size());
    std::vector<size_t> places;  // behind the first character of each word
    for (size_t at = 0; at < joined.size(); ++at) {
      const size_t length = length_at(joined, at);
      if (length == 0) continue;
      found = true;
      if (mark.empty()) return true;
      places.push_back(at + std::min(character_at(joined, at).length, length));
    }
    if (places.empty()) continue;
    size_t begin = 0;
    auto place = places.begin();
    for (boost::json::string* piece : pieces) {
      const size_t end = begin + piece->size();
      std::string marked;
      for (; place != places.end() && *place <= end; ++place) {
        marked.append(joined, begin, *place - begin).append(mark);
        begin = *place;
      }
      *piece = marked.append(joined, begin, end - begin);
      begin = end;
    }
  }
  return found;
}

std::string LiteralText::mark(json::object& context) const {
  if (spellings_.empty()) return {};
  json::value* messages = context.if_contains("messages");
  if (messages == nullptr || !messages->is_array()) return {};
  const auto visit_all = [&](std::string_view mark) {
    bool found = false;
    for (json::value& message : messages->get_array()) {
      if (!message.is_object() || !is_marked_role(message.get_object())) continue;
      json::value* content = message.get_object().if_contains("content");
      if (content != nullptr) found = visit(*content, mark) || found;
    }
    return found;
  };
  if (!visit_all({})) return {};
  // The first mark that the conversation does not hold: few are ever looked at.
  const std::string written = boost::json::serialize(json::value(context));
  size_t number = 0;
  while (written.find(mark_number(number)) != std::string::npos) ++number;
  std::string mark = mark_number(number);
  visit_all(mark);
  return mark;
}

std::vector<size_t> LiteralText::unmark(std::string& text, std::string_view mark) {
  std::vector<size_t> places;
  if (mark.empty()) return places;
  std::string plain;
  plain.reserve(text.size());
  size_t done = 0;
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, done)) {
    plain.append(text, done, at - done);
    places.push_back(plain.empty() ? 0 : character_begin(plain, plain.size() - 1));
    done = at + mark.size();
  }
  plain.append(text, done);
  text = std::move(plain);
  return places;
}

}  // namespace autoglm
